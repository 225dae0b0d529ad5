import MeshCore
import Testing

@testable import meshnode

@Suite("Placement in definitions")
struct PlacementReaderTests {
    private static func text(_ rest: String) -> String {
        "apiVersion: meshnode/v1\nkind: Actor\nmetadata: {name: a}\nspec:\n  path: /a/{k}\n"
            + "  handler: {exec: {command: [cat]}}\n" + rest + "\n"
    }

    private static func read(_ rest: String) throws(MeshError) -> ActorPlacement? {
        try DefinitionReader.read(Array(self.text(rest).utf8)).first?.placement
    }

    @Test(
        "requirements arrive, however YAML writes them",
        arguments: [
            #"  requires: gpu.memory.free >= 24GiB && model("llama-3.1-8b")"#,
            #"  requires: 'gpu.memory.free >= 24GiB && model("llama-3.1-8b")'"#,
            #"  requires: "gpu.memory.free >= 24GiB && model(\"llama-3.1-8b\")""#,
            "  requires: >\n    gpu.memory.free >= 24GiB\n    && model(\"llama-3.1-8b\")",
            "  requires:\n    gpu.memory.free >= 24GiB\n    && model(\"llama-3.1-8b\")",
            #"  requires: &gpu gpu.memory.free >= 24GiB && model("llama-3.1-8b")"#,
        ])
    func requires(text: String) throws {
        let placement = try Self.read(text)
        #expect(placement?.requires?.description == #"gpu.memory.free >= 24GiB && model("llama-3.1-8b")"#)
    }

    @Test("preferences arrive with their weights, in order") func prefers() throws {
        let placement = try Self.read(
            "  prefers:\n    - {weight: 50, when: zone == \"eu-1\"}\n    - weight: 1000\n      when: '!has(zone)'")
        #expect(placement?.prefers.map(\.weight) == [50, 1000])
        #expect(placement?.prefers.map(\.when.description) == [#"zone == "eu-1""#, "!has(zone)"])
        #expect(try Self.read("")?.isEmpty == true)
    }

    @Test(
        "a mistake is told where it stands in the file",
        arguments: [
            (
                "  requires: gpu.memry.free >= 24GiB", "line 7, column 13: spec.requires: unknown name",
                "gpu.memory.free"
            ),
            ("  requires: has(zone) && gpu.memory.free > 24", "line 7, column 44:", "24GiB"),
            ("  requires: 'has(zone) && gpu.memory.free > 24'", "line 7, column 45:", "24GiB"),
            (
                "  requires: |\n    has(zone) &&\n    zone == eu",
                "line 7, column 13: spec.requires, at its line 2, column 9:", "double quotes"
            ),
            ("  requires: ", "line 7, column 3: spec.requires is empty", "quotes"),
            ("  requires: !has(zone)", "line 7, column 3: spec.requires is empty", "quotes"),
            ("  requires: ! has(zone)", "line 7, column 13: YAML takes the !", "quotes"),
            ("  requires: ! 'has(zone)'", "line 7, column 13: YAML takes the !", "quotes"),
            ("  requires: &a ! has(zone)\n    && has(name)", "line 7, column 13: YAML takes the !", "quotes"),
            ("  requires: !x has(zone)", "line 7, column 13: YAML takes the !", "quotes"),
            ("  requires: [a]", "line 7, column 13: spec.requires is a text", ""),
            ("  requires: ''", "line 7, column 14: spec.requires: a name is missing", "24GiB"),
            ("  prefers: has(zone)", "line 7, column 12: spec.prefers is a list", "weight"),
            ("  prefers: [{when: has(zone)}]", "a preference lacks 'weight'", ""),
            (
                "  prefers: [{weight: 0, when: has(zone)}]",
                "line 7, column 22: weight is a whole number from 1 to 1000", ""
            ),
            ("  prefers: [{weight: 1, when: hs(zone)}]", "line 7, column 31: when: unknown name 'hs'", "has"),
            ("  prefer: []", "spec has no field 'prefer'", "prefers"),
        ])
    func mistakes(text: String, message: String, hint: String) {
        let error = #expect(throws: MeshError.self) { try Self.read(text) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(error?.hint.contains(hint) == true, "\(error?.hint ?? "")")
    }
}
