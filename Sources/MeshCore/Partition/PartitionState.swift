/// The replicated state of one partition: mailboxes, actors' state, grants, outbox, deduplication, timers, dead letters.
///
/// It changes only by applying entries, on every replica alike. Applying refuses duplicates and stale turns, nothing else:
/// limits are the leader's, who knows what is under way. In memory are the actors that have waiting messages, a few others,
/// and counters; messages, values, timers and idempotency keys are on the disk, read only where a command cannot be
/// judged without. So a mailbox with a million messages costs what one with ten does.
package struct PartitionState: ReplicatedState {
    package typealias Outcome = EntryOutcome

    package let partition: Partition
    let rules: PartitionRules
    package internal(set) var totals = PartitionTotals()
    var actors: ActorTable
    var sessions = SessionTable()
    var outboxes: [Partition: OutboxStream] = [:]
    var inboxes: [Partition: InboxStream] = [:]
    var deadLetters = DeadLetterTable()
    var recent: RecentOutcomes
    var buffer = WriteBuffer()
    /// When the first page of idempotency keys is due to be forgotten; nil if that was not read yet.
    var firstPageExpires: UInt64?
    /// Batches that `missing` has decoded and `apply` has not seen. Never walked.
    private var decoded: [LogIndex: Result<CommandBatch, WireError>] = [:]

    package init(partition: Partition, rules: PartitionRules = PartitionRules()) {
        self.partition = partition
        self.rules = rules
        self.actors = ActorTable(idleMax: rules.idleActorsInMemory)
        self.recent = RecentOutcomes(bytesMax: rules.recentOutcomeBytes)
    }

    // MARK: What the leader looks at

    /// Nil if the actor is not in memory: then it has no waiting message, and its record, if it has one, is under
    /// `PartitionKeys.actor(_, isBusy: false)`.
    package func actor(_ path: ActorPath) -> ActorRecord? { self.actors.peek(path) }
    /// Sorted; takes as long as there are actors in memory.
    package var busyActors: [ActorPath] { self.actors.busy }
    package var busyActorCount: Int { self.actors.busyCount }
    package func outbox(to destination: Partition) -> OutboxStream? { self.outboxes[destination] }
    /// Partitions that have not taken all of their messages, in order.
    package var waitingOutboxes: [Partition] { self.outboxes.filter { $0.value.count > 0 }.keys.sorted() }
    package func inbox(from source: Partition) -> InboxStream? { self.inboxes[source] }
    package var sessionCount: Int { self.sessions.count }
    package func session(_ id: SessionID) -> UInt64? { self.sessions[id]?.highest }
    package var deadLetterCount: Int { self.deadLetters.count }
    /// Numbers of those behind one, of paths that begin with a text, in order.
    package func deadLetters(after number: UInt64?, prefix: String, limit: Int) -> [UInt64] {
        self.deadLetters.numbers(after: number, prefix: prefix, limit: limit)
    }
    /// Of those that are there.
    package func pathsOfDeadLetters(_ numbers: [UInt64]) -> [UInt64: ActorPath] {
        numbers.reduce(into: [:]) { paths, number in paths[number] = self.deadLetters.find(number)?.path }
    }
    package var deadLetterBytes: UInt64 { self.deadLetters.byteCount }
    /// Of a message that ended not long ago.
    package func outcome(of message: MessageID) -> MeshCore.Outcome? { self.recent[message] }

    // MARK: Applying

    package mutating func apply(_ entries: [LogEntry], into batch: inout StateBatch) -> [EntryOutcome] {
        let outcomes = entries.map { self.apply($0) }
        self.actors.flush(into: &self.buffer)
        if !entries.isEmpty { self.buffer.put(PartitionKeys.totals, self.totals.encoded()) }
        self.buffer.drain(into: &batch)
        return outcomes
    }

    private mutating func apply(_ entry: LogEntry) -> EntryOutcome {
        precondition(
            entry.index == self.totals.applied + 1,
            "entry \(entry.index) after entry \(self.totals.applied) of partition \(self.partition.index)")
        self.totals.applied = entry.index
        guard entry.kind == .command else { return EntryOutcome(index: entry.index, result: .nothing) }
        switch self.takeBatch(of: entry) {
        case .failure(let error): return EntryOutcome(index: entry.index, result: .refused(error))
        case .success(let commands):
            var entry = AppliedEntry(
                index: entry.index, incarnation: commands.incarnation, wallClock: commands.wallClock)
            self.passTime(by: commands.elapsed, to: commands.wallClock)
            var outcomes: [CommandOutcome] = []
            outcomes.reserveCapacity(commands.commands.count)
            for (place, command) in commands.commands.enumerated() {
                entry.command = UInt16(place)
                outcomes.append(self.apply(command, of: &entry))
            }
            self.keepKeys(of: entry)
            return EntryOutcome(
                index: entry.index, result: .commands(outcomes), queued: entry.queued, armed: entry.armed)
        }
    }

    private mutating func apply(_ command: PartitionCommand, of entry: inout AppliedEntry) -> CommandOutcome {
        switch command {
        case .enqueue(let enqueue): return .enqueue(self.enqueue(enqueue, of: &entry).outcome)
        case .grant(let path, let grant): return .grant(self.grant(grant, to: path, of: entry))
        case .turn(let turn): return .turn(self.turn(turn, of: &entry))
        case .enqueueAndTurn(let enqueue, let outcome, let turn):
            let (accepted, consumption) = self.enqueue(enqueue, of: &entry)
            guard var consumption else {
                self.end(turn, entry)
                return .enqueueAndTurn(accepted, .refused(.notEnqueued))
            }
            consumption.outcome = outcome
            var turn = turn
            turn.consumed.append(consumption)
            let applied = self.turn(turn, of: &entry)
            if self.rules.flaw == .messageGoesWithTurn, case .refused = applied {
                self.drop(consumption, of: turn.path)
            }
            return .enqueueAndTurn(accepted, applied)
        case .fail(let failure): return self.fail(failure, of: &entry)
        case .release(let release): return .release(self.release(release))
        case .deliver(let delivery): return .delivery(self.deliver(delivery, of: &entry))
        case .outboxAck(let ack): return .outboxAck(self.acknowledge(ack))
        case .openSession: return .session(self.openSession(of: entry))
        case .timerFired(let fired): return .timer(self.fire(fired, of: &entry))
        case .deadLetters(.replay(let path, let numbers)):
            return .deadLetters(self.replay(numbers, to: path, of: &entry))
        case .deadLetters(.purge(let numbers)): return .deadLetters(self.purge(numbers))
        }
    }

    package mutating func written(through index: LogIndex) {}

    // MARK: Decoding

    /// Decodes an entry that `apply` will see next, once, however often it is asked what it needs.
    mutating func decode(_ entry: LogEntry) -> Result<CommandBatch, WireError> {
        if let known = self.decoded[entry.index] { return known }
        let batch = Result { () throws(WireError) in try CommandBatch(decoding: entry.payload) }
        self.decoded[entry.index] = batch
        return batch
    }

    private mutating func takeBatch(of entry: LogEntry) -> Result<CommandBatch, WireError> {
        precondition(
            CommandBatch.isSupported(entry.payload),
            "entry \(entry.index) was written by a newer meshnode; a replica that skips it holds another state")
        if let known = self.decoded.removeValue(forKey: entry.index) { return known }
        return Result { () throws(WireError) in try CommandBatch(decoding: entry.payload) }
    }
}

/// The entry that is being applied.
struct AppliedEntry {
    let index: LogIndex
    let incarnation: GroupIncarnation
    let wallClock: UInt64
    /// Which of its commands.
    var command: UInt16 = 0
    var queued: [QueuedMessage] = []
    var armed: [ArmedTimer] = []
    /// Idempotency keys that it brought.
    var newKeys: [Fingerprint] = []

    var token: FencingToken { FencingToken(incarnation: self.incarnation, index: self.index) }
}
