import MeshCore

/// The rules of a partition once more, as plainly as they can be written: everything in memory, every question answered by
/// looking through everything. Property tests hold the real state against it.
struct ModelPartition {
    struct Waiting: Equatable {
        var offset: MailboxOffset
        var envelope: Envelope
    }

    struct Actor {
        var version: UInt64 = 0
        var token: FencingToken?
        var hasEnded = false
        var turns: Set<UInt64> = []
        /// By offset.
        var waiting: [Waiting] = []
        var next: [Envelope.Priority: UInt64] = [:]
        var grants: [MailboxOffset: Int] = [:]
        var failures: [MailboxOffset: Int] = [:]

        var tried: Set<MailboxOffset> { Set(self.grants.keys).union(self.failures.keys) }
    }

    struct DeadLetter: Equatable {
        var number: UInt64
        var path: ActorPath
        var envelope: Envelope
        var failures: Int
    }

    var rules: PartitionRules
    var index: LogIndex = 0
    var logTime: UInt64 = 0
    var wallClock: UInt64 = 0
    var incarnation = GroupIncarnation(counter: 0, id: 0)
    var place: UInt16 = 0
    var actors: [ActorPath: Actor] = [:]
    /// What an actor keeps does not depend on whether its record is.
    var values: [ActorPath: [[UInt8]: StateValue]] = [:]
    var timers: [ActorPath: [TimerID: TimerRecord]] = [:]
    var floor: UInt64 = 0
    var outbox: [Partition: [Letter]] = [:]
    /// For each letter, the bytes of the records up to it.
    var outboxBytes: [Partition: [UInt64]] = [:]
    var acknowledged: [Partition: UInt64] = [:]
    var inbox: [Partition: InboxStream] = [:]
    var sessions: [SessionID: (lastUsed: UInt64, highest: UInt64)] = [:]
    var keys: [Fingerprint: IdempotencyRecord] = [:]
    var pages: [(expires: UInt64, keys: [Fingerprint])] = []
    var newKeys: [Fingerprint] = []
    var deadLetters: [DeadLetter] = []
    var deadLettersEver: UInt64 = 0
    var queued: [QueuedMessage] = []
    var armed: [ArmedTimer] = []

    init(rules: PartitionRules) { self.rules = rules }

    var token: FencingToken { FencingToken(incarnation: self.incarnation, index: self.index) }

    mutating func apply(_ batch: CommandBatch) -> [CommandOutcome] {
        self.index += 1
        self.incarnation = batch.incarnation
        self.wallClock = batch.wallClock
        (self.queued, self.armed, self.newKeys) = ([], [], [])
        self.pass(UInt64(batch.elapsed))
        var outcomes: [CommandOutcome] = []
        for (place, command) in batch.commands.enumerated() {
            self.place = UInt16(place)
            outcomes.append(self.apply(command))
        }
        if !self.newKeys.isEmpty { self.pages.append((self.logTime + self.rules.keyRetention, self.newKeys)) }
        return outcomes
    }

    private mutating func pass(_ elapsed: UInt64) {
        self.logTime += elapsed
        for _ in 0..<self.rules.pagesPerEntry {
            guard let first = self.pages.first, first.expires <= self.logTime else { break }
            for key in first.keys { self.keys[key] = nil }
            self.pages.removeFirst()
        }
        for _ in 0..<self.rules.sessionsPerEntry {
            let oldest = self.sessions.min { ($0.value.lastUsed, $0.key) < ($1.value.lastUsed, $1.key) }
            guard let oldest, oldest.value.lastUsed + self.rules.sessionRetention < self.logTime else { break }
            self.sessions[oldest.key] = nil
        }
    }

    private mutating func apply(_ command: PartitionCommand) -> CommandOutcome {
        switch command {
        case .enqueue(let enqueue): return .enqueue(self.enqueue(enqueue))
        case .grant(let path, let grant): return .grant(self.grant(grant, path))
        case .turn(let turn): return .turn(self.turn(turn))
        case .enqueueAndTurn(let enqueue, let outcome, var turn):
            let accepted = self.enqueue(enqueue)
            guard case .accepted(let offset) = accepted else {
                self.endIfCurrent(turn)
                return .enqueueAndTurn(accepted, .refused(.notEnqueued))
            }
            let envelope = enqueue.letter.envelope
            turn.consumed.append(
                Consumption(
                    offset: offset, byteCount: UInt32(envelope.encoded().count), id: envelope.message.id,
                    key: envelope.message.idempotency, outcome: outcome))
            return .enqueueAndTurn(accepted, self.turn(turn))
        case .fail(let failure): return self.fail(failure)
        case .release(let release):
            guard self.actors[release.path]?.token == release.token, var actor = self.actors[release.path] else {
                return .release(false)
            }
            actor.token = nil
            (actor.hasEnded, actor.turns) = (false, [])
            self.actors[release.path] = actor
            if !release.hasState, actor.waiting.isEmpty, self.timers[release.path, default: [:]].isEmpty {
                self.floor = max(self.floor, actor.next.values.max() ?? 0)
                self.actors[release.path] = nil
            }
            return .release(true)
        case .deliver(let delivery): return .delivery(self.deliver(delivery))
        case .outboxAck(let ack):
            let (done, last) = (
                self.acknowledged[ack.destination, default: 0], UInt64(self.outbox[ack.destination, default: []].count)
            )
            let sent = self.outboxBytes[ack.destination]?.last ?? 0
            let gone = done == 0 ? 0 : self.outboxBytes[ack.destination]?[Int(done) - 1] ?? 0
            guard ack.stream == 1, ack.through > done, ack.through <= last, gone <= ack.bytesThrough,
                ack.bytesThrough <= sent
            else { return .outboxAck(0) }
            self.acknowledged[ack.destination] = ack.through
            return .outboxAck(Int(ack.through - done))
        case .openSession:
            guard self.sessions.count < self.rules.sessionsMax else { return .session(nil) }
            let id = SessionID(incarnation: self.incarnation, index: self.index, command: self.place)
            self.sessions[id] = (self.logTime, 0)
            return .session(id)
        case .timerFired(let fired): return .timer(self.fire(fired))
        case .deadLetters(.purge(let numbers)):
            return .deadLetters(
                numbers.filter { number in
                    guard let place = self.deadLetters.firstIndex(where: { $0.number == number }) else { return false }
                    self.deadLetters.remove(at: place)
                    return true
                })
        case .deadLetters(.replay(let path, let numbers)):
            return .deadLetters(
                numbers.filter { number in
                    let place = self.deadLetters.firstIndex { $0.number == number && $0.path == path }
                    guard let place else { return false }
                    var envelope = self.deadLetters.remove(at: place).envelope
                    envelope.message.deadline = nil
                    envelope.replyTo = nil
                    if envelope.kind == .ask { envelope.kind = .tell }
                    _ = self.post(Letter(path, envelope))
                    return true
                })
        }
    }

    // MARK: Messages

    private mutating func enqueue(_ enqueue: Enqueue) -> EnqueueOutcome {
        let message = enqueue.letter.envelope.message
        if let request = enqueue.request {
            guard let session = self.sessions[request.session] else { return .sessionExpired }
            guard request.number <= session.highest + 1 else { return .outOfOrder(expected: session.highest + 1) }
            self.sessions[request.session] = (self.logTime, max(request.number, session.highest))
            if request.number <= session.highest {
                guard message.idempotency != nil else { return .duplicate(of: message.id, .unknown) }
                return self.known(enqueue) ?? .keyTableFull
            }
        }
        if let key = message.idempotency {
            if let known = self.known(enqueue) { return known }
            guard self.keys.count < self.rules.keysMax else { return .keyTableFull }
            self.keys[key] = IdempotencyRecord(
                body: enqueue.bodyFingerprint ?? Fingerprint(high: 0, low: 0), id: message.id)
            self.newKeys.append(key)
        }
        return self.post(enqueue.letter)
    }

    private func known(_ enqueue: Enqueue) -> EnqueueOutcome? {
        guard let record = enqueue.letter.envelope.message.idempotency.flatMap({ self.keys[$0] }) else { return nil }
        if record.body != enqueue.bodyFingerprint { return .conflict(with: record.id) }
        return .duplicate(of: record.id, record.outcome.map { .finished($0) } ?? .waiting)
    }

    mutating func post(_ letter: Letter) -> EnqueueOutcome {
        if let due = letter.notBefore {
            let timer = TimerID.delayed(letter.envelope.message.id)
            guard self.timers[letter.path]?[timer] == nil else {
                return .duplicate(of: letter.envelope.message.id, .waiting)
            }
            self.arm(
                letter.path, timer, TimerRecord(due: due, occurrence: self.index, content: .delayed(letter.envelope)))
            return .delayed
        }
        let priority = letter.envelope.priority
        let number = self.actors[letter.path]?.next[priority] ?? self.floor
        let offset = MailboxOffset(priority, number)
        self.actors[letter.path, default: Actor()].next[priority] = number + 1
        self.actors[letter.path]?.waiting.append(Waiting(offset: offset, envelope: letter.envelope))
        self.actors[letter.path]?.waiting.sort { $0.offset < $1.offset }
        self.queued.append(QueuedMessage(path: letter.path, offset: offset))
        return .accepted(offset)
    }

    mutating func remove(_ consumption: Consumption, of path: ActorPath) {
        self.actors[path]?.waiting.removeAll { $0.offset == consumption.offset }
        self.actors[path]?.grants[consumption.offset] = nil
        self.actors[path]?.failures[consumption.offset] = nil
        guard let key = consumption.key, var record = self.keys[key], record.id == consumption.id,
            let outcome = consumption.outcome
        else { return }
        record.outcome = outcome
        if case .reply(let body) = outcome, body.count > self.rules.keptReplyBytesMax {
            record.outcome = .failed(
                MeshError(
                    .tooLarge,
                    "the message with this idempotency key was processed; its reply of \(body.count) bytes is over "
                        + "the \(self.rules.keptReplyBytesMax) that are kept",
                    accepted: .yes))
        }
        self.keys[key] = record
    }

    // MARK: Activations

    private mutating func grant(_ grant: Grant, _ path: ActorPath) -> GrantOutcome {
        let actor = self.actors[path] ?? Actor()
        guard actor.token == grant.expects, actor.token.map({ $0 < self.token }) ?? true else {
            return .stale(current: actor.token)
        }
        var attempts = 1
        if let head = grant.head, actor.waiting.contains(where: { $0.offset == head }) {
            attempts = actor.grants[head, default: 0] + 1
            if attempts > Int(self.rules.grantsWithoutTurnMax) { return .exhausted(head) }
            if !actor.tried.contains(head), actor.tried.count >= self.rules.trialsMax {
                return .exhausted(actor.tried.min() ?? head)
            }
            self.actors[path, default: Actor()].grants[head] = attempts
        }
        self.actors[path, default: Actor()].token = self.token
        self.actors[path]?.hasEnded = false
        self.actors[path]?.turns = []
        return .granted(self.token, version: actor.version, attempts: attempts)
    }

    private func token(of turn: Turn) -> FencingToken {
        if case .token(let token) = turn.fence { token } else { self.token }
    }

    private mutating func endIfCurrent(_ turn: Turn) {
        if self.actors[turn.path]?.token == self.token(of: turn) { self.actors[turn.path]?.hasEnded = true }
    }

    private mutating func turn(_ turn: Turn) -> TurnOutcome {
        if case .granted(let grant) = turn.fence {
            let outcome = self.grant(grant, turn.path)
            guard case .granted = outcome else { return .refused(.notGranted(outcome)) }
        }
        let actor = self.actors[turn.path] ?? Actor()
        guard actor.token == self.token(of: turn), !actor.hasEnded else {
            return .refused(.staleToken(current: actor.token))
        }
        let highest = actor.turns.max() ?? 0
        if actor.turns.contains(turn.number) || turn.number + 64 <= highest { return .refused(.repeated) }
        if let refusal = self.refusal(of: turn, actor) {
            self.endIfCurrent(turn)
            return .refused(refusal)
        }
        let version = actor.version + 1
        self.actors[turn.path]?.version = version
        self.actors[turn.path]?.turns.insert(turn.number)
        for consumption in turn.consumed { self.remove(consumption, of: turn.path) }
        self.actors[turn.path]?.grants = [:]
        for change in turn.changes {
            self.values[turn.path, default: [:]][change.key] = change.value.map {
                StateValue(version: version, bytes: $0)
            }
        }
        for change in turn.timers {
            self.timers[turn.path]?[.named(change.name)] = nil
            if case .set(let name, let due, let schedule, let body) = change {
                self.arm(
                    turn.path, .named(name),
                    TimerRecord(due: due, occurrence: self.index, schedule: schedule, content: .reminder(body)))
            }
        }
        return .applied(
            TurnOutcome.Applied(
                token: self.token(of: turn), version: version, outbox: self.send(turn.outbox), events: turn.events))
    }

    private func refusal(of turn: Turn, _ actor: Actor) -> TurnOutcome.Refusal? {
        switch turn.basis {
        case .version(let version):
            if version != actor.version { return .staleVersion(current: actor.version) }
        case .reads(let reads):
            for read in reads {
                let current = self.values[turn.path]?[read.key]?.version ?? 0
                if current != read.version { return .staleRead(key: read.key, current: current) }
            }
        }
        var left = Set(actor.waiting.map(\.offset))
        for consumption in turn.consumed where left.remove(consumption.offset) == nil {
            return .notQueued(consumption.offset)
        }
        let gaps = Envelope.Priority.allCases.map { priority in
            let numbers = Set(left.filter { $0.priority == priority }.map(\.number))
            guard let head = numbers.min(), let next = actor.next[priority] else { return 0 }
            return (head..<next).count { !numbers.contains($0) && numbers.contains($0 - 1) }
        }
        return gaps.contains { $0 > self.rules.gapsMax } ? .tooManyGaps : nil
    }
}
