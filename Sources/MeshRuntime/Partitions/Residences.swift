package import MeshCore

/// The activations that run on this node, each in a program, for leaders of partitions here and elsewhere.
///
/// A value: what leaders want and what programs do goes in, what is to be started, run, ended and told comes out. Leaders come
/// and go; who leads now counts, and a turn that a predecessor ordered goes on for its successor if that one wants the same.
package struct Residences: Sendable {
    package struct Key: Hashable, Sendable {
        package var group: GroupID
        package var path: ActorPath

        package init(group: GroupID, path: ActorPath) {
            self.group = group
            self.path = path
        }
    }

    package enum Input: Sendable {
        /// `revision`: of the definition that this node knows.
        case place(PlacementQuery, revision: UInt64?, from: NodeID)
        case state(ActivationID, [StorageEntry])
        case run(TurnOrder, keys: Int?, from: NodeID)
        case check(ActivationID, order: UInt64, from: NodeID)
        case release(ActivationID)
        case started
        /// It could not be started, or ended before anything was asked of it.
        case failed(reason: String)
        /// The program did its turn, or could not.
        case finished(TurnEnd, ActorState)
        /// It ended between two turns.
        case gone
        /// The program is taken down. Whoever asked meanwhile gets another.
        case ended
        case wake
    }

    package enum TurnEnd: Sendable {
        case report(TurnReport.End)
        /// It had ended before it was given the message, which is not the message's fault.
        case gone
    }

    package enum Effect: Sendable {
        case start(Key)
        case turn(Key, TurnOrder, ActorState)
        /// Take the program down.
        case end(Key)
        case tell(HostFrame, GroupID, to: NodeID)
    }

    struct Question: Sendable {
        var query: PlacementQuery
        var lead: NodeID
        /// Of the definition that this node knows; nil if it knows none.
        var revision: UInt64?
    }

    /// One program, from the question for a place to its end.
    struct Residence: Sendable {
        enum Phase: Sendable { case starting, idle, running, ending }

        /// Who asked last, and in which term: reports go there.
        var lead: NodeID
        var term: Term
        let revision: UInt64
        var phase = Phase.starting
        /// Waits for it to run; or for its successor, if it is ending.
        var question: Question?
        /// Nil if it is of nobody who leads now.
        var activation: ActivationID?
        var state = ActorState()
        /// Whose state that is.
        var stateOf: ActivationID?
        /// A state on its way here, in pieces.
        var arriving: (of: ActivationID, entries: [StorageEntry], bytes: Int)?
        /// What the program is at.
        var order: TurnOrder?
        /// Comes after it: another leader's, who does not want what the program is at.
        var next: TurnOrder?
        /// Of the last order, which may get lost on its way.
        var reported: (order: TurnOrder, report: TurnReport)?
        var idleSince: Instant
        /// Since it is up.
        var turns = 0
        var upSince: Instant

        var isUp: Bool { self.phase == .idle || self.phase == .running }
    }

    struct Failure: Sendable {
        var reason: String
        var count: Int
        var until: Instant
    }

    /// Failures that are remembered: those that are past count as none.
    private static let failuresMax = 4_096
    /// A place that was asked for and is not used is given up.
    private static let unusedAfter = Duration.seconds(10)
    /// More than a leader lets an activation idle: no leader knows it any more.
    private static let forgottenAfter = Duration.seconds(360)

    /// After so many turns, or so long, a program that always has something to do gives its room to one that waits.
    private static let turnsPerRoom = 64
    private static let timePerRoom = Duration.seconds(10)

    private let host: Host
    private let configuration: RuntimeConfiguration
    var residences: [Key: Residence] = [:]
    private var failures: [Key: Failure] = [:]
    private var line = RoomLine()
    private(set) var isClosed = false

    package init(host: Host, configuration: RuntimeConfiguration) {
        self.host = host
        self.configuration = configuration
    }

    /// Programs that run, start or end.
    package var count: Int { self.residences.count }
    var isBusy: Bool { self.residences.values.contains { $0.phase == .running } }

    package mutating func step(_ input: Input, of key: Key, at now: Instant, into effects: inout [Effect]) {
        switch input {
        case .place(let query, let revision, let lead):
            let question = Question(query: query, lead: lead, revision: revision)
            self.place(question, key, at: now, into: &effects)
        case .state(let id, let entries): self.arrived(entries, of: id, key)
        case .run(let order, let keys, let lead): self.run(order, keys, key, from: lead, into: &effects)
        case .check(let id, let number, let lead): self.check(id, number, key, from: lead, into: &effects)
        case .release(let id):
            guard self.residences[key]?.activation == id else { return }
            self.end(key, into: &effects)
        case .started: self.started(key, at: now, into: &effects)
        case .failed(let reason): self.failed(key, because: reason, at: now, into: &effects)
        case .finished(let end, let state): self.finished(end, state, key, at: now, into: &effects)
        case .gone: self.gone(key, at: now, into: &effects)
        case .ended: self.ended(key, at: now, into: &effects)
        case .wake: self.wake(key, at: now, into: &effects)
        }
    }

    /// What could not be started may be able to now.
    package mutating func definitionsChanged() { self.failures = [:] }

    /// Takes in nobody any more. Who has nothing to do goes at once, the others after their turn; their leaders go on elsewhere.
    package mutating func retire(into effects: inout [Effect]) {
        self.isClosed = true
        for key in self.keysInOrder where self.residences[key]?.phase == .idle { self.end(key, into: &effects) }
    }

    /// All go now.
    package mutating func close(into effects: inout [Effect]) {
        self.isClosed = true
        for key in self.keysInOrder { self.end(key, into: &effects) }
    }

    private var keysInOrder: [Key] {
        self.residences.keys.sorted { ($0.group, $0.path) < ($1.group, $1.path) }
    }

    // MARK: Places

    private mutating func place(
        _ question: Question, _ key: Key, at now: Instant, into effects: inout [Effect]
    ) {
        let id = question.query.id
        func tell(_ frame: HostFrame) { effects.append(.tell(frame, key.group, to: question.lead)) }
        guard !self.isClosed else {
            return tell(.placed(id, key.path, .nowhere(missing: "it is shutting down")))
        }
        guard question.query.revision == question.revision else {
            let known = question.revision == nil ? "no" : "another"
            return tell(.placed(id, key.path, .nowhere(missing: "\(known) definition of it is known there yet")))
        }
        if let residence = self.residences[key] {
            // Of a leader that has been followed by another.
            guard id.term >= residence.term else { return }
            return self.take(over: key, for: question, into: &effects)
        }
        if let failure = self.failures[key], failure.until > now {
            return tell(.placed(id, key.path, .unstartable(failure.reason)))
        }
        guard self.line.admits(key, free: self.configuration.workersMax - self.residences.count, at: now) else {
            let reason = "no room: \(self.configuration.workersMax) programs run there, as many as may"
            tell(.placed(id, key.path, .nowhere(missing: reason)))
            return self.evictIdle(into: &effects)
        }
        self.begin(question, key, at: now, into: &effects)
    }

    private mutating func begin(_ question: Question, _ key: Key, at now: Instant, into effects: inout [Effect]) {
        self.residences[key] = Residence(
            lead: question.lead, term: question.query.id.term, revision: question.query.revision, question: question,
            idleSince: now, upSince: now)
        effects.append(.tell(.starting(question.query.id, key.path), key.group, to: question.lead))
        effects.append(.start(key))
    }

    private mutating func take(over key: Key, for question: Question, into effects: inout [Effect]) {
        guard var residence = self.residences[key] else { return }
        let id = question.query.id
        let isSuccessor = id.term > residence.term
        residence.lead = question.lead
        residence.term = id.term
        // The same leader asks again because it has ended the activation; only a successor can want it to go on.
        let isFree = residence.activation == nil || isSuccessor
        if residence.isUp, isFree, residence.revision == question.revision {
            residence.activation = nil
            residence.next = nil
            self.residences[key] = residence
            effects.append(.tell(.placed(id, key.path, .at(self.host)), key.group, to: question.lead))
            return
        }
        residence.question = question
        self.residences[key] = residence
        if residence.isUp { self.end(key, into: &effects) }
        effects.append(.tell(.starting(id, key.path), key.group, to: question.lead))
    }

    /// Whoever asked is told that there is no room, and asks again.
    private mutating func evictIdle(into effects: inout [Effect]) {
        let idle = self.residences.filter { $0.value.phase == .idle && $0.value.activation != nil }
        let oldest = idle.min {
            ($0.value.idleSince, $0.key.group, $0.key.path) < ($1.value.idleSince, $1.key.group, $1.key.path)
        }
        if let key = oldest?.key { self.end(key, into: &effects) }
    }

    /// Somebody waits for room, and this one has had its own for long enough.
    func owesRoom(_ key: Key, at now: Instant) -> Bool {
        guard let residence = self.residences[key], self.line.isWaiting(at: now) else { return false }
        return residence.turns >= Self.turnsPerRoom || residence.upSince + Self.timePerRoom <= now
    }

    /// The program goes, and its leader is not told: behind the report of a turn that is not committed yet, that would undo the
    /// turn. He hears it when he orders another (`notBegun`).
    mutating func end(_ key: Key, into effects: inout [Effect]) {
        guard let phase = self.residences[key]?.phase, phase != .ending else { return }
        self.residences[key]?.phase = .ending
        self.residences[key]?.activation = nil
        self.residences[key]?.next = nil
        effects.append(.end(key))
    }

    // MARK: Programs

    private mutating func started(_ key: Key, at now: Instant, into effects: inout [Effect]) {
        self.failures[key] = nil
        guard var residence = self.residences[key], residence.phase == .starting else { return }
        residence.phase = .idle
        residence.idleSince = now
        residence.upSince = now
        let question = residence.question.take()
        self.residences[key] = residence
        guard let question else { return }
        effects.append(.tell(.placed(question.query.id, key.path, .at(self.host)), key.group, to: question.lead))
    }

    static let endedEarly =
        "its program ended before it took a message; run the command of the definition by hand, and see what it says in the "
        + "node's log"

    mutating func failed(
        _ key: Key, because reason: String, at now: Instant, into effects: inout [Effect]
    ) {
        let count = (self.failures[key]?.count ?? 0) + 1
        if self.failures.count >= Self.failuresMax { self.failures = self.failures.filter { $0.value.until > now } }
        if self.failures.count < Self.failuresMax {
            let pause = self.configuration.backoff(afterFailures: count)
            self.failures[key] = Failure(reason: reason, count: count, until: now + pause)
        }
        guard let question = self.residences[key]?.question.take() else { return }
        let placed = HostFrame.placed(question.query.id, key.path, .unstartable(reason))
        effects.append(.tell(placed, key.group, to: question.lead))
    }

    private mutating func gone(_ key: Key, at now: Instant, into effects: inout [Effect]) {
        guard let residence = self.residences[key], residence.phase == .idle else { return }
        if residence.activation == nil {
            self.failed(
                key,
                because: Self.endedEarly, at: now, into: &effects)
        }
        self.end(key, into: &effects)
    }

    private mutating func ended(_ key: Key, at now: Instant, into effects: inout [Effect]) {
        guard let residence = self.residences.removeValue(forKey: key), let question = residence.question else {
            return
        }
        guard !self.isClosed else {
            let placed = HostFrame.placed(question.query.id, key.path, .nowhere(missing: "it is shutting down"))
            return effects.append(.tell(placed, key.group, to: question.lead))
        }
        self.begin(question, key, at: now, into: &effects)
    }

    // MARK: Time

    /// When something is to be done about a program that nothing happens with.
    func due(_ key: Key) -> Instant? {
        guard let residence = self.residences[key], residence.phase == .idle else { return nil }
        return residence.idleSince + (residence.activation == nil ? Self.unusedAfter : Self.forgottenAfter)
    }

    private mutating func wake(_ key: Key, at now: Instant, into effects: inout [Effect]) {
        guard let due = self.due(key), due <= now else { return }
        self.end(key, into: &effects)
    }

    func failureCount(of key: Key) -> Int { self.failures[key]?.count ?? 0 }
}

/// Those that found no room, in the order in which they came. Their leaders ask again every second; who does not ask any more
/// loses its place.
struct RoomLine: Sendable {
    private static let patience = Duration.seconds(5)
    private static let lengthMax = 4_096

    private var waiting: [(key: Residences.Key, until: Instant)] = []

    /// Whether one that asks may have one of the free rooms: not before those who came first. If not, it waits.
    mutating func admits(_ key: Residences.Key, free: Int, at now: Instant) -> Bool {
        self.waiting.removeAll { $0.until <= now }
        let place = self.waiting.firstIndex { $0.key == key }
        guard place ?? self.waiting.count >= free else {
            if let place { self.waiting.remove(at: place) }
            return true
        }
        if let place {
            self.waiting[place].until = now + Self.patience
        } else if self.waiting.count < Self.lengthMax {
            self.waiting.append((key, now + Self.patience))
        }
        return false
    }

    func isWaiting(at now: Instant) -> Bool { self.waiting.contains { $0.until > now } }
}
