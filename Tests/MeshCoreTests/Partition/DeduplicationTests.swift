import MeshCore
import Testing

/// Sessions, idempotency keys and log time.
@Suite struct DeduplicationTests {
    private func open(_ partition: inout TestPartition) throws -> SessionID {
        guard case .session(let id?) = try partition.apply(.openSession) else {
            Issue.record("no session")
            throw WireError(.invalidValue, at: 0)
        }
        return id
    }

    @Test("requests of a session are taken in order and once, over restarts too") func session() throws {
        var partition = TestPartition()
        let session = try self.open(&partition)
        func request(_ number: UInt64) -> PartitionCommand {
            enqueue(number, request: Enqueue.Request(session: session, number: number))
        }
        #expect(try partition.apply(request(1)) == .enqueue(.accepted(normal(0))))
        #expect(try partition.apply(request(3)) == .enqueue(.outOfOrder(expected: 2)))
        try partition.replica.restart()
        #expect(try partition.apply(request(1)) == .enqueue(.duplicate(of: id(1), .unknown)))
        #expect(try partition.apply(request(2)) == .enqueue(.accepted(normal(1))))
        #expect(partition.replica.state.totals.messages == 2)
    }

    @Test("a repeated request is told its outcome while that is remembered") func repeatedRequest() throws {
        var partition = TestPartition()
        let session = try self.open(&partition)
        let enqueue = Enqueue(letter(1), request: Enqueue.Request(session: session, number: 1))
        let turn = turn(.granted(grant(expects: nil)), 1, base: 0)
        _ = try partition.apply(.enqueueAndTurn(enqueue, outcome: .reply([4]), turn))
        #expect(try partition.apply(.enqueue(enqueue)) == .enqueue(.duplicate(of: id(1), .finished(.reply([4])))))
    }

    @Test("two sessions of one entry are two sessions") func twoSessions() throws {
        var partition = TestPartition()
        let outcomes = try partition.apply([.openSession, .openSession])
        #expect(outcomes.count == 2 && outcomes[0] != outcomes[1])
        #expect(partition.replica.state.sessionCount == 2)
    }

    @Test("a session is forgotten an hour of log time after its last use, and not before") func sessionExpires() throws
    {
        var partition = TestPartition()
        let session = try self.open(&partition)
        let request = Enqueue.Request(session: session, number: 1)
        _ = try partition.apply(enqueue(1, request: request), elapsed: 3_600_000)
        _ = try partition.apply(enqueue(1, request: request), elapsed: 3_600_000)
        #expect(partition.replica.state.session(session) == 1)
        #expect(try partition.apply(enqueue(1, request: request), elapsed: 3_600_001) == .enqueue(.sessionExpired))
        #expect(partition.replica.state.totals.messages == 1, "never applied")
        #expect(partition.replica.disk[PartitionKeys.session(session)] == nil)
    }

    @Test("as many sessions as may be, and no used one goes for another") func sessionsFull() throws {
        var rules = PartitionRules()
        rules.sessionsMax = 2
        var partition = TestPartition(rules: rules)
        let first = try self.open(&partition)
        _ = try self.open(&partition)
        #expect(try partition.apply(.openSession) == .session(nil))
        #expect(partition.replica.state.session(first) == 0)
    }

    @Test("a key stands for one message: a repeat is answered, another body is a conflict") func key() throws {
        var partition = TestPartition()
        #expect(try partition.apply(.enqueue(keyed(1, key: 5))) == .enqueue(.accepted(normal(0))))
        #expect(try partition.apply(.enqueue(keyed(2, key: 5))) == .enqueue(.duplicate(of: id(1), .waiting)))
        #expect(try partition.apply(.enqueue(keyed(3, key: 5, body: 1))) == .enqueue(.conflict(with: id(1))))
        var consumption = consume(0, id: 1, outcome: .reply([6]), key: 5)
        consumption.byteCount = UInt32(keyed(1, key: 5).letter.envelope.encoded().count)
        let turn = turn(.granted(grant(expects: nil)), 1, base: 0, consumed: [consumption])
        #expect(applied(try partition.apply(.turn(turn))) != nil)
        try partition.replica.restart()
        #expect(
            try partition.apply(.enqueue(keyed(4, key: 5)))
                == .enqueue(.duplicate(of: id(1), .finished(.reply([6])))), "the reply is kept on the disk")
    }

    @Test("a reply that is too large to keep is said to be") func largeReply() throws {
        var partition = TestPartition()
        let turn = turn(.granted(grant(expects: nil)), 1, base: 0)
        let reply = Outcome.reply(.init(repeating: 1, count: 4_097))
        _ = try partition.apply(.enqueueAndTurn(keyed(1, key: 1), outcome: reply, turn))
        guard
            case .enqueue(.duplicate(_, .finished(.failed(let error)))) = try partition.apply(
                .enqueue(keyed(2, key: 1)))
        else { throw WireError(.invalidValue, at: 0) }
        #expect(error.code == .tooLarge && error.accepted == .yes)
    }

    @Test("a key is forgotten after its time, with what it stood for, and can be used again") func keyExpires() throws {
        var rules = PartitionRules()
        rules.keysMax = 1
        var partition = TestPartition(rules: rules)
        _ = try partition.apply(.enqueue(keyed(1, key: 1)))
        #expect(
            try partition.apply(.enqueue(keyed(2, key: 2)), elapsed: 86_399_999) == .enqueue(.keyTableFull),
            "full is refused: nothing is forgotten early")
        try partition.replica.restart()
        #expect(try partition.apply(.enqueue(keyed(3, key: 1)), elapsed: 1) == .enqueue(.accepted(normal(1))))
        #expect(partition.replica.disk.range([PartitionKeys.Kind.keyPage.rawValue]).count == 1)
        // The first message ends after its key was forgotten: that says nothing of the second one.
        var late = consume(0, id: 1, outcome: .reply([1]), key: 1)
        late.byteCount = UInt32(keyed(1, key: 1).letter.envelope.encoded().count)
        _ = try partition.apply(.turn(turn(.granted(grant(expects: nil)), 1, base: 0, consumed: [late])))
        #expect(try partition.apply(.enqueue(keyed(4, key: 1))) == .enqueue(.duplicate(of: id(3), .waiting)))
    }

    @Test("no wall clock expires anything") func wallClock() throws {
        var partition = TestPartition()
        _ = try partition.apply(.enqueue(keyed(1, key: 1)))
        let jump = partition.log.entry([.enqueue(keyed(2, key: 1))], elapsed: 1, wallClock: .max)
        let outcome = try partition.replica.apply([jump])[0]
        #expect(outcome.result == .commands([.enqueue(.duplicate(of: id(1), .waiting))]))
    }

    @Test("many keys that end together are forgotten a few with each entry") func amortised() throws {
        var partition = TestPartition()
        for number in 0..<10 as Range<UInt64> { _ = try partition.apply(.enqueue(keyed(number, key: number))) }
        var left: [UInt64] = []
        for step in 0..<6 {
            try partition.apply([], elapsed: step == 0 ? 90_000_000 : 0)
            left.append(partition.replica.state.totals.idempotencyKeys)
        }
        #expect(left == [8, 6, 4, 2, 0, 0])
        #expect(partition.replica.disk.range([PartitionKeys.Kind.idempotencyKey.rawValue]).isEmpty)
    }
}
