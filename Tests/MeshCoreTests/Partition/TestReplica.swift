import MeshCore
import Testing

/// A disk that keeps what batches wrote.
struct TestDisk: Equatable {
    private(set) var values: [[UInt8]: [UInt8]] = [:]

    subscript(key: [UInt8]) -> [UInt8]? { self.values[key] }

    mutating func apply(_ batch: StateBatch) {
        for change in batch.changes {
            switch change {
            case .put(let key, let value): self.values[key] = value
            case .delete(let key): self.values[key] = nil
            case .deletePrefix(let prefix): self.values = self.values.filter { !$0.key.starts(with: prefix) }
            }
        }
    }

    func range(_ prefix: [UInt8]) -> [(key: [UInt8], value: [UInt8])] {
        self.values.filter { $0.key.starts(with: prefix) }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { ($0.key, $0.value) }
    }
}

/// One replica of a partition, driven as a driver would.
struct TestReplica {
    static let partition = Partition(index: 7)

    var state: PartitionState
    private(set) var disk = TestDisk()
    /// Changes that the last entries wrote.
    private(set) var lastChanges = 0
    let rules: PartitionRules
    let partition: Partition

    init(rules: PartitionRules = PartitionRules(), partition: Partition = Self.partition) {
        self.rules = rules
        self.partition = partition
        self.state = PartitionState(partition: partition, rules: rules)
    }

    mutating func apply(_ entries: [LogEntry]) throws -> [EntryOutcome] {
        for key in self.state.missing(for: entries) { try self.state.learn(key, self.disk[key]) }
        // A driver asks until nothing is missing.
        precondition(self.state.missing(for: entries).isEmpty, "what was learned is missing still")
        var batch = StateBatch()
        let outcomes = self.state.apply(entries, into: &batch)
        self.disk.apply(batch)
        self.lastChanges = batch.changes.count
        if let last = entries.last { self.state.written(through: last.index) }
        return outcomes
    }

    /// The process is gone; another finds the disk.
    mutating func restart() throws {
        self.state = PartitionState(partition: self.partition, rules: self.rules)
        for prefix in PartitionState.resident {
            for (key, value) in self.disk.range(prefix) { try self.state.learn(key, value) }
        }
    }

    /// What is known of an actor, wherever it is.
    func actor(_ path: ActorPath) throws -> ActorRecord? {
        if let record = self.state.actor(path) { return record }
        return try self.disk[PartitionKeys.actor(path, isBusy: false)].map { try ActorRecord(decoding: $0) }
    }
}

/// A leader's hand: makes entries of commands, one after the other.
struct TestLog {
    var incarnation = GroupIncarnation(counter: 1, id: 99)
    private(set) var last: LogIndex = 0

    mutating func entry(_ commands: [PartitionCommand], elapsed: UInt32 = 0, wallClock: UInt64 = 0) -> LogEntry {
        self.last += 1
        let batch = CommandBatch(
            incarnation: self.incarnation, elapsed: elapsed, wallClock: wallClock, commands: commands)
        return LogEntry(index: self.last, term: 1, kind: .command, payload: batch.encoded())
    }

    mutating func other(_ kind: LogEntry.Kind, _ payload: [UInt8] = []) -> LogEntry {
        self.last += 1
        return LogEntry(index: self.last, term: 1, kind: kind, payload: payload)
    }
}

/// A replica with its log, for tests that look at one command after the other.
struct TestPartition {
    var replica: TestReplica
    var log = TestLog()

    init(rules: PartitionRules = PartitionRules()) { self.replica = TestReplica(rules: rules) }

    /// Of one entry with one command.
    mutating func apply(_ command: PartitionCommand, elapsed: UInt32 = 0) throws -> CommandOutcome {
        let outcomes = try self.apply([command], elapsed: elapsed)
        return try #require(outcomes.first)
    }

    /// Of one entry.
    @discardableResult
    mutating func apply(_ commands: [PartitionCommand], elapsed: UInt32 = 0) throws -> [CommandOutcome] {
        let outcome = try self.replica.apply([self.log.entry(commands, elapsed: elapsed, wallClock: 1_000)])[0]
        guard case .commands(let outcomes) = outcome.result else {
            Issue.record("\(outcome)")
            return []
        }
        return outcomes
    }

    var token: FencingToken { FencingToken(incarnation: self.log.incarnation, index: self.log.last) }
}

// Short ways to make commands.

let oneHost = NodeID(high: 1, low: 1)
let otherHost = NodeID(high: 2, low: 2)

func path(_ text: String) -> ActorPath {
    guard let path = try? ActorPath(text) else { preconditionFailure(text) }
    return path
}

func id(_ number: UInt64) -> MessageID { MessageID(high: 0, low: number) }

func letter(_ number: UInt64, to text: String = "/a", bytes: Int = 1, notBefore: UInt64? = nil) -> Letter {
    Letter(path(text), Envelope(Message(id: id(number), body: .init(repeating: 1, count: bytes))), notBefore: notBefore)
}

func enqueue(_ number: UInt64, to text: String = "/a", request: Enqueue.Request? = nil) -> PartitionCommand {
    .enqueue(Enqueue(letter(number, to: text), request: request))
}

func keyed(_ number: UInt64, key: UInt64, body: UInt64 = 0, to text: String = "/a") -> Enqueue {
    var letter = letter(number, to: text)
    letter.envelope.message.idempotency = Fingerprint(high: 9, low: key)
    return Enqueue(letter, bodyFingerprint: Fingerprint(high: 8, low: body))
}

func grant(expects: FencingToken?, head: MailboxOffset? = nil, host: NodeID = oneHost) -> Grant {
    Grant(host: host, boot: 1, expects: expects, head: head)
}

func normal(_ number: UInt64) -> MailboxOffset { MailboxOffset(.normal, number) }

func consume(_ number: UInt64, id message: UInt64, outcome: Outcome? = nil, key: UInt64? = nil) -> Consumption {
    Consumption(
        offset: normal(number), byteCount: UInt32(letter(0).envelope.encoded().count), id: id(message),
        key: key.map { Fingerprint(high: 9, low: $0) }, outcome: outcome)
}

func turn(
    _ fence: Turn.Fence, _ number: UInt64, base: UInt64, consumed: [Consumption] = [], of text: String = "/a",
    changes: [StateChange] = [], outbox: [OutgoingLetter] = [], timers: [TimerChange] = []
) -> Turn {
    Turn(
        path: path(text), fence: fence, number: number, basis: .version(base), consumed: consumed, changes: changes,
        outbox: outbox, timers: timers)
}

func applied(_ outcome: CommandOutcome) -> TurnOutcome.Applied? {
    switch outcome {
    case .turn(.applied(let applied)), .enqueueAndTurn(_, .applied(let applied)): applied
    default: nil
    }
}

func refusal(_ outcome: CommandOutcome) -> TurnOutcome.Refusal? {
    switch outcome {
    case .turn(.refused(let refusal)), .enqueueAndTurn(_, .refused(let refusal)): refusal
    default: nil
    }
}
