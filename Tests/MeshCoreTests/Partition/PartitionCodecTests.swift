import MeshCore
import Testing

@Suite struct PartitionCodecTests {
    private func batch(_ commands: [PartitionCommand]) -> CommandBatch {
        CommandBatch(
            incarnation: GroupIncarnation(counter: 2, id: 3), elapsed: 4, wallClock: 5, commands: commands)
    }

    private static let token = FencingToken(incarnation: GroupIncarnation(counter: 1, id: 2), index: 3)
    private static let session = SessionID(incarnation: GroupIncarnation(counter: 1, id: 2), index: 3, command: 4)

    /// One of each kind, with every optional part somewhere.
    private static let commands: [PartitionCommand] = {
        var full = letter(1, notBefore: 9)
        full.envelope = Envelope(
            full.envelope.message, kind: .reply, priority: .low, replyTo: path("/r"), inReplyTo: id(2), trace: "00-ab")
        var keyed = keyed(3, key: 4)
        keyed.request = Enqueue.Request(session: session, number: 7)
        let consumption = Consumption(
            offset: normal(3), byteCount: 4, id: id(5), key: Fingerprint(high: 1, low: 2),
            outcome: .failed(MeshError(.overloaded, "full", retryAfter: .seconds(1))))
        let granted = Grant(host: oneHost, boot: 2, expects: token, head: normal(1))
        var reads = turn(.token(token), 1, base: 0)
        reads.basis = .reads([KeyRead(key: [1, 2], version: 3)])
        reads.events = [[1], []]
        let whole = turn(
            .granted(granted), 2, base: 3, consumed: [consumption],
            changes: [StateChange(key: [1], value: [2]), StateChange(key: [], value: nil)],
            outbox: [OutgoingLetter(to: Partition(index: 9), full)],
            timers: [.set(name: "t", due: 1, schedule: "s", body: [1]), .cancel(name: "u")])
        let failure = Failure(
            path: path("/a"), token: token, consumption: consumption, reason: "why", disposition: .retry(at: 3),
            outbox: [OutgoingLetter(to: Partition(index: 1), full)])
        return [
            .enqueue(Enqueue(full)), .enqueue(keyed), .grant(path("/a"), granted), .turn(reads), .turn(whole),
            .enqueueAndTurn(keyed, outcome: .reply([1]), turn(.thisEntry, 1, base: 0)), .fail(failure),
            .release(Release(path: path("/a"), token: token, hasState: true)),
            .deliver(Delivery(source: Partition(index: 2), stream: 1, first: 4, letters: [full, letter(2)])),
            .outboxAck(OutboxAck(destination: Partition(index: 2), stream: 1, through: 3, bytesThrough: 4)),
            .openSession,
            .timerFired(TimerFired(path: path("/a"), timer: .delayed(id(4)), occurrence: 3, next: 4)),
            .timerFired(TimerFired(path: path("/a"), timer: .named("t"), occurrence: 3)),
            .deadLetters(.replay(path("/a"), [1, 2])), .deadLetters(.purge([3])),
        ]
    }()

    @Test("every command comes back as it went, alone and in a batch") func roundTrip() throws {
        for command in Self.commands {
            let batch = self.batch([command])
            #expect(try CommandBatch(decoding: batch.encoded()) == batch)
        }
        let all = self.batch(Self.commands)
        let bytes = all.encoded()
        #expect(try CommandBatch(decoding: bytes) == all)
        #expect(bytes.count == CommandBatch.headerBytes + Self.commands.reduce(0) { $0 + $1.encoded().count })
    }

    @Test("random batches come back as they went", arguments: 0..<20 as Range<UInt64>) func random(seed: UInt64) throws
    {
        var generator = CommandGenerator(seed: seed)
        var model = ModelPartition(rules: PartitionRules())
        for _ in 0..<20 {
            let batch = generator.batch(model)
            #expect(try CommandBatch(decoding: batch.encoded()) == batch, "seed \(seed)")
            _ = model.apply(batch)
        }
    }

    @Test("whatever is cut or changed is refused or read, and never a crash") func damage() throws {
        for command in Self.commands {
            let bytes = self.batch([command]).encoded()
            for count in 0..<bytes.count {
                #expect(throws: WireError.self) { try CommandBatch(decoding: Array(bytes.prefix(count))) }
                for change in [0x01, 0xff] as [UInt8] {
                    var damaged = bytes
                    damaged[count] ^= change
                    guard let read = try? CommandBatch(decoding: damaged) else { continue }
                    #expect(try CommandBatch(decoding: read.encoded()) == read)
                }
            }
            #expect(throws: WireError.self) { try CommandBatch(decoding: bytes + [0]) }
        }
    }

    @Test("an entry that is no batch is refused by every replica alike, and the next one counts") func refused() throws
    {
        var partition = TestPartition()
        let entry = partition.log.other(.command, [1, 2, 3])
        let outcome = try partition.replica.apply([entry])[0]
        #expect(outcome.result == .refused(WireError(.truncated, at: 1)))
        #expect(try partition.apply(enqueue(1)) == .enqueue(.accepted(normal(0))))
    }

    @Test("entries of a newer version are known as such before they are taken") func newer() {
        #expect(CommandBatch.isSupported(self.batch([]).encoded()))
        #expect(!CommandBatch.isSupported([CommandBatch.formatVersion + 1]))
    }

    @Test("an entry that is applied twice or out of order ends the process") func twice() async {
        await #expect(processExitsWith: .failure) {
            var partition = TestPartition()
            let entry = partition.log.entry([])
            _ = try partition.replica.apply([entry])
            _ = try partition.replica.apply([entry])
        }
    }
}

/// What lies in a mailbox, and what it costs.
@Suite struct MailboxLaneTests {
    @Test("a lane knows what waits, in whatever order it is consumed", arguments: 0..<12 as Range<UInt64>)
    func lane(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        var partition = TestPartition()
        var waiting: Set<UInt64> = []
        var next: UInt64 = 0
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil)))
        let token = partition.token
        for step in 1...40 as ClosedRange<UInt64> {
            var consumed: [Consumption] = []
            if Bool.random(using: &random) {
                _ = try partition.apply(enqueue(next))
                waiting.insert(next)
                next += 1
            } else if let number = waiting.sorted().randomElement(using: &random) {
                consumed = [consume(number, id: number)]
                waiting.remove(number)
            }
            _ = try partition.apply(.turn(turn(.token(token), step, base: step - 1, consumed: consumed)))
            let record = try #require(partition.replica.state.actor(path("/a")))
            #expect(try ActorRecord(decoding: record.encoded()) == record, "seed \(seed)")
            #expect(record.count == UInt64(waiting.count), "seed \(seed)")
            #expect((0..<next).allSatisfy { record.contains(normal($0)) == waiting.contains($0) }, "seed \(seed)")
            let order = waiting.sorted()
            let isRight = (0...next).allSatisfy { number in
                record.first(from: normal(number)) == order.first { $0 >= number }.map(normal)
            }
            #expect(isRight, "seed \(seed)")
        }
    }

    @Test("a backlog makes no message and no turn dearer, and does not live in memory") func backlog() throws {
        var partition = TestPartition()
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil)))
        let token = partition.token
        var sizes: Set<Int> = []
        var changes: Set<Int> = []
        for number in 0..<500 as Range<UInt64> {
            _ = try partition.apply(enqueue(number))
            changes.insert(partition.replica.lastChanges)
            sizes.insert(partition.replica.state.actor(path("/a"))?.encoded().count ?? 0)
        }
        #expect(sizes.count == 1)
        // The message, its actor, the sums; and once the actor's other key, for it was idle.
        #expect(changes == [3, 4])
        try partition.replica.restart()
        for number in 0..<100 as Range<UInt64> {
            let turn = turn(.token(token), number + 1, base: number, consumed: [consume(number, id: number)])
            // Nothing is read to consume it.
            let entry = partition.log.entry([.turn(turn)])
            #expect(partition.replica.state.missing(for: [entry]).isEmpty)
            let outcome = try partition.replica.apply([entry])[0]
            #expect(partition.replica.lastChanges == 3)
            guard case .commands(let outcomes) = outcome.result else { throw WireError(.invalidValue, at: 0) }
            #expect(applied(outcomes[0]) != nil)
        }
        #expect(partition.replica.state.totals.messages == 400)
    }

    @Test("urgent messages are taken first, and each priority in order") func priorities() throws {
        var partition = TestPartition()
        for (number, priority) in [Envelope.Priority.low, .normal, .high, .normal].enumerated() {
            var letter = letter(UInt64(number))
            letter.envelope.priority = priority
            _ = try partition.apply(.enqueue(Enqueue(letter)))
        }
        let stored = try partition.replica.disk.range(PartitionKeys.messages(of: path("/a"))).map {
            try Envelope(decoding: $0.value).message.id
        }
        #expect(stored == [id(2), id(1), id(3), id(0)])
        let record = try #require(partition.replica.state.actor(path("/a")))
        #expect(record.first == MailboxOffset(.high, 0))
        #expect(record.first(from: MailboxOffset(.high, 1)) == normal(0))
        #expect(record.first(from: normal(2)) == MailboxOffset(.low, 0))
    }
}
