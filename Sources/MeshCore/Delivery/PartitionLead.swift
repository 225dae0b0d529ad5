internal import DequeModule

/// What the leader of a partition knows and does beside the replicated state: it admits messages, has turns run, and
/// answers.
///
/// Nothing in it survives: a new leader finds in the state all that was ever acknowledged. So whatever is seen from outside
/// (an acceptance, a reply, a message to another actor) leaves only after the entry that it rests on was applied, and
/// what is run before that is a guess which the state checks (`Turn.fence`, `Turn.basis`).
///
/// The files beside this one hold one topic each, in the order of a message's life: requests, dispatch, activations,
/// turns, failures, the log, the outbox, timers, and the term of a leader.
package struct PartitionLead: GroupLead {
    package typealias State = PartitionState
    package typealias Request = PartitionRequest
    package typealias Output = PartitionOutput
    package typealias Effects = LeadEffects<PartitionOutput>

    enum Phase: Sendable {
        case following
        case serving
        /// No turn begins any more; those in flight end by themselves, or then.
        case draining(by: Instant, isDone: Bool)
    }

    /// What a read of the disk is for.
    enum ReadPurpose: Sendable {
        case load(ActorPath)
        case refill(ActorPath)
        case outbox(Partition)
        case timers
    }

    let partition: Partition
    let placement: Placement
    let host: Host
    let kinds: any ActorKinds
    let schedules: any TimerSchedules
    let limits: LeadLimits
    var random: RandomSource

    var phase = Phase.following
    var term: Term = 0
    /// The last entry of earlier leaders: what was granted up to here they granted.
    var inherited: LogIndex = 0
    var lastNumber: UInt64 = 0
    package internal(set) var tally = LeadTally()

    var slots: [ActorPath: LeadSlot] = [:]
    var ring = ReadyRing(weights: [16, 4, 1])
    /// Actors with messages that the state knows of from before this leader's term, not looked at yet.
    var recovering: RecoveryCursor?
    var activations: [ActivationID: ActorPath] = [:]
    var placements: [ActivationID: ActorPath] = [:]
    var readings: [UInt64: ReadPurpose] = [:]
    var waiters = Waiters()

    /// What is to be proposed, in order, and what was proposed and is not applied.
    var gathered: Deque<LeadWork> = []
    var gatheredBytes = 0
    var proposals: [UInt64: [LeadWork]] = [:]
    /// When the last entry was proposed: log time goes on by what has passed since.
    var proposedAt = Instant(nanoseconds: 0)
    /// Actors with arrivals that are queued through the log unless they run before the end of the driver's turn.
    var listed: [ActorPath] = []
    /// Requests and keys on their way to the log, so that a repetition does not run beside its original.
    var keysUnderWay: [Fingerprint: Int] = [:]

    var arrivalBytes = 0
    var ephemeralBytes = 0
    var tailBytes = 0
    var messagesUnderWay = 0
    var inlineRunning = 0
    var hostedRunning = 0
    var activationCount = 0
    /// Actors that could run if there were room: for another turn elsewhere, for another activation. Each is there once,
    /// however many messages it gets meanwhile.
    var hostless = ReadyRing(weights: [1])
    var placeless = ReadyRing(weights: [1])

    /// Rounds that confirm this leader: the one asked for, the next one, and who waits for them.
    var confirming: UInt64?
    var nextRound: UInt64 = 1
    var awaitingRound: [(round: UInt64, path: ActorPath)] = []

    var pauses = DeadlineQueue<ActorPath>()
    var idle = DeadlineQueue<ActorPath>()
    var idleCount = 0
    var hostWatch = DeadlineQueue<ActivationID>()
    var flows: [Partition: OutboxFlow] = [:]
    var senders: [ActorPath: HeldSender] = [:]
    var rechecks = DeadlineQueue<ActorPath>()
    var timers = TimerWatch()
    /// When an entry is due though nobody sends anything.
    var tickAt: Instant?

    package init(
        partition: Partition, placement: Placement, host: Host, kinds: any ActorKinds, schedules: any TimerSchedules,
        limits: LeadLimits = LeadLimits(), seed: UInt64
    ) {
        self.partition = partition
        self.placement = placement
        self.host = host
        self.kinds = kinds
        self.schedules = schedules
        self.limits = limits
        self.random = RandomSource(seed: seed)
    }

    mutating func number() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    package mutating func step(
        _ input: LeadInput<EntryOutcome, PartitionRequest>, over state: PartitionState, in context: LeadContext,
        into effects: inout Effects
    ) {
        switch input {
        case .request(let request): self.receive(request, over: state, in: context, into: &effects)
        case .ready: self.begin(over: state, in: context, into: &effects)
        case .resigned, .stopped: self.resign(in: context, into: &effects)
        case .accepted(let number, let position): self.appended(number, at: position, in: context)
        case .applied(_, let outcome, let proposal):
            self.applied(outcome, of: proposal, over: state, in: context, into: &effects)
        case .refused(let number, let rejection): self.refused(number, rejection, in: context, into: &effects)
        case .unresolved(let number, _): self.unresolved(number, into: &effects)
        case .confirmed(let number): self.confirmed(number, in: context, into: &effects)
        case .read(let number, let answers): self.read(number, answers, over: state, in: context, into: &effects)
        case .wake: self.wake(over: state, in: context, into: &effects)
        }
        self.dispatch(over: state, in: context, into: &effects)
    }

    private mutating func receive(
        _ request: PartitionRequest, over state: PartitionState, in context: LeadContext, into effects: inout Effects
    ) {
        guard self.isLeading else { return self.refer(request, in: context, into: &effects) }
        switch request {
        case .message(let request): self.admit(request, over: state, in: context, into: &effects)
        case .openSession(let requester): self.gather(.session(requester))
        case .turn(let report): self.reported(report, over: state, in: context, into: &effects)
        case .renewed(let id): self.renewed(id, at: context.now)
        case .missing(let id, let order): self.missing(id, order: order, into: &effects)
        case .disowned(let id): self.disowned(id, into: &effects)
        case .hostGone(let host): self.hostGone(host, in: context, into: &effects)
        case .placed(let id, let placed): self.placed(id, placed, over: state, in: context, into: &effects)
        case .kindsChanged: self.kindsChanged(over: state)
        case .delivery(let delivery, let route):
            self.receive(delivery, from: route, over: state, in: context, into: &effects)
        case .delivered(let answer): self.delivered(answer, over: state, in: context, into: &effects)
        case .deadLetters(let command, let requester): self.gather(.deadLetters(command, requester))
        case .drain(let deadline): self.drain(by: deadline)
        case .resume: self.resume()
        }
    }

    var isLeading: Bool { if case .following = self.phase { false } else { true } }
    var mayBeginTurns: Bool { if case .serving = self.phase { true } else { false } }
}

extension PartitionLead {
    /// Bodies of waiting messages that are kept; the others are read when their turn comes.
    package var bodiesInMemory: Int { self.slots.values.reduce(0) { $0 + $1.tail.count } }
}

/// What a leader can say of one actor, for people.
package struct LeadActivity: Hashable, Sendable {
    package var isLive: Bool
    package var host: NodeID?
    /// Why it cannot run, if it cannot.
    package var obstacle: String?
    package var moves: [HostMove]
}

/// An activation came to another host.
package struct HostMove: Hashable, Sendable {
    package static let keptMax = 4
    package static let reasonBytesMax = 512

    /// By the leader's wall clock, in milliseconds since 1970.
    package var at: UInt64
    package var from: NodeID
    package var to: NodeID
    package var reason: String

    package init(at wall: UInt64, from: NodeID, to: NodeID, reason: String) {
        self.at = wall
        self.from = from
        self.to = to
        self.reason = clipped(reason, toBytes: Self.reasonBytesMax)
    }
}

extension PartitionLead {
    /// Actors with an activation, in order.
    package var activePaths: [ActorPath] { self.activations.values.sorted() }
    package var activationsNow: Int { self.activations.count }

    package func activity(of path: ActorPath) -> LeadActivity? {
        guard let slot = self.slots[path] else { return nil }
        return LeadActivity(
            isLive: slot.activation != nil, host: slot.activation?.host.node, obstacle: slot.obstacle,
            moves: slot.moves)
    }
}
