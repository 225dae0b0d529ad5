import MeshCore
import Testing

private func message(_ number: UInt64, bytes: Int = 1) -> Message {
    Message(id: MessageID(high: 0, low: number), body: Array(repeating: 0, count: bytes))
}

@Suite struct MailboxTests {
    @Test("messages come out in the order they went in") func order() {
        var mailbox = Mailbox()
        for number in 0..<5 as Range<UInt64> {
            let sequence = mailbox.append(message(number), keep: true)
            #expect(sequence == number)
        }
        for number in 0..<5 as Range<UInt64> {
            #expect(mailbox.depth == 5 - Int(number))
            #expect(mailbox.peek() == .durable(message(number)))
            #expect(mailbox.consumeDurable() == number)
        }
        #expect(mailbox.peek() == .empty)
        #expect(mailbox.byteCount == 0)
    }

    @Test("what did not fit in memory is read from disk before what came later") func cold() {
        var mailbox = Mailbox()
        _ = mailbox.append(message(0), keep: true)
        _ = mailbox.append(message(1), keep: false)
        // There is room again, but the one before it is on disk only.
        _ = mailbox.append(message(2), keep: true)
        #expect(mailbox.inMemory == [message(0)])
        _ = mailbox.consumeDurable()
        #expect(mailbox.peek() == .cold(1))
        mailbox.refill([message(1), message(2)], from: 1)
        #expect(mailbox.peek() == .durable(message(1)))
        _ = mailbox.consumeDurable()
        #expect(mailbox.peek() == .durable(message(2)))
        _ = mailbox.consumeDurable()
        #expect(mailbox.isEmpty)
        _ = mailbox.append(message(3), keep: true)
        #expect(mailbox.peek() == .durable(message(3)))
    }

    @Test("a refill takes no more than waits, and none from another place") func refill() {
        var mailbox = Mailbox(record: MailboxRecord(head: 7, next: 9))
        mailbox.refill([message(0)], from: 6)
        #expect(mailbox.peek() == .cold(7))
        mailbox.refill([message(7), message(8), message(9)], from: 7)
        #expect(mailbox.depth == 2)
        #expect(mailbox.inMemory == [message(7), message(8)])
    }

    @Test("few messages stay in memory, however many wait") func bounded() {
        var mailbox = Mailbox()
        for number in 0..<10_000 as Range<UInt64> { _ = mailbox.append(message(number), keep: true) }
        #expect(mailbox.depth == 10_000)
        #expect(mailbox.inMemory.count == Mailbox.hotMax)
    }

    @Test("ephemeral and durable messages take turns, so neither starves") func ephemeral() {
        var mailbox = Mailbox()
        for number in 0..<2 as Range<UInt64> { _ = mailbox.append(message(number), keep: true) }
        for number in 10..<13 as Range<UInt64> { mailbox.append(ephemeral: message(number)) }
        var ran: [UInt64] = []
        while true {
            switch mailbox.peek() {
            case .durable(let message):
                ran.append(message.id.low)
                _ = mailbox.consumeDurable()
            case .ephemeral(let message):
                ran.append(message.id.low)
                mailbox.consumeEphemeral()
            case .empty, .cold:
                #expect(ran == [10, 0, 11, 1, 12])
                #expect(mailbox.byteCount == 0)
                return
            }
        }
    }
}

@Suite struct DeadLetterIndexTests {
    @Test("the oldest give way, by number and by size; the youngest always stays") func limits() {
        var index = DeadLetterIndex(countMax: 3, bytesMax: 100)
        func add(_ number: UInt64, _ bytes: Int) -> [UInt64] {
            index.add(MessageID(high: 0, low: number), byteCount: bytes).map(\.low)
        }
        #expect([add(1, 10), add(2, 10), add(3, 10)] == [[], [], []])
        #expect(add(4, 10) == [1])
        #expect(add(5, 85) == [2, 3])
        #expect(add(6, 500) == [4, 5])
        #expect(index.count == 1)
    }
}

@Suite struct IdempotencyTableTests {
    private let body = Fingerprint(high: 1, low: 1)
    private func key(_ number: UInt64) -> Fingerprint { Fingerprint(high: 9, low: number) }
    private func entry(_ number: UInt64, expiresAt: UInt64) -> IdempotencyTable.Entry {
        .init(body: self.body, id: MessageID(high: 0, low: number), expiresAt: expiresAt)
    }

    @Test("a key is fresh once, then a duplicate or a conflict, then fresh again") func life() {
        var table = IdempotencyTable(limit: 10)
        #expect(table.check(self.key(1), body: self.body, at: 0) == .fresh)
        table.insert(self.key(1), self.entry(1, expiresAt: 100))
        #expect(table.check(self.key(1), body: self.body, at: 99) == .duplicate(MessageID(high: 0, low: 1)))
        #expect(table.check(self.key(1), body: Fingerprint(high: 2, low: 2), at: 99) == .conflict)
        #expect(table.check(self.key(1), body: self.body, at: 100) == .fresh)
    }

    @Test("a full table refuses, and forgets nothing early") func full() {
        var table = IdempotencyTable(limit: 2)
        table.insert(self.key(1), self.entry(1, expiresAt: 100))
        table.insert(self.key(2), self.entry(2, expiresAt: 200))
        #expect(table.check(self.key(3), body: self.body, at: 50) == .full)
        #expect(table.check(self.key(1), body: self.body, at: 50) == .duplicate(MessageID(high: 0, low: 1)))
        #expect(table.expire(at: 99, limit: 10).isEmpty)
        #expect(table.expire(at: 100, limit: 10).map(\.key) == [self.key(1)])
        #expect(table.check(self.key(3), body: self.body, at: 100) == .fresh)
    }

    @Test("expiry is bounded, and spares a key that was used anew") func expiry() {
        var table = IdempotencyTable(limit: 10)
        for number in 0..<5 as Range<UInt64> { table.insert(self.key(number), self.entry(number, expiresAt: 10)) }
        #expect(table.expire(at: 10, limit: 3).count == 3)
        table.insert(self.key(4), self.entry(40, expiresAt: 500))
        #expect(table.expire(at: 10, limit: 10).map(\.key) == [self.key(3)])
        #expect(table.check(self.key(4), body: self.body, at: 20) == .duplicate(MessageID(high: 0, low: 40)))
    }

    @Test("a key used again after it expired says whose outcome may go") func reuse() {
        var table = IdempotencyTable(limit: 10)
        let first = table.insert(self.key(1), self.entry(1, expiresAt: 10))
        #expect(first == nil)
        let second = table.insert(self.key(1), self.entry(2, expiresAt: 30))
        #expect(second?.id == MessageID(high: 0, low: 1))
        #expect(table.expire(at: 20, limit: 10).isEmpty)
        #expect(table.expire(at: 30, limit: 10).map(\.entry.id) == [MessageID(high: 0, low: 2)])
    }

    @Test("keys that are taken out early do not disturb those that stay") func removal() {
        var table = IdempotencyTable(limit: 10)
        for number in 0..<5000 as Range<UInt64> {
            table.insert(self.key(number), self.entry(number, expiresAt: 10 + number))
            if number % 1000 != 0 { table.remove(self.key(number)) }
        }
        #expect(table.count == 5)
        #expect(table.expire(at: 2010, limit: 10).map(\.entry.id.low) == [0, 1000, 2000])
        #expect(table.expire(at: .max, limit: 10).map(\.entry.id.low) == [3000, 4000])
    }

    @Test("the same key at two paths is two keys") func scope() throws {
        let one = try ActorPath("/a/b")
        let other = try ActorPath("/a/c")
        #expect(Fingerprint(ofKey: "k", path: one) == Fingerprint(ofKey: "k", path: one))
        #expect(Fingerprint(ofKey: "k", path: one) != Fingerprint(ofKey: "k", path: other))
        #expect(Fingerprint(ofKey: "k", path: one) != Fingerprint(ofKey: "l", path: one))
    }
}
