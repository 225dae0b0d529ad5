// What is in memory, and what has to be read before entries can be applied.
extension PartitionState {
    /// All but the values under these keys is on the disk only.
    package static var resident: [[UInt8]] {
        [PartitionKeys.Kind.totals, .busyActor, .session, .outboxStream, .inboxStream, .deadLetter].map {
            [$0.rawValue]
        }
    }

    package mutating func missing(for entries: [LogEntry]) -> [[UInt8]] {
        var needs = Needs(partition: self.partition)
        var elapsed: UInt64 = 0
        var batches = 0
        for entry in entries where entry.kind == .command {
            guard case .success(let batch) = self.decode(entry) else { continue }
            batches += 1
            elapsed += UInt64(batch.elapsed)
            for command in batch.commands { needs.add(command) }
        }
        self.addPages(afterEntries: batches, elapsed: elapsed, to: &needs)
        return needs.paths.filter { !self.actors.contains($0) }.map { PartitionKeys.actor($0, isBusy: false) }
            + needs.keys.filter { !self.buffer.knows($0) }
    }

    /// Pages of idempotency keys that these entries may forget.
    private func addPages(afterEntries count: Int, elapsed: UInt64, to needs: inout Needs) {
        if let expires = self.firstPageExpires, expires > self.totals.logTime + elapsed,
            self.rules.flaw != .timeJumps
        {
            return
        }
        let first = self.totals.firstKeyPage
        // One more than may go: the one that is first then.
        let end = min(self.totals.nextKeyPage, first + UInt64(count * self.rules.pagesPerEntry) + 1)
        for page in first..<end { needs.add(PartitionKeys.keyPage(page)) }
    }

    package mutating func learn(_ key: [UInt8], _ value: [UInt8]?) throws(WireError) {
        let kind = try PartitionKeys.kind(of: key)
        switch (kind, value) {
        case (.idleActor, let value):
            let path = try PartitionKeys.actor(of: key)
            let record: ActorRecord? = if let value { try ActorRecord(decoding: value) } else { nil }
            guard !(record?.isBusy ?? false) else { throw WireError(.invalidValue, at: 0) }
            self.actors.learn(path, record, isBusy: false)
        case (.busyActor, let value?):
            let record = try ActorRecord(decoding: value)
            guard record.isBusy else { throw WireError(.invalidValue, at: 0) }
            self.actors.learn(try PartitionKeys.actor(of: key), record, isBusy: true)
        case (.totals, let value?): self.totals = try PartitionTotals(decoding: value)
        case (.session, _) where self.rules.flaw == .sessionsForgotten: break
        case (.idempotencyKey, _) where self.rules.flaw == .keysForgotten: self.buffer.learn(key, nil)
        case (.session, let value?):
            self.sessions.open(
                try key.afterKind { reader throws(WireError) in try reader.sessionID() }, try .init(decoding: value))
        case (.outboxStream, let value?):
            self.outboxes[try key.afterKind { reader throws(WireError) in Partition(index: try reader.read()) }] =
                try OutboxStream(decoding: value)
        case (.inboxStream, let value?):
            self.inboxes[try key.afterKind { reader throws(WireError) in Partition(index: try reader.read()) }] =
                try InboxStream(decoding: value)
        case (.deadLetter, let value?):
            let record = try DeadLetterRecord(decoding: value)
            let number = try key.afterKind { reader throws(WireError) in try reader.read(UInt64.self) }
            self.deadLetters.append(
                DeadLetterTable.Entry(number: number, path: record.path, byteCount: record.byteCount))
        default:
            if let value { try Self.check(value, kind) }
            self.buffer.learn(key, value)
        }
    }

    /// Damage is found here, where it can be told, and not while applying, which cannot fail.
    private static func check(_ value: [UInt8], _ kind: PartitionKeys.Kind) throws(WireError) {
        switch kind {
        case .message, .deadLetterBody: _ = try Envelope(decoding: value)
        case .value: _ = try StateValue(decoding: value)
        case .timer: _ = try TimerRecord(decoding: value)
        case .idempotencyKey: _ = try IdempotencyRecord(decoding: value)
        case .keyPage: _ = try IdempotencyPage(decoding: value)
        // Nothing else is asked for.
        default: throw WireError(.unknownKind, at: 0)
        }
    }
}

extension [UInt8] {
    /// Reads what follows the first byte, to the end.
    fileprivate func afterKind<Value>(
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        var reader = WireReader(self.raw)
        _ = try reader.read(UInt8.self)
        let value = try read(&reader)
        try reader.end()
        return value
    }
}

/// What commands cannot be judged without. It must name all that applying asks for: asking for more is a failed precondition.
private struct Needs {
    let partition: Partition
    private(set) var paths: [ActorPath] = []
    private(set) var keys: [[UInt8]] = []
    private var seenPaths: Set<ActorPath> = []
    private var seenKeys: Set<[UInt8]> = []

    init(partition: Partition) { self.partition = partition }

    mutating func add(_ path: ActorPath) { if self.seenPaths.insert(path).inserted { self.paths.append(path) } }

    mutating func add(_ key: [UInt8]) { if self.seenKeys.insert(key).inserted { self.keys.append(key) } }

    mutating func add(_ command: PartitionCommand) {
        switch command {
        case .enqueue(let enqueue): self.add(enqueue)
        case .grant(let path, _): self.add(path)
        case .turn(let turn): self.add(turn)
        case .enqueueAndTurn(let enqueue, _, let turn):
            self.add(enqueue)
            self.add(turn)
        case .fail(let failure):
            self.add(failure.path)
            self.add(failure.consumption)
            if failure.disposition == .deadLetter {
                self.add(PartitionKeys.message(failure.path, failure.consumption.offset))
            }
            self.add(failure.outbox)
        case .release(let release): self.add(release.path)
        case .deliver(let delivery): for letter in delivery.letters { self.add(letter) }
        case .outboxAck, .openSession, .deadLetters(.purge): break
        case .timerFired(let fired):
            self.add(fired.path)
            self.add(PartitionKeys.timer(fired.path, fired.timer))
        case .deadLetters(.replay(let path, let numbers)):
            self.add(path)
            for number in numbers { self.add(PartitionKeys.deadLetterBody(number)) }
        }
    }

    private mutating func add(_ enqueue: Enqueue) {
        self.add(enqueue.letter)
        if let key = enqueue.letter.envelope.message.idempotency { self.add(PartitionKeys.idempotencyKey(key)) }
    }

    private mutating func add(_ letter: Letter) {
        self.add(letter.path)
        guard letter.notBefore != nil else { return }
        self.add(PartitionKeys.timer(letter.path, .delayed(letter.envelope.message.id)))
    }

    private mutating func add(_ letters: [OutgoingLetter]) {
        for letter in letters where letter.destination == self.partition { self.add(letter.letter) }
    }

    private mutating func add(_ consumption: Consumption) {
        if let key = consumption.key { self.add(PartitionKeys.idempotencyKey(key)) }
    }

    private mutating func add(_ turn: Turn) {
        self.add(turn.path)
        for consumption in turn.consumed { self.add(consumption) }
        if case .reads(let reads) = turn.basis {
            for read in reads { self.add(PartitionKeys.value(turn.path, read.key)) }
        }
        for change in turn.timers { self.add(PartitionKeys.timer(turn.path, .named(change.name))) }
        self.add(turn.outbox)
    }
}
