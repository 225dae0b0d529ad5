import MeshCore

/// Draws commands: mostly such as an honest leader would propose, by what the model knows, and some that are late, repeated
/// or wrong.
struct CommandGenerator {
    var random: RandomSource
    private var nextMessage: UInt64 = 1
    static let paths = ["/a", "/b", "/c/d", "/e"].map(path)
    private let destinations = [UInt16(1), 2].map(Partition.init)

    init(seed: UInt64) { self.random = RandomSource(seed: seed) }

    mutating func batch(_ model: ModelPartition) -> CommandBatch {
        let incarnation = GroupIncarnation(counter: 1, id: 99)
        let count = self.chance(20) ? 0 : Int.random(in: 1...4, using: &self.random)
        // What several commands of one batch do to each other is not foreseen: later ones may well be stale.
        let commands = (0..<count).map { _ in self.command(model) }
        return CommandBatch(
            incarnation: incarnation, elapsed: self.chance(30) ? UInt32.random(in: 0...40, using: &self.random) : 1,
            wallClock: model.index * 10, commands: commands)
    }

    private mutating func command(_ model: ModelPartition) -> PartitionCommand {
        switch Int.random(in: 0..<100, using: &self.random) {
        case 0..<24: return .enqueue(self.enqueue(model))
        case 24..<34:
            let path = self.anyPath()
            return .grant(path, self.grant(model, path))
        case 34..<56: return .turn(self.turn(model, of: self.anyPath()))
        case 56..<68:
            let path = self.anyPath()
            var enqueue = self.enqueue(model)
            enqueue.letter.path = path
            enqueue.letter.notBefore = nil
            return .enqueueAndTurn(enqueue, outcome: self.outcome(), self.turn(model, of: path))
        case 68..<76: return .fail(self.failure(model))
        case 76..<78:
            let path = self.anyPath()
            let token = model.actors[path]?.token ?? self.token(model)
            return .release(Release(path: path, token: token, hasState: self.chance(30)))
        case 78..<84: return .deliver(self.delivery(model))
        case 84..<89:
            let destination = self.pick(self.destinations)
            let done = model.acknowledged[destination, default: 0]
            return .outboxAck(self.ack(model, destination, through: done + self.number(0...3)))
        case 89..<91: return .openSession
        case 91..<97: return .timerFired(self.fired(model))
        case 97..<99:
            let letter = model.deadLetters.randomElement(using: &self.random)
            return .deadLetters(.replay(letter?.path ?? self.anyPath(), [letter?.number ?? 1, 2]))
        default: return .deadLetters(.purge([model.deadLetters.first?.number ?? 1]))
        }
    }

    // MARK: Messages

    private mutating func letter(to path: ActorPath) -> Letter {
        self.nextMessage += 1
        let kind = self.chance(30) ? Envelope.Kind.ask : .tell
        let message = Message(
            id: id(self.nextMessage), sender: "s",
            body: .init(repeating: 7, count: Int.random(in: 0...20, using: &self.random)))
        let envelope = Envelope(
            message, kind: kind, priority: self.chance(80) ? .normal : self.pick(Envelope.Priority.allCases),
            replyTo: self.chance(10) ? self.anyPath() : nil)
        return Letter(path, envelope, notBefore: self.chance(8) ? self.number(1...100) : nil)
    }

    private mutating func enqueue(_ model: ModelPartition) -> Enqueue {
        var enqueue = Enqueue(self.letter(to: self.anyPath()))
        if self.chance(35) {
            enqueue.letter.envelope.message.idempotency = Fingerprint(high: 0, low: self.number(0...8))
            enqueue.bodyFingerprint = Fingerprint(high: 1, low: self.number(0...1))
        }
        if self.chance(35) {
            let sessions = model.sessions.keys.sorted()
            let id =
                sessions.randomElement(using: &self.random)
                ?? SessionID(incarnation: model.incarnation, index: 1, command: 0)
            let next = (model.sessions[id]?.highest ?? 0) + 1
            let number = self.chance(75) ? next : self.chance(50) ? max(next, 2) - 1 : next + 1
            enqueue.request = Enqueue.Request(session: id, number: number)
        }
        return enqueue
    }

    private mutating func delivery(_ model: ModelPartition) -> Delivery {
        let source = self.pick(self.destinations)
        let known = model.inbox[source]
        let expects = known?.expects ?? 1
        let first = self.chance(70) ? expects : max(1, expects + self.number(0...3) - min(2, expects))
        let stream = (known?.stream ?? 1) + (self.chance(3) ? 1 : 0)
        let letters = (0..<Int.random(in: 0...3, using: &self.random)).map { _ in self.letter(to: self.anyPath()) }
        return Delivery(source: source, stream: self.chance(3) ? stream - 1 : stream, first: first, letters: letters)
    }

    private func ack(_ model: ModelPartition, _ destination: Partition, through: UInt64) -> OutboxAck {
        let bytes = model.outboxBytes[destination, default: []]
        return OutboxAck(
            destination: destination, stream: 1, through: through,
            bytesThrough: through > 0 && through <= bytes.count ? bytes[Int(through) - 1] : .max)
    }

    // MARK: Activations

    private mutating func grant(_ model: ModelPartition, _ path: ActorPath) -> Grant {
        let actor = model.actors[path]
        return Grant(
            host: oneHost, boot: 1, expects: self.chance(85) ? actor?.token : self.token(model),
            head: self.chance(80) ? actor?.waiting.first?.offset : nil)
    }

    private mutating func turn(_ model: ModelPartition, of path: ActorPath) -> Turn {
        let actor = model.actors[path] ?? ModelPartition.Actor()
        let needsGrant = actor.token == nil || actor.hasEnded
        let fence: Turn.Fence =
            if self.chance(5) { .thisEntry } else if needsGrant || self.chance(5) {
                .granted(self.grant(model, path))
            } else { .token(self.chance(90) ? actor.token ?? self.token(model) : self.token(model)) }
        let highest = if case .granted = fence { UInt64(0) } else { actor.turns.max() ?? 0 }
        var turn = Turn(
            path: path, fence: fence, number: self.chance(85) ? highest + 1 : self.number(1...highest + 70),
            basis: .version(self.chance(92) ? actor.version : self.number(0...3)))
        if self.chance(25) {
            let keys = model.values[path, default: [:]]
            turn.basis = .reads(
                [[1], [2]].filter { _ in self.chance(60) }.map { key in
                    KeyRead(key: key, version: self.chance(90) ? keys[key]?.version ?? 0 : 1)
                })
        }
        turn.consumed = self.consumptions(model, path)
        turn.changes = [[1], [2], [3]].filter { _ in self.chance(30) }.map { key in
            StateChange(key: key, value: self.chance(75) ? [UInt8(self.number(0...255))] : nil)
        }
        turn.outbox = self.outgoing()
        if self.chance(20) { turn.timers.append(self.timerChange()) }
        if self.chance(10) { turn.events = [[1, 2]] }
        return turn
    }

    private mutating func consumptions(_ model: ModelPartition, _ path: ActorPath) -> [Consumption] {
        let waiting = model.actors[path]?.waiting ?? []
        if self.chance(4) { return [self.gone(model, path)] }
        let first = self.chance(75) ? 0 : Int.random(in: 0...waiting.count, using: &self.random)
        return waiting.dropFirst(first).prefix(Int(self.number(0...3))).map { self.consumption($0) }
    }

    private mutating func consumption(_ waiting: ModelPartition.Waiting) -> Consumption {
        Consumption(
            offset: waiting.offset, byteCount: UInt32(waiting.envelope.encoded().count),
            id: waiting.envelope.message.id,
            key: waiting.envelope.message.idempotency, outcome: self.outcome())
    }

    /// A message that was consumed before, or never was.
    private mutating func gone(_ model: ModelPartition, _ path: ActorPath) -> Consumption {
        let actor = model.actors[path]
        let number = self.number(0...max(1, actor?.next[.normal] ?? 1) - 1)
        let isWaiting = actor?.waiting.contains { $0.offset == normal(number) } ?? true
        return consume(isWaiting ? 1 << 40 : number, id: 1)
    }

    private mutating func outcome() -> Outcome? {
        self.chance(70) ? .reply(.init(repeating: 5, count: Int(self.number(0...12)))) : nil
    }

    private mutating func failure(_ model: ModelPartition) -> Failure {
        let path = self.anyPath()
        let actor = model.actors[path]
        let waiting = actor?.waiting.prefix(3).randomElement(using: &self.random)
        let consumption = waiting.map { self.consumption($0) } ?? self.gone(model, path)
        let disposition: Failure.Disposition =
            switch self.number(0...2) {
            case 0: .retry(at: 5)
            case 1: .deadLetter
            default: .expired
            }
        return Failure(
            path: path, token: self.chance(60) ? actor?.token : nil, consumption: consumption, reason: "no",
            disposition: disposition, outbox: self.chance(30) ? self.outgoing() : [])
    }

    private mutating func outgoing() -> [OutgoingLetter] {
        (0..<Int(self.chance(40) ? self.number(1...3) : 0)).map { _ in
            let destination = self.chance(40) ? TestReplica.partition : self.pick(self.destinations)
            return OutgoingLetter(to: destination, self.letter(to: self.anyPath()))
        }
    }

    // MARK: Timers

    private mutating func timerChange() -> TimerChange {
        let name = self.pick(["t", "u"])
        if self.chance(30) { return .cancel(name: name) }
        return .set(name: name, due: self.number(1...50), schedule: self.chance(50) ? "daily" : "", body: [3])
    }

    private mutating func fired(_ model: ModelPartition) -> TimerFired {
        let path = self.anyPath()
        // Dictionaries have no order of their own; a run has to be the same for the same seed.
        let armed = model.timers[path, default: [:]].sorted {
            $0.value.encoded().lexicographicallyPrecedes($1.value.encoded())
        }
        guard let timer = armed.randomElement(using: &self.random) else {
            return TimerFired(path: path, timer: .named("t"), occurrence: 1)
        }
        return TimerFired(
            path: path, timer: timer.key, occurrence: timer.value.occurrence + (self.chance(10) ? 1 : 0),
            next: self.chance(50) ? 60 : nil)
    }

    // MARK: Chance

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self.random) < percent }
    private mutating func number(_ range: ClosedRange<UInt64>) -> UInt64 { .random(in: range, using: &self.random) }
    private mutating func anyPath() -> ActorPath { self.pick(Self.paths) }

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self.random)]
    }

    private mutating func token(_ model: ModelPartition) -> FencingToken {
        FencingToken(incarnation: model.incarnation, index: self.number(0...model.index + 2))
    }
}
