import MeshCore
import Testing

/// Random commands against the model, on replicas that see them in other batches and start anew in between.
@Suite struct PartitionPropertyTests {
    /// Small limits, so that they are reached.
    static let rules: PartitionRules = {
        var rules = PartitionRules()
        rules.keyRetention = 150
        rules.keysMax = 5
        rules.sessionRetention = 120
        rules.sessionsMax = 3
        rules.keptReplyBytesMax = 8
        rules.deadLettersMax = 4
        rules.deadLetterBytesMax = 200
        rules.gapsMax = 2
        rules.trialsMax = 3
        rules.sessionsPerEntry = 1
        rules.idleActorsInMemory = 2
        // What a replica remembers of outcomes is no part of the state.
        rules.recentOutcomeBytes = 0
        return rules
    }()

    @Test(
        "a partition does what the rules say, however its entries are batched and whenever it starts anew",
        arguments: 0..<20 as Range<UInt64>)
    func equalsModel(seed: UInt64) throws {
        var generator = CommandGenerator(seed: seed)
        var model = ModelPartition(rules: Self.rules)
        var single = TestReplica(rules: Self.rules)
        var batched = TestReplica(rules: Self.rules)
        var restarted = TestReplica(rules: Self.rules)
        var watch = Watch()
        var log: [LogEntry] = []
        for _ in 0..<25 {
            var entries: [LogEntry] = []
            for _ in 0..<Int.random(in: 1...12, using: &generator.random) {
                if Int.random(in: 0..<15, using: &generator.random) == 0 {
                    model.index += 1
                    let kind = [LogEntry.Kind.noop, .configuration].randomElement(using: &generator.random) ?? .noop
                    let entry = LogEntry(index: model.index, term: 1, kind: kind, payload: [])
                    #expect(try single.apply([entry])[0].result == .nothing, "seed \(seed)")
                    entries.append(entry)
                    continue
                }
                let batch = generator.batch(model)
                let expected = model.apply(batch)
                let entry = LogEntry(index: model.index, term: 1, kind: .command, payload: batch.encoded())
                let outcome = try single.apply([entry])[0]
                try #require(
                    outcome.result == .commands(expected),
                    "seed \(seed), entry \(entry.index): \(batch.commands)")
                try #require(outcome.queued == model.queued && outcome.armed == model.armed, "seed \(seed)")
                watch.look(at: batch.commands, expected, seed: seed)
                entries.append(entry)
            }
            log += entries
            try model.check(against: single, "seed \(seed), entry \(model.index)")
            _ = try batched.apply(entries)
            while !entries.isEmpty {
                let count = Int.random(in: 1...entries.count, using: &generator.random)
                _ = try restarted.apply(Array(entries.prefix(count)))
                entries.removeFirst(count)
                if Bool.random(using: &generator.random) { try restarted.restart() }
            }
            try #require(batched.disk == single.disk, "seed \(seed): batches matter, entry \(model.index)")
            try #require(restarted.disk == single.disk, "seed \(seed): restarts matter, entry \(model.index)")
        }
        #expect(watch.consumed.count > 20, "seed \(seed) does too little")
        // As a replica that was away for all of it.
        var late = TestReplica(rules: Self.rules)
        _ = try late.apply(log)
        #expect(late.disk == single.disk, "seed \(seed)")
    }

    /// What must hold of any history, whatever the model says.
    private struct Watch {
        var tokens: [ActorPath: FencingToken] = [:]
        var consumed: Set<QueuedMessage> = []
        var outbox: [Partition: UInt64] = [:]

        mutating func look(at commands: [PartitionCommand], _ outcomes: [CommandOutcome], seed: UInt64) {
            for (command, outcome) in zip(commands, outcomes) {
                switch (command, outcome) {
                case (.grant(let path, _), .grant(.granted(let token, _, _))): self.granted(token, path, seed)
                case (.turn(let turn), .turn(.applied(let applied))): self.applied(turn, applied, seed)
                case (.enqueueAndTurn(let enqueue, _, let turn), .enqueueAndTurn(.accepted(let offset), let outcome)):
                    guard case .applied(let applied) = outcome else { break }
                    self.take(offset, of: enqueue.letter.path, seed)
                    self.applied(turn, applied, seed)
                case (.fail(let failure), .failure(let outcome, let numbers)):
                    self.sent(numbers, seed)
                    switch outcome {
                    case .expired, .deadLetter: self.take(failure.consumption.offset, of: failure.path, seed)
                    default: break
                    }
                default: break
                }
            }
        }

        private mutating func applied(_ turn: Turn, _ applied: TurnOutcome.Applied, _ seed: UInt64) {
            if case .granted = turn.fence { self.granted(applied.token, turn.path, seed) }
            for consumption in turn.consumed { self.take(consumption.offset, of: turn.path, seed) }
            self.sent(applied.outbox, seed)
        }

        private mutating func sent(_ numbers: [OutboxNumber], _ seed: UInt64) {
            for number in numbers {
                #expect(number.number == self.outbox[number.destination, default: 0] + 1, "seed \(seed): a gap")
                self.outbox[number.destination] = number.number
            }
        }

        private mutating func granted(_ token: FencingToken, _ path: ActorPath, _ seed: UInt64) {
            if let last = self.tokens.updateValue(token, forKey: path) {
                #expect(last < token, "seed \(seed): the token of \(path) went from \(last) to \(token)")
            }
        }

        private mutating func take(_ offset: MailboxOffset, of path: ActorPath, _ seed: UInt64) {
            let isFirst = self.consumed.insert(QueuedMessage(path: path, offset: offset)).inserted
            #expect(isFirst, "seed \(seed): \(path) consumed \(offset) twice")
        }
    }
}

extension ModelPartition {
    /// All that the replica holds, in memory and on its disk, is what the model holds.
    func check(against replica: TestReplica, _ place: String) throws {
        let totals = replica.state.totals
        var (messages, bytes) = (0, 0)
        for path in Set(self.actors.keys).union(CommandGenerator.paths) {
            let actor = self.actors[path] ?? Actor()
            let record = try replica.actor(path) ?? ActorRecord()
            try #require(record.version == actor.version && record.token == actor.token, "\(place): \(path)")
            try #require(record.first == actor.waiting.first?.offset, "\(place): \(path)")
            try #require(Set(record.trials.map(\.offset)) == actor.tried, "\(place): \(path)")
            let size = actor.waiting.reduce(0) { $0 + $1.envelope.encoded().count }
            try #require(record.count == UInt64(actor.waiting.count) && record.byteCount == UInt64(size), "\(place)")
            (messages, bytes) = (messages + actor.waiting.count, bytes + size)
            let stored = try replica.disk.range(PartitionKeys.messages(of: path)).map {
                Waiting(offset: try PartitionKeys.offset(of: $0.key), envelope: try Envelope(decoding: $0.value))
            }
            try #require(stored == actor.waiting, "\(place): \(path)")
            let values = try replica.disk.range(PartitionKeys.values(of: path)).map {
                (PartitionKeys.stateKey(of: $0.key, path: path), try StateValue(decoding: $0.value))
            }
            try #require(
                Dictionary(uniqueKeysWithValues: values) == self.values[path, default: [:]], "\(place): \(path)")
        }
        try #require(totals.messages == UInt64(messages) && totals.messageBytes == UInt64(bytes), "\(place)")
        try self.checkTimers(replica, place)
        try self.checkStreams(replica, place)
        try #require(totals.idempotencyKeys == UInt64(self.keys.count), "\(place)")
        let kept = replica.disk.range([PartitionKeys.Kind.idempotencyKey.rawValue])
        try #require(kept.count == self.keys.count, "\(place)")
        for (key, record) in self.keys {
            let bytes = try #require(replica.disk[PartitionKeys.idempotencyKey(key)], "\(place)")
            try #require(try IdempotencyRecord(decoding: bytes) == record, "\(place)")
        }
        try #require(replica.state.sessionCount == self.sessions.count, "\(place)")
        for (id, session) in self.sessions { try #require(replica.state.session(id) == session.highest, "\(place)") }
        let dead = try replica.disk.range(PartitionKeys.deadLetters).map { try DeadLetterRecord(decoding: $0.value) }
        try #require(dead.map(\.path) == self.deadLetters.map(\.path), "\(place)")
        try #require(dead.map { Int($0.failures) } == self.deadLetters.map(\.failures), "\(place)")
        try #require(replica.state.deadLetterCount == dead.count, "\(place)")
        for letter in self.deadLetters {
            let body = try #require(replica.disk[PartitionKeys.deadLetterBody(letter.number)], "\(place)")
            try #require(try Envelope(decoding: body) == letter.envelope, "\(place)")
        }
    }

    private func checkTimers(_ replica: TestReplica, _ place: String) throws {
        let timers = self.timers.flatMap { path, timers in timers.map { (path, $0.key, $0.value) } }
        try #require(replica.state.totals.timers == UInt64(timers.count), "\(place)")
        try #require(
            replica.state.totals.timerBytes == timers.reduce(0) { $0 + UInt64($1.2.encoded().count) }, "\(place)")
        let dues = try replica.disk.range(PartitionKeys.dues).map {
            (try PartitionKeys.timer(ofDue: $0.key), try DueRecord(decoding: $0.value))
        }
        try #require(dues.map(\.0.due) == timers.map(\.2.due).sorted(), "\(place)")
        for (key, record) in dues {
            let timer = try #require(self.timers[key.path]?[key.timer], "\(place)")
            try #require(timer.due == key.due && timer.occurrence == record.occurrence, "\(place)")
            let bytes = try #require(replica.disk[PartitionKeys.timer(key.path, key.timer)], "\(place)")
            try #require(try TimerRecord(decoding: bytes) == timer, "\(place)")
        }
    }

    private func checkStreams(_ replica: TestReplica, _ place: String) throws {
        for (destination, letters) in self.outbox {
            let waiting = letters.dropFirst(Int(self.acknowledged[destination, default: 0]))
            let stored = try replica.disk.range(PartitionKeys.outbox(to: destination)).map {
                try OutboxRecord(decoding: $0.value).letter
            }
            try #require(stored == Array(waiting), "\(place)")
            let stream = try #require(replica.state.outbox(to: destination), "\(place)")
            try #require(stream.count == UInt64(waiting.count), "\(place)")
            let bytes = replica.disk.range(PartitionKeys.outbox(to: destination)).reduce(0) { $0 + $1.value.count }
            try #require(stream.byteCount == UInt64(bytes), "\(place)")
        }
        for (source, stream) in self.inbox { try #require(replica.state.inbox(from: source) == stream, "\(place)") }
    }
}
