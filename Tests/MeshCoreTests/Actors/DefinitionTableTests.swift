import MeshCore
import Testing

private let here = NodeID(high: 0, low: 1)
private let there = NodeID(high: 0, low: 2)

private func definition(
    _ name: String, _ pattern: String, command: [String] = ["true"], environment: [Label] = [],
    timeout: Duration = .seconds(30), limit: Int = 10, source: String = ""
) throws -> ActorDefinition {
    ActorDefinition(
        name: name, path: try PathPattern(pattern),
        handler: .exec(.init(command: command, timeout: timeout, environment: environment)), mailboxLimit: limit,
        source: source)
}

@Suite struct DefinitionTableTests {
    @Test("the longest literal prefix wins, then the most literals, then the name") func precedence() throws {
        var table = DefinitionTable()
        _ = try table.apply(
            [
                definition("any", "/{a}/{b}/{c}"), definition("prefix", "/text/{b}/{c}"),
                definition("longer", "/text/count/{c}"), definition("later", "/text/{b}/end"),
            ], origin: here)
        // Applied elsewhere at the same time; here it would be refused.
        let also = try definition("also", "/text/{x}/{y}")
        table.merge([AppliedDefinition(name: "also", version: 1, origin: there, definition: also)])
        func winner(_ path: String) throws -> String? { table.resolve(try ActorPath(path))?.name }
        #expect(try winner("/other/b/c") == "any")
        #expect(try winner("/text/b/c") == "also")
        #expect(try winner("/text/b/end") == "later")
        #expect(try winner("/text/count/end") == "longer")
        #expect(try winner("/text/count") == nil)
    }

    @Test("a pattern belongs to one name, whatever its placeholders are called, and it says whose it is")
    func patterns() throws {
        var table = DefinitionTable()
        _ = try table.apply([definition("first", "/text/{key}"), definition("other", "/text/{key}/x")], origin: here)
        let error = #expect(throws: MeshError.self) {
            try table.apply([definition("second", "/text/{name}")], origin: here)
        }
        #expect(
            error?.code == .conflict && error?.message.contains("first") == true
                && error?.hint.contains("first") == true)
        #expect(throws: MeshError.self) {
            try table.apply([definition("a", "/same/{k}"), definition("b", "/same/{j}")], origin: here)
        }
        // Itself anew, another literal, and two that change places.
        _ = try table.apply([definition("first", "/text/{name}"), definition("c", "/text/literal")], origin: here)
        _ = try table.apply([definition("first", "/text/{key}/x"), definition("other", "/text/{key}")], origin: here)
        _ = try table.delete("first", origin: here)
        _ = try table.apply([definition("second", "/text/{k}/x")], origin: here)
    }

    @Test("tables that heard the same in any order are equal, with equal digests") func convergence() throws {
        var random = RandomSource(seed: 7)
        var entries: [AppliedDefinition] = []
        for name in ["a", "b", "c"] {
            for version in 1...4 as ClosedRange<UInt64> {
                for origin in [here, there] {
                    let definition = version == 3 ? nil : try definition(name, "/\(name)\(version)/\(origin.low)")
                    entries.append(.init(name: name, version: version, origin: origin, definition: definition))
                }
            }
        }
        var expected = DefinitionTable()
        expected.merge(entries)
        for _ in 0..<50 {
            var table = DefinitionTable()
            for entry in entries.shuffled(using: &random) { table.merge([entry]) }
            #expect(table.entries == expected.entries)
            #expect(table.digest == expected.digest)
        }
        #expect(expected.entries.map(\.origin) == [there, there, there])
        #expect(expected.entries.map(\.version) == [4, 4, 4])
    }

    @Test("what was deleted stays deleted, whoever still has it") func deletion() throws {
        var table = DefinitionTable()
        let old = try table.apply([definition("a", "/a/{k}")], origin: here)[0].applied
        let digest = table.digest
        _ = try table.delete("a", origin: here)
        #expect(table.digest != digest)
        #expect(table.merge([old]).isEmpty)
        #expect(table.resolve(try ActorPath("/a/1")) == nil)
        #expect(throws: MeshError.self) {
            var copy = table
            _ = try copy.delete("a", origin: here)
        }
        let again = try table.apply([definition("a", "/a/{k}")], origin: here)[0]
        #expect(again.change == .created)
        #expect(again.applied.version == 3)
    }

    @Test("applying the same again changes nothing") func unchanged() throws {
        var table = DefinitionTable()
        _ = try table.apply([definition("a", "/a/{k}")], origin: here)
        let before = (table.digest, table.generation)
        let again = try table.apply([definition("a", "/a/{k}")], origin: there)
        #expect(again.map(\.change) == [.unchanged])
        #expect(table.entries.map(\.version) == [1])
        #expect(table.digest == before.0)
    }

    @Test("what is wrong with a definition is said, and nothing of the lot is applied")
    func invalid() throws {
        let bad = [
            try definition("", "/a/{k}"), try definition("-a", "/a/{k}"), try definition("A", "/a/{k}"),
            try definition(String(repeating: "a", count: 64), "/a/{k}"), try definition("a", "/meshnode/{k}"),
            try definition("a", "/a/{k}", limit: 0), try definition("a", "/a/{k}", limit: 1_000_001),
            try definition("a", "/a/{k}", command: []), try definition("a", "/a/{k}", command: [""]),
            try definition("a", "/a/{k}", command: ["x\0y"]), try definition("a", "/a/{k}", timeout: .zero),
            try definition("a", "/a/{k}", timeout: .seconds(25 * 3600)),
            try definition("a", "/a/{k}", environment: [Label("A=B", "c")]),
            try definition("a", "/a/{k}", command: Array(repeating: String(repeating: "x", count: 4000), count: 20)),
            try definition("a", "/a/{k}", source: String(repeating: "x", count: 70_000)),
        ]
        for bad in bad {
            var table = DefinitionTable()
            let good = try definition("good", "/good/{k}")
            #expect((try? table.apply([good, bad], origin: here)) == nil)
            #expect(table.entries.isEmpty)
            #expect((try? table.apply([good], origin: here)) != nil)
        }
        var table = DefinitionTable()
        #expect((try? table.apply([definition("a", "/a/{k}"), definition("a", "/b/{k}")], origin: here)) == nil)
    }

    @Test("a definition travels whole; what is damaged is refused") func codec() throws {
        let whole = AppliedDefinition(
            name: "a", version: 3, origin: there,
            definition: ActorDefinition(
                name: "a", path: try PathPattern("/a/{k}"),
                handler: .exec(
                    .init(
                        command: ["sh", "-c", "cat"], timeout: .milliseconds(1500), environment: [Label("K", "ä")],
                        directory: "/tmp")), mailboxLimit: 5, source: "kind: Actor\n"))
        let deleted = AppliedDefinition(name: "b", version: 1, origin: here, definition: nil)
        var retried = whole
        retried.definition?.retry = RetryPolicy([
            RetryPolicy.Rule(
                [.timeout, FailureType("rate_limited")], attemptsMax: 8,
                backoff: Backoff(.exponential(thousandths: 1500), first: .seconds(1), max: .seconds(60), jitter: 20)),
            RetryPolicy.Rule(attemptsMax: 2, backoff: Backoff(.linear, first: .seconds(1), max: .seconds(3))),
            RetryPolicy.Rule(attemptsMax: 1, backoff: Backoff(.constant, first: .seconds(1), max: .seconds(1))),
        ])
        for applied in [whole, deleted, retried] {
            var writer = WireWriter()
            writer.write(applied)
            func decode(_ bytes: [UInt8]) throws -> AppliedDefinition {
                var reader = WireReader(bytes.raw)
                let applied = try reader.appliedDefinition()
                try reader.end()
                return applied
            }
            #expect(try decode(writer.bytes) == applied)
            for index in writer.bytes.indices {
                #expect(throws: WireError.self) { try decode(Array(writer.bytes.prefix(index))) }
                var damaged = writer.bytes
                damaged[index] ^= 0xff
                _ = try? decode(damaged)
            }
        }
    }

    @Test("requirements and preferences travel in their canonical form, and no other is accepted") func placement()
        throws
    {
        var placed = try definition("a", "/a/{k}")
        placed.placement.requires = try Requirement(parsing: #"gpu.memory.free>=24GiB&&model("m")"#)
        placed.placement.prefers = [.init(weight: 50, when: try Requirement(parsing: #"zone == "eu-1""#))]
        let applied = AppliedDefinition(name: "a", version: 1, origin: here, definition: placed)
        var writer = WireWriter()
        writer.write(applied)
        var reader = WireReader(writer.bytes.raw)
        #expect(try reader.appliedDefinition() == applied)
        try reader.end()
        // One of its spaces becomes another sign that separates as well.
        let place = try #require(writer.bytes.indices.last { writer.bytes[$0] == UInt8(ascii: " ") })
        var changed = writer.bytes
        changed[place] = UInt8(ascii: "\t")
        var other = WireReader(changed.raw)
        var refusal: WireError.Code?
        do throws(WireError) { _ = try other.appliedDefinition() } catch { refusal = error.code }
        #expect(refusal == .invalidValue)
        placed.placement.prefers = Array(repeating: placed.placement.prefers[0], count: 17)
        #expect(throws: MeshError.self) { try placed.validate() }
    }

    @Test("sections of a definition that are unknown, empty, twice or too long are refused") func sections() throws {
        var writer = WireWriter()
        writer.write(
            AppliedDefinition(name: "a", version: 1, origin: here, definition: try definition("a", "/a/{k}")))
        var plain = writer.bytes
        let form = 1 + 1 + 8 + 16
        #expect(plain[form] == 1)
        plain[form] = 2
        let retry: [UInt8] =
            [1, 0, 0, 0, 24, 1, 0, 0, 1, 0] + [0, 0, 0, 0, 0, 0, 0, 9] + [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0]
        func refusal(_ sections: [UInt8]) -> WireError.Code? {
            let bytes = plain + sections
            var reader = WireReader(bytes.raw)
            do throws(WireError) {
                _ = try reader.appliedDefinition()
                try reader.end()
                return nil
            } catch { return error.code }
        }
        #expect(refusal([1] + retry) == nil)
        #expect(refusal([0]) == .invalidValue)
        #expect(refusal([2] + retry + retry) == .invalidValue)
        #expect(refusal([1, 99, 0, 0, 0, 0]) == .unknownKind)
        #expect(refusal([1, 1, 0, 0, 0, 25] + retry.dropFirst(5) + [0]) == .trailingBytes)
        #expect(refusal([1, 1, 0, 1, 0, 1]) == .tooLong)
        #expect(refusal([1, 1, 0, 0, 0, 1, 0]) == .invalidValue, "a policy without a rule")
    }

    @Test("a definition at the last version cannot be changed, and nothing of the lot is") func lastVersion() throws {
        var table = DefinitionTable()
        let last = AppliedDefinition(
            name: "a", version: .max / 2, origin: there, definition: try definition("a", "/a/{k}"))
        table.merge([last])
        let lot = [try definition("b", "/b/{k}"), try definition("a", "/c/{k}")]
        #expect((try? table.apply(lot, origin: here)) == nil)
        #expect((try? table.delete("a", origin: here)) == nil)
        #expect(table.entries == [last])
    }

    @Test("a version without room for the next is refused") func versions() throws {
        for version in [0, UInt64.max / 2 + 1, .max] {
            var writer = WireWriter()
            writer.write(AppliedDefinition(name: "a", version: version, origin: here, definition: nil))
            #expect(throws: WireError.self) {
                var reader = WireReader(writer.bytes.raw)
                _ = try reader.appliedDefinition()
            }
        }
    }
}
