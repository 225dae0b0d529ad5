import MeshCore
import Testing

/// Every cut of valid bytes and every byte changed: refused or read, never a crash.
private func survivesDamage(_ bytes: [UInt8], _ decode: ([UInt8]) throws -> Void) {
    for count in 0..<bytes.count {
        #expect(throws: WireError.self) { try decode(Array(bytes.prefix(count))) }
        var damaged = bytes
        damaged[count] ^= 0xff
        try? decode(damaged)
    }
    #expect(throws: WireError.self) { try decode(bytes + [0]) }
}

@Suite struct MessageCodecTests {
    @Test(
        "a message comes back from disk as it went",
        arguments: [
            Message(id: MessageID(high: 1, low: 2), body: []),
            Message(id: MessageID(high: 1, low: 2), sender: "ä", body: [1, 2, 3], deadline: 7),
            Message(
                id: MessageID(high: .max, low: 0), body: [0], deadline: .max,
                idempotency: Fingerprint(high: 3, low: 4)),
        ])
    func message(_ message: Message) throws {
        let bytes = message.encoded()
        #expect(try Message(decoding: bytes) == message)
        survivesDamage(bytes) { _ = try Message(decoding: $0) }
    }

    @Test("an outcome comes back as it went")
    func outcome() throws {
        let outcomes: [Outcome] = [
            .reply([]), .reply([1, 2, 3]), .failed(MeshError(.overloaded, "full", retryAfter: .milliseconds(1500))),
            .failed(MeshError(.handlerFailed, "no", hint: "yes", accepted: .yes)),
        ]
        for outcome in outcomes {
            var writer = WireWriter()
            outcome.write(to: &writer)
            func decode(_ bytes: [UInt8]) throws -> Outcome {
                var reader = WireReader(bytes.raw)
                let outcome = try Outcome.read(from: &reader)
                try reader.end()
                return outcome
            }
            #expect(try decode(writer.bytes) == outcome)
            survivesDamage(writer.bytes) { _ = try decode($0) }
        }
    }

    @Test("an error from a newer node still reaches its caller") func unknownCode() throws {
        var writer = WireWriter()
        writer.write(2 as UInt8)
        writer.write(shortText: "quota_exceeded")
        writer.write(text: "too much")
        writer.write(text: "")
        writer.write(shortText: "perhaps")
        writer.write(0 as UInt32)
        var reader = WireReader(writer.bytes.raw)
        #expect(
            try Outcome.read(from: &reader) == .failed(MeshError(.internalError, "too much", accepted: .unknown)))
    }

    @Test("long texts of errors are cut between characters") func clipping() {
        #expect(clipped("äöü", toBytes: 3) == "ä")
        #expect(clipped("äöü", toBytes: 4) == "äö")
        #expect(clipped("äöü", toBytes: 0) == "")
        #expect(clipped("abc", toBytes: 3) == "abc")
    }

    @Test("the same idempotency key at two paths is two keys") func scope() throws {
        let one = try ActorPath("/a/b")
        let other = try ActorPath("/a/c")
        #expect(Fingerprint(ofKey: "k", path: one) == Fingerprint(ofKey: "k", path: one))
        #expect(Fingerprint(ofKey: "k", path: one) != Fingerprint(ofKey: "k", path: other))
        #expect(Fingerprint(ofKey: "k", path: one) != Fingerprint(ofKey: "l", path: one))
    }
}
