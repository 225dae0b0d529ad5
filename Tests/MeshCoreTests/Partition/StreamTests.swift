import MeshCore
import Testing

/// Outbox, inbox, timers and dead letters.
@Suite struct StreamTests {
    private let elsewhere = Partition(index: 3)

    private func outgoing(_ number: UInt64, to destination: Partition) -> OutgoingLetter {
        OutgoingLetter(to: destination, letter(number, to: "/b"))
    }

    @Test("numbers to other partitions are given when the turn is applied; a refused turn takes none") func numbers()
        throws
    {
        var partition = TestPartition()
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil)))
        let token = partition.token
        let out = [self.outgoing(1, to: self.elsewhere), self.outgoing(2, to: TestReplica.partition)]
        let first = applied(try partition.apply(.turn(turn(.token(token), 1, base: 0, outbox: out))))
        #expect(first?.outbox.map(\.number) == [1])
        #expect(refusal(try partition.apply(.turn(turn(.token(token), 1, base: 1, outbox: out)))) == .repeated)
        let second = applied(try partition.apply(.turn(turn(.token(token), 2, base: 1, outbox: out))))
        #expect(second?.outbox.map(\.number) == [2])
        #expect(partition.replica.state.actor(path("/b"))?.count == 2, "those within the partition are there at once")
        #expect(partition.replica.state.waitingOutboxes == [self.elsewhere])
        let ack = OutboxAck(
            destination: self.elsewhere, stream: 1, through: 1, bytesThrough: first?.outbox[0].bytesThrough ?? 0)
        #expect(try partition.apply(.outboxAck(ack)) == .outboxAck(1))
        #expect(try partition.apply(.outboxAck(ack)) == .outboxAck(0))
        try partition.replica.restart()
        let left = partition.replica.disk.range(PartitionKeys.outbox(to: self.elsewhere))
        #expect(left.count == 1)
        #expect(partition.replica.state.outbox(to: self.elsewhere)?.byteCount == UInt64(left[0].value.count))
        let tooFar = OutboxAck(destination: self.elsewhere, stream: 1, through: 9, bytesThrough: .max)
        #expect(try partition.apply(.outboxAck(tooFar)) == .outboxAck(0))
    }

    @Test("a delivery is taken once, whole or in part, in order and without gaps, however late it repeats") func inbox()
        throws
    {
        var partition = TestPartition()
        func deliver(_ first: UInt64, _ count: UInt64, stream: UInt32 = 1) -> PartitionCommand {
            .deliver(
                Delivery(
                    source: self.elsewhere, stream: stream, first: first,
                    letters: (first..<first + count).map { letter($0) }))
        }
        #expect(try partition.apply(deliver(1, 2)) == .delivery(.accepted(expects: 3, fresh: 2)))
        #expect(try partition.apply(deliver(1, 2)) == .delivery(.accepted(expects: 3, fresh: 0)))
        #expect(try partition.apply(deliver(4, 1)) == .delivery(.gap(expects: 3)))
        try partition.replica.restart()
        #expect(try partition.apply(deliver(2, 3), elapsed: .max) == .delivery(.accepted(expects: 5, fresh: 2)))
        #expect(partition.replica.state.totals.messages == 4)
        #expect(try partition.apply(deliver(1, 1, stream: 0)) == .delivery(.staleStream(current: 1)))
        #expect(try partition.apply(deliver(2, 1, stream: 2)) == .delivery(.gap(expects: 1)))
        #expect(try partition.apply(deliver(1, 1, stream: 2)) == .delivery(.accepted(expects: 2, fresh: 1)))
        #expect(partition.replica.state.inbox(from: self.elsewhere)?.restarts == 1)
    }

    @Test("a timer fires once, for the occurrence that was armed last") func timer() throws {
        var partition = TestPartition()
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil)))
        let token = partition.token
        func set(_ number: UInt64, _ due: UInt64) -> PartitionCommand {
            .turn(
                turn(
                    .token(token), number, base: number - 1,
                    timers: [.set(name: "t", due: due, schedule: "daily", body: [8])]))
        }
        _ = try partition.apply(set(1, 100))
        let first = partition.log.last
        _ = try partition.apply(set(2, 200))
        let second = partition.log.last
        func fire(_ occurrence: LogIndex, next: UInt64? = nil) -> PartitionCommand {
            .timerFired(TimerFired(path: path("/a"), timer: .named("t"), occurrence: occurrence, next: next))
        }
        #expect(try partition.apply(fire(first)) == .timer(.gone))
        #expect(partition.replica.disk.range(PartitionKeys.dues).count == 1)
        try partition.replica.restart()
        #expect(try partition.apply(fire(second, next: 300)) == .timer(.fired))
        #expect(try partition.apply(fire(second, next: 300)) == .timer(.gone))
        let due = try PartitionKeys.timer(ofDue: partition.replica.disk.range(PartitionKeys.dues)[0].key)
        #expect(due.due == 300 && due.path == path("/a") && due.timer == .named("t"))
        let bytes = try #require(partition.replica.disk[PartitionKeys.message(path("/a"), normal(0))])
        let envelope = try Envelope(decoding: bytes)
        #expect(envelope.kind == .timer && envelope.message.sender == "t" && envelope.message.body == [8])
        _ = try partition.apply(.turn(turn(.token(token), 3, base: 2, timers: [.cancel(name: "t")])))
        #expect(partition.replica.state.totals.timers == 0 && partition.replica.state.totals.timerBytes == 0)
        #expect(partition.replica.disk.range(PartitionKeys.dues).isEmpty)
    }

    @Test("a delayed message waits outside of the mailbox until its time has come") func delayed() throws {
        var partition = TestPartition()
        let delayed = PartitionCommand.enqueue(Enqueue(letter(1, notBefore: 500)))
        #expect(try partition.apply(delayed) == .enqueue(.delayed))
        #expect(try partition.apply(delayed) == .enqueue(.duplicate(of: id(1), .waiting)))
        #expect(partition.replica.state.totals.messages == 0 && partition.replica.state.totals.timers == 1)
        let fired = TimerFired(path: path("/a"), timer: .delayed(id(1)), occurrence: partition.log.last - 1)
        #expect(try partition.apply(.timerFired(fired)) == .timer(.fired))
        #expect(partition.replica.state.actor(path("/a"))?.first == normal(0))
        #expect(partition.replica.state.totals.timers == 0)
    }

    // MARK: Failures

    private func failure(_ number: UInt64, _ disposition: Failure.Disposition, token: FencingToken? = nil)
        -> PartitionCommand
    {
        .fail(
            Failure(
                path: path("/a"), token: token, consumption: consume(number, id: number + 1, outcome: nil),
                reason: "because", disposition: disposition))
    }

    @Test("a failed message stays in its place and knows its attempts") func retry() throws {
        var partition = TestPartition()
        _ = try partition.apply([enqueue(1), enqueue(2), .grant(path("/a"), grant(expects: nil, head: normal(0)))])
        let token = partition.token
        #expect(
            try partition.apply(self.failure(0, .retry(at: 99), token: token))
                == .failure(.retrying(attempts: 1), outbox: []))
        try partition.replica.restart()
        #expect(
            try partition.apply(self.failure(0, .retry(at: 200), token: token))
                == .failure(.retrying(attempts: 2), outbox: []))
        let trial = partition.replica.state.actor(path("/a"))?.trial(of: normal(0))
        #expect(trial?.failures == 2 && trial?.retryAt == 200 && trial?.grants == 0)
        #expect(partition.replica.state.actor(path("/a"))?.first == normal(0))
        let other = FencingToken(incarnation: token.incarnation, index: 1_000)
        #expect(
            try partition.apply(self.failure(0, .deadLetter, token: other))
                == .failure(.staleToken(current: token), outbox: []))
        #expect(try partition.apply(self.failure(7, .expired)) == .failure(.notQueued, outbox: []))
    }

    @Test("dead letters are kept with their reason, listed, replayed once, and purged") func deadLetters() throws {
        var partition = TestPartition()
        _ = try partition.apply([enqueue(1), enqueue(2)])
        #expect(try partition.apply(self.failure(0, .deadLetter)) == .failure(.deadLetter(1, dropped: []), outbox: []))
        #expect(try partition.apply(self.failure(1, .deadLetter)) == .failure(.deadLetter(2, dropped: []), outbox: []))
        #expect(partition.replica.state.totals.messages == 0)
        let list = try partition.replica.disk.range(PartitionKeys.deadLetters).map {
            try DeadLetterRecord(decoding: $0.value)
        }
        #expect(list.map(\.id) == [id(1), id(2)] && list[0].reason == "because" && list[0].wallClock == 1_000)
        try partition.replica.restart()
        #expect(try partition.apply(.deadLetters(.replay(path("/b"), [1]))) == .deadLetters([]), "another actor's")
        #expect(try partition.apply(.deadLetters(.replay(path("/a"), [1, 1, 9]))) == .deadLetters([1]))
        #expect(partition.replica.state.actor(path("/a"))?.first == normal(2))
        #expect(try partition.apply(.deadLetters(.purge([1, 2]))) == .deadLetters([2]))
        #expect(partition.replica.disk.range([PartitionKeys.Kind.deadLetterBody.rawValue]).isEmpty)
        #expect(partition.replica.state.deadLetterBytes == 0)
    }

    @Test("of too many dead letters the oldest go, and the outcome says which") func tooManyDeadLetters() throws {
        var rules = PartitionRules()
        rules.deadLettersMax = 2
        var partition = TestPartition(rules: rules)
        _ = try partition.apply([enqueue(1), enqueue(2), enqueue(3)])
        _ = try partition.apply([self.failure(0, .deadLetter), self.failure(1, .deadLetter)])
        #expect(
            try partition.apply(self.failure(2, .deadLetter)) == .failure(.deadLetter(3, dropped: [1]), outbox: []))
        #expect(partition.replica.disk.range(PartitionKeys.deadLetters).count == 2)
    }
}
