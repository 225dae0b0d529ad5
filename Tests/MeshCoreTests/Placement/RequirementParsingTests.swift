import MeshCore
import Testing

@Suite struct RequirementParsingTests {
    @Test(
        "a requirement is printed in its canonical form",
        arguments: [
            (#"gpu.memory.free>=24GiB&&model("llama-3.1-8b")"#, #"gpu.memory.free >= 24GiB && model("llama-3.1-8b")"#),
            (#"zone == "eu-1""#, #"zone == "eu-1""#),
            (#" label( "team" )=="vision" "#, #"label("team") == "vision""#),
            (#"!(zone == "a")"#, #"zone != "a""#),
            (#"!zone != "a""#, #"zone == "a""#),
            (#"!!has(gpu.uuid)"#, "has(gpu.uuid)"),
            ("!has(gpu.uuid)", "!has(gpu.uuid)"),
            ("!cpu.cores < 8", "!(cpu.cores < 8)"),
            (
                "cpu.cores >= 1.50 && (memory.total > 1024KiB && rtt < 1000us)",
                "cpu.cores >= 1.5 && memory.total > 1MiB && rtt < 1ms"
            ),
            (
                #"(name == "a" || name == "b") && (zone == "c" || (zone == "d"))"#,
                #"(name == "a" || name == "b") && (zone == "c" || zone == "d")"#
            ),
            (#"name == "a" || name == "b" && zone == "c""#, #"name == "a" || name == "b" && zone == "c""#),
            (#"zone in ["a","b"]"#, #"zone in ["a", "b"]"#),
            (#"!(zone in ["a"])"#, #"!(zone in ["a"])"#),
            ("gpu.cuda >= 12.10", #"gpu.cuda >= "12.10""#),
            (#"gpu.driver >= "580.159.03""#, #"gpu.driver >= "580.159.3""#),
            (#"capability("memory.total") > 0B"#, "memory.total > 0TiB"),
            (#"capability("gpu.memory.free") > 1GB"#, "gpu.memory.free > 1GB"),
            (
                #"capability("rack") == "b12" && capability("zone") == "x""#,
                #"capability("rack") == "b12" && capability("zone") == "x""#
            ),
            (#"label("a \"b\" \\") == "ü""#, #"label("a \"b\" \\") == "ü""#),
            (
                "gpu.0.mig.1.memory.free > 4GiB\n  && gpu.utilization < 50%",
                "gpu.0.mig.1.memory.free > 4GiB && gpu.utilization < 50%"
            ),
        ])
    func canonical(text: String, expected: String) throws {
        let requirement = try Requirement(parsing: text)
        #expect(requirement.description == expected)
        #expect(try Requirement(parsing: expected) == requirement)
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        var text: String
        var code: RequirementError.Code
        var line = 1
        var column: Int
        var length: Int
        var mend: String
        var testDescription: String { self.text }
    }

    @Test(
        "a mistake is told with its place and the mend",
        arguments: [
            Mistake(
                text: "gpu.memry.free >= 24GiB", code: .unknownName, column: 1, length: 14, mend: "gpu.memory.free"),
            Mistake(
                text: #"zone == "a" && rack == "b""#, code: .unknownName, column: 16, length: 4,
                mend: #"capability("rack")"#),
            Mistake(text: #"lable("team") == "x""#, code: .unknownName, column: 1, length: 5, mend: "label"),
            Mistake(text: "gpu.memory.free >= 24", code: .wrongKind, column: 20, length: 2, mend: "24GiB"),
            Mistake(text: "gpu.memory.free >= 24gib", code: .invalidNumber, column: 20, length: 5, mend: "GiB"),
            Mistake(text: "gpu.memory.free >= 24Gib", code: .invalidNumber, column: 20, length: 5, mend: "GiB"),
            Mistake(text: "rtt < 5min", code: .invalidNumber, column: 7, length: 4, mend: "ms"),
            Mistake(
                text: #"gpu.memory.free >= "24GiB""#, code: .wrongKind, column: 20, length: 7, mend: "without quotes"),
            Mistake(text: "gpu.utilization < 1GiB", code: .wrongKind, column: 19, length: 4, mend: "50%"),
            Mistake(text: "zone == eu-1", code: .unexpectedCharacter, column: 11, length: 1, mend: #"capability("#),
            Mistake(text: "zone == eu", code: .unexpected, column: 9, length: 2, mend: #""eu""#),
            Mistake(text: "zone == 3", code: .wrongKind, column: 9, length: 1, mend: #""3""#),
            Mistake(text: #"zone = "eu-1""#, code: .unexpectedCharacter, column: 6, length: 1, mend: "=="),
            Mistake(text: #"zone < "eu-1""#, code: .wrongKind, column: 6, length: 1, mend: "=="),
            Mistake(text: "zone == 'eu-1'", code: .unexpectedCharacter, column: 9, length: 1, mend: "double quotes"),
            Mistake(text: #"zone == "eu-1"#, code: .unterminatedText, column: 9, length: 5, mend: "close it"),
            Mistake(text: #"has(zone) and has(name)"#, code: .unexpected, column: 11, length: 3, mend: "&&"),
            Mistake(text: #"has(zone) & has(name)"#, code: .unexpectedCharacter, column: 11, length: 1, mend: "&&"),
            Mistake(text: "not has(zone)", code: .unknownName, column: 1, length: 3, mend: "!"),
            Mistake(text: "24GiB <= gpu.memory.free", code: .unexpected, column: 1, length: 5, mend: "on the left"),
            Mistake(text: "gpu.memory.free", code: .unexpected, column: 16, length: 1, mend: "has(gpu.memory.free)"),
            Mistake(text: "model == \"x\"", code: .unexpected, column: 7, length: 2, mend: "model("),
            Mistake(text: "has(zone", code: .unexpected, column: 9, length: 1, mend: ""),
            Mistake(text: "has(zone))", code: .unexpected, column: 10, length: 1, mend: "remove"),
            Mistake(text: "(has(zone)", code: .unexpected, column: 11, length: 1, mend: ""),
            Mistake(text: "zone in \"a\"", code: .unexpected, column: 9, length: 3, mend: "["),
            Mistake(text: "zone in []", code: .unexpected, column: 10, length: 1, mend: ""),
            Mistake(text: "", code: .unexpected, column: 1, length: 1, mend: "24GiB"),
            Mistake(
                text: "has(zone) &&\n  gpu.cont >= 1", code: .unknownName, line: 2, column: 3, length: 8,
                mend: "gpu.count"),
            Mistake(text: "cpu.cores >= 1.2.3", code: .invalidNumber, column: 14, length: 5, mend: "1.5"),
            Mistake(text: "cpu.cores >= 1.0000001", code: .invalidNumber, column: 14, length: 9, mend: "six"),
            Mistake(text: "memory.total >= 1.5B", code: .invalidNumber, column: 17, length: 4, mend: "whole bytes"),
            Mistake(text: "memory.total >= 9999999TiB", code: .invalidNumber, column: 17, length: 10, mend: ""),
            Mistake(text: "gpu.cuda >= 12.x", code: .wrongKind, column: 13, length: 4, mend: "dots"),
            Mistake(text: "label(\"\") == \"a\"", code: .unexpected, column: 7, length: 2, mend: ""),
        ])
    func mistakes(_ mistake: Mistake) {
        let error = #expect(throws: RequirementError.self) { try Requirement(parsing: mistake.text) }
        #expect(error?.code == mistake.code)
        #expect(error?.line == mistake.line && error?.column == mistake.column && error?.length == mistake.length)
        #expect(error?.hint.contains(mistake.mend) == true, "\(error?.hint ?? "")")
    }

    @Test("carets stand under what is meant") func carets() {
        let error = #expect(throws: RequirementError.self) {
            try Requirement(parsing: "has(zone) &&\n  gpu.memry.free >= 24GiB")
        }
        #expect(
            error?.description == """
                line 2, column 3: unknown name 'gpu.memry.free'; did you mean 'gpu.memory.free'?
                    gpu.memry.free >= 24GiB
                    ^^^^^^^^^^^^^^
                """)
    }

    @Test("length and depth have an end, and what is just within them is read and reads back") func bounds() throws {
        let deep = { (count: Int) in
            String(repeating: "(", count: count) + "has(zone)" + String(repeating: ")", count: count)
        }
        #expect(try Requirement(parsing: deep(32)) == .isAdvertised(.zone))
        #expect(throws: RequirementError.self) { try Requirement(parsing: deep(33)) }
        #expect(throws: RequirementError.self) { try Requirement(parsing: deep(1000)) }
        #expect(try Requirement(parsing: String(repeating: "!", count: 2000) + "has(zone)") == .isAdvertised(.zone))
        // Alternating, so that nothing is flattened.
        var nested = "!cpu.cores<1"
        for level in 0..<31 { nested = "(\(nested))" + (level % 2 == 0 ? "&&has(zone)" : "||has(name)") }
        let requirement = try Requirement(parsing: nested)
        #expect(try Requirement(parsing: requirement.description) == requirement)
        let long = { (count: Int) in (0..<count).map { _ in "has(zone)" }.joined(separator: "||") }
        let error = #expect(throws: RequirementError.self) { try Requirement(parsing: long(180)) }
        #expect(error?.code == .tooLong && error?.message.contains("written out") == true)
        #expect(throws: RequirementError.self) { try Requirement(parsing: long(1000)) }
    }

    @Test("whatever is drawn reads back as the same, from its canonical text", arguments: 0..<200 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        for _ in 0..<20 {
            let text = draw(depth: 0, &random)
            let requirement = try Requirement(parsing: text)
            let canonical = requirement.description
            #expect(try Requirement(parsing: canonical) == requirement, "seed \(seed): \(text)")
            #expect(try Requirement(parsing: canonical).description == canonical, "seed \(seed): \(text)")
        }
    }

    @Test("bytes of any kind are read or refused", arguments: 0..<100 as Range<UInt64>) func garbage(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let words = [
            "gpu.memory.free", "zone", "label(", "has(", "model(", "\"a\"", "24GiB", "1.5", ")", "(", "&&", "||", "!",
            "!=",
            ">=", "in", "[", "]", ",", "\"", "\\", "\n", "\u{202E}", "ü", "%", "0", ".", "-",
        ]
        for _ in 0..<100 {
            let text = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                words[Int.random(in: 0..<words.count, using: &random)]
            }.joined(separator: Bool.random(using: &random) ? " " : "")
            do { _ = try Requirement(parsing: text) } catch {
                #expect(error.column >= 1 && error.line >= 1 && error.length >= 1)
                #expect(error.snippet.split(separator: "\n").count == 2, "\(text)")
            }
        }
    }
}

private func draw(depth: Int, _ random: inout RandomSource) -> String {
    switch Int.random(in: 0..<(depth < 4 ? 10 : 6), using: &random) {
    case 0:
        return "gpu.memory.free >= \(drawQuantity(["B", "kB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB"], &random))"
    case 1: return "rtt<\(drawQuantity(["us", "ms", "s"], &random))"
    case 2: return "capability(\"x\\\"\") != \(drawQuantity(["", "%", "C"], &random))"
    case 3: return "zone in [\"a\", \"b\\\\\"]"
    case 4: return "has(gpu.1.model)"
    case 5: return "model(\"m\")"
    case 6, 7:
        let parts = (0..<Int.random(in: 1...4, using: &random)).map { _ in draw(depth: depth + 1, &random) }
        return "(\(parts.joined(separator: Bool.random(using: &random) ? "&&" : " || ")))"
    default: return "!" + draw(depth: depth + 1, &random)
    }
}

private func drawQuantity(_ units: [String], _ random: inout RandomSource) -> String {
    let unit = units[Int.random(in: 0..<units.count, using: &random)]
    let whole = Int.random(in: 0..<100_000, using: &random)
    guard unit != "B", Bool.random(using: &random) else { return "\(whole)\(unit)" }
    return "\(whole).\(["5", "25", "125", "50"][Int.random(in: 0..<4, using: &random)])\(unit)"
}
