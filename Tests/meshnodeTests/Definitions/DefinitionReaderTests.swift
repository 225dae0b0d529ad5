import MeshCore
import Testing

@testable import meshnode

@Suite("Definitions in YAML and JSON")
struct DefinitionReaderTests {
    private static let wordcount = """
        apiVersion: meshnode/v1
        kind: Actor
        metadata: {name: wordcount}
        spec:
          path: /text/wordcount/{key}        # a comment
          handler:
            exec:
              command: [python3, wordcount.py]
              timeout: 2m
              environment: {LANG: C, COUNT: 3}
              directory: /srv
          mailbox: {limit: 500}
        """

    private static func read(_ text: String) throws(MeshError) -> [ActorDefinition] {
        try DefinitionReader.read(Array(text.utf8))
    }

    @Test("every field arrives, and the source is the document as it was written")
    func complete() throws {
        let definition = try #require(try Self.read(Self.wordcount).first)
        #expect(definition.name == "wordcount")
        #expect(definition.path.description == "/text/wordcount/{key}")
        #expect(definition.mailboxLimit == 500)
        #expect(definition.source == Self.wordcount)
        guard case .exec(let exec) = definition.handler else { return }
        #expect(exec.command == ["python3", "wordcount.py"])
        #expect(exec.timeout == .seconds(120))
        #expect(exec.environment == [Label("COUNT", "3"), Label("LANG", "C")])
        #expect(exec.directory == "/srv")
    }

    @Test("what is left out has its default")
    func defaults() throws {
        let definition = try #require(try Self.read(Self.minimal()).first)
        #expect(definition.mailboxLimit == 10_000)
        #expect(definition.handler == .exec(.init(command: ["cat"], timeout: .seconds(30))))
    }

    private static func minimal(_ name: String = "a", path: String = "/a/{k}") -> String {
        "apiVersion: meshnode/v1\nkind: Actor\nmetadata: {name: \(name)}\n"
            + "spec: {path: '\(path)', handler: {exec: {command: [cat]}}}\n"
    }

    @Test("several documents are several definitions, each with its own source; places count through")
    func documents() throws {
        let text = "# all of ours\n---\n" + Self.minimal("a") + "---\n# the second\n" + Self.minimal("b") + "---\n"
        let definitions = try Self.read(text)
        #expect(definitions.map(\.name) == ["a", "b"])
        #expect(definitions[1].source.contains("# the second"))
        #expect(!definitions[1].source.contains("name: a"))
        let error = #expect(throws: MeshError.self) { try Self.read(Self.minimal("a") + "---\n" + Self.minimal("a")) }
        #expect(error?.message == "line 6, column 1: the name 'a' is taken by the definition at line 1")
        let wrong = #expect(throws: MeshError.self) { try Self.read(Self.minimal("a") + "---\n\nkind: [\n") }
        #expect(wrong?.message.hasPrefix("line 8, column 1: not YAML") == true, "\(wrong?.message ?? "")")
    }

    @Test("JSON is taken too, also with tabs")
    func json() throws {
        let text = """
            {
            \t"apiVersion": "meshnode/v1", "kind": "Actor",
            \t"metadata": {"name": "j"},
            \t"spec": {"path": "/j/{k}", "handler": {"exec": {"command": ["a\\tb", "\\/c"]}}}
            }
            """
        let definition = try #require(try Self.read(text).first)
        #expect(definition.handler == .exec(.init(command: ["a\tb", "/c"])))
        let wrong = #expect(throws: MeshError.self) {
            try Self.read(text.replacing("\"kind\"", with: "\"knid\""))
        }
        #expect(wrong?.message == "line 2, column 31: a definition has no field 'knid'")
        #expect(wrong?.hint == "did you mean 'kind'?")
    }

    @Test(
        "a mistake has its line, its column and, if one is near, the name that was meant",
        arguments: [
            ("handler:", "handlr:", "line 6, column 3: spec has no field 'handlr'", "did you mean 'handler'?"),
            ("timeout: 2m", "timeuot: 2m", "line 9, column 7: exec has no field 'timeuot'", "did you mean 'timeout'?"),
            ("timeout: 2m", "timeout: 2", "line 9, column 16: exec.timeout: '2' is not a duration", ""),
            (
                "timeout: 2m", "timeout: 0s",
                "line 9, column 16: exec.timeout is from 0.001 seconds to 86400.0 seconds", ""
            ),
            ("timeout: 2m", "timeout: [2m]", "line 9, column 16: exec.timeout is a text, and here is a list", ""),
            ("limit: 500", "limit: many", "line 12, column 20: mailbox.limit is a whole number from 1 to 1000000", ""),
            ("limit: 500", "limit: 0", "line 12, column 20: mailbox.limit is a whole number", ""),
            ("limit: 500", "limit: 99999999999999999999", "mailbox.limit is a whole number", ""),
            ("kind: Actor", "kind: Acotr", "line 2, column 7: unknown kind 'Acotr'", "did you mean 'Actor'?"),
            ("kind: Actor", "kind:", "line 2, column 1: a definition lacks 'kind'", ""),
            ("meshnode/v1", "meshnode/v2", "line 1, column 13: unknown apiVersion 'meshnode/v2'", "meshnode/v1"),
            ("name: wordcount", "name: Word_Count", "line 3, column 18: 'Word_Count' is not a name", "a-z, 0-9 and -"),
            ("name: wordcount", "", "line 3, column 11: metadata lacks 'name'", ""),
            ("/text/wordcount/{key}", "text", "line 5, column 9: spec.path: a pattern begins with /", ""),
            ("/text/wordcount/{key}", "/meshnode/echo/{key}", "spec.path: /meshnode/ is reserved", ""),
            ("/text/wordcount/{key}", "/t//x", "line 5, column 9: spec.path: the path is empty, at its byte 3", ""),
            (
                "[python3, wordcount.py]", "python3 wordcount.py", "line 8, column 16: exec.command is a list of texts",
                ""
            ),
            ("[python3, wordcount.py]", "[]", "line 8, column 16: exec.command is a program and its arguments", ""),
            ("[python3, wordcount.py]", "[a, [b]]", "each of exec.command is a text, and here is a list", ""),
            ("directory: /srv", "directory: srv", "line 11, column 18: exec.directory is an absolute path", ""),
            ("{LANG: C, COUNT: 3}", "{'A=B': C}", "line 10, column 21: 'A=B' is not the name of a variable", ""),
            ("{LANG: C, COUNT: 3}", "[A]", "exec.environment is a mapping of texts, and here is a list", ""),
            ("kind: Actor", "kind: Actor\nkind: Actor", "the field 'kind' stands twice", ""),
            ("exec:", "exec: *nowhere", "not YAML", ""),
        ])
    func mistakes(part: String, replacement: String, message: String, hint: String) throws {
        #expect(Self.wordcount.contains(part))
        let error = #expect(throws: MeshError.self) {
            try Self.read(Self.wordcount.replacing(part, with: replacement, maxReplacements: 1))
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(error?.hint.contains(hint) == true || hint.isEmpty, "\(error?.hint ?? "")")
    }

    @Test("nothing, and what is not text, is refused", arguments: ["", "---\n---\n", "# only this\n", "~", "\u{0}"])
    func nothing(text: String) { #expect(throws: MeshError.self) { try Self.read(text) } }

    @Test("bytes that are not UTF-8, and too many of them, are refused")
    func bytes() {
        #expect(throws: MeshError.self) { try DefinitionReader.read([0xFF, 0xFE, 0x00]) }
        #expect(throws: MeshError.self) { try DefinitionReader.read([UInt8](repeating: 0x20, count: (1 << 20) + 1)) }
    }

    @Test("deep nesting and many values end with an error, not with the stack")
    func nesting() {
        let deep = String(repeating: "[", count: 500_000)
        #expect(throws: MeshError.self) { try Self.read(deep) }
        #expect(throws: MeshError.self) {
            try Self.read("a: " + String(repeating: "{a: ", count: 900) + String(repeating: "}", count: 900))
        }
        #expect(throws: MeshError.self) { try Self.read("[" + String(repeating: "1,", count: 200_000) + "]") }
        #expect(throws: MeshError.self) { try Self.read(String(repeating: Self.minimal() + "---\n", count: 300)) }
    }

    @Test("aliases that multiply are refused before they cost anything")
    func billionLaughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n"
        }
        // As keys, which a parser that checks for duplicates has to hash.
        text += "? *a12\n: x\n? *a11\n: y\n"
        // Unbounded, this would not return: it takes years.
        let error = #expect(throws: MeshError.self) { try Self.read(text) }
        #expect(error?.message.contains("aliases") == true, "\(error?.message ?? "")")
    }

    @Test("a few aliases are fine, and so are stars in texts")
    func aliases() throws {
        let text = Self.wordcount.replacing("environment: {LANG: C, COUNT: 3}", with: "environment: {A: &x y, B: *x}")
        guard case .exec(let exec)? = try Self.read(text).first?.handler else { return }
        #expect(exec.environment == [Label("A", "y"), Label("B", "y")])
        let stars = Self.wordcount.replacing(
            "LANG: C", with: "LANG: '" + String(repeating: "*x and ", count: 100) + "'")
        #expect(try Self.read(stars).count == 1)
    }
}
