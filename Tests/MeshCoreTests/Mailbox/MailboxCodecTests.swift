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

@Suite struct MailboxCodecTests {
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

    @Test("the bounds of a mailbox are never the wrong way round") func record() throws {
        let record = MailboxRecord(head: 3, next: 9)
        #expect(try MailboxRecord(decoding: record.encoded()) == record)
        #expect(throws: WireError(.invalidValue, at: 0)) {
            try MailboxRecord(decoding: MailboxRecord(head: 9, next: 3).encoded())
        }
    }

    @Test("a dead letter keeps the message and the reason") func deadLetter() throws {
        let letter = DeadLetter(
            path: try ActorPath("/a/b"), message: Message(id: MessageID(high: 1, low: 2), body: [1]),
            reason: String(repeating: "x", count: 10_000), wallClock: 5)
        #expect(letter.reason.utf8.count == 4096)
        #expect(try DeadLetter(decoding: letter.encoded()) == letter)
        let short = DeadLetter(path: letter.path, message: letter.message, reason: "no", wallClock: 5)
        survivesDamage(short.encoded()) { _ = try DeadLetter(decoding: $0) }
    }

    @Test("keys of one path lie together, in order, and apart from those of paths that begin alike") func keys() throws
    {
        let path = try ActorPath("/a/b")
        let longer = try ActorPath("/a/bc")
        let keys = [0, 1, 255, 256, UInt64.max].map { MailboxKeys.message(path, $0) }
        #expect(keys.sorted { $0.lexicographicallyPrecedes($1) } == keys)
        #expect(keys.allSatisfy { $0.starts(with: MailboxKeys.prefix(path)) })
        #expect(!MailboxKeys.message(longer, 0).starts(with: MailboxKeys.prefix(path)))
    }
}
