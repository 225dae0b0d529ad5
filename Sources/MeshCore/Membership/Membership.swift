/// The membership of one node: SWIM (Das et al. 2002) with Lifeguard (Dadgar et al. 2018) and hard evidence.
///
/// A value. Time and bytes come in as arguments, everything that should happen goes out as effects, and the random
/// generator is a field. The driver calls `step(.wake)` no later than `nextWake`.
package struct Membership: Sendable {
    package enum Input: Sendable {
        /// `nextWake` has come.
        case wake
        /// A stream to this node is open: reached as a seed, as a neighbour, or it reached us.
        case streamOpened(NodeID, boot: Boot, endpoint: Endpoint)
        /// A stream broke. `refused`: the host answered the next connection with a reset.
        case streamClosed(NodeID, boot: Boot, refused: Bool)
        /// A stream was closed on purpose, by either side: no sign of anybody's death.
        case streamReleased(NodeID, boot: Boot)
        /// Exchange state with this node now, over a stream; for seeds after `streamOpened`.
        case exchange(NodeID)
        /// Members remembered from an earlier boot; contacted, not believed.
        case remember([MemberDescription])
        /// Replaces the advertised dynamic fields; only changed ones are told.
        case advertise([Label])
        /// Replaces the static tags; raises the incarnation.
        case retag([Label])
        case raise(name: String, payload: [UInt8])
        /// Tell everyone that this node goes; `.departed` follows when enough were told.
        case leave
    }

    package enum Effect: Sendable {
        /// Seal and send `effects.bytes[range]` as one datagram.
        case datagram(to: Endpoint, Range<Int>)
        /// Send `effects.bytes[range]` as one membership frame over the stream to this node; open one if there is none.
        case stream(to: NodeID, at: Endpoint, Range<Int>)
        /// Keep streams open to exactly these (the three rendezvous neighbours).
        case neighbours([NodeID])
        indirect case changed(MemberChange)
        /// A member's dynamic fields changed.
        case advertised(NodeID)
        indirect case event(UserEvent)
        /// A packet or frame was refused; counted by reason.
        case refused(RefusalReason)
        /// Every member was told, or the time for telling is over.
        case departed
    }

    /// Effects and the bytes they refer to. The driver owns one and clears it before each step: no allocation in
    /// steady state.
    package struct Effects: Sendable {
        package var list: [Effect] = []
        package var bytes: [UInt8] = []

        package init() {}

        package mutating func clear() {
            self.list.removeAll(keepingCapacity: true)
            self.bytes.removeAll(keepingCapacity: true)
        }
    }

    package enum RefusalReason: String, Sendable, CaseIterable {
        case malformed, unsupportedVersion, replayed, staleBoot, misdirected, unknownSender, clonedBoot
        /// Another boot of a member than the one that its open stream proves, or one that it cannot have reached.
        case impossibleBoot
        /// The same peer asks for exchanges faster than any honest one.
        case tooOften
    }

    package struct Configuration: Sendable {
        package var probeInterval: Duration
        package var probeTimeout: Duration
        package var indirectProbes = 3
        package var suspicionMultiplier: Int
        package var suspicionMaxMultiplier = 6
        package var gossipInterval: Duration
        package var gossipFanOut = 3
        package var retransmitMultiplier: Int
        package var pushPullInterval: Duration
        package var gossipToDead: Duration
        /// Plaintext of one datagram; the seal adds to it.
        package var datagramBytesMax = 1336
        /// Off for comparisons only: plain SWIM with fixed suspicion.
        package var lifeguard = true

        package static let lan = Configuration(
            probeInterval: .seconds(1), probeTimeout: .milliseconds(500), suspicionMultiplier: 4,
            gossipInterval: .milliseconds(200), retransmitMultiplier: 4, pushPullInterval: .seconds(30),
            gossipToDead: .seconds(30))
        package static let local = Configuration(
            probeInterval: .milliseconds(500), probeTimeout: .milliseconds(200), suspicionMultiplier: 3,
            gossipInterval: .milliseconds(100), retransmitMultiplier: 3, pushPullInterval: .seconds(15),
            gossipToDead: .seconds(15))
        package static let wan = Configuration(
            probeInterval: .seconds(5), probeTimeout: .seconds(3), suspicionMultiplier: 6,
            gossipInterval: .milliseconds(500), gossipFanOut: 4, retransmitMultiplier: 4,
            pushPullInterval: .seconds(60), gossipToDead: .seconds(60))
    }

    package let configuration: Configuration
    /// What this node says of itself now.
    package internal(set) var local: MemberDescription
    /// Lifeguard's local health multiplier less one: 0 is healthy, 7 the worst.
    package internal(set) var localHealth: UInt8 = 0

    /// The node itself is at index 0.
    var table: MemberTable
    var counts = MemberCounts()
    var digest = Digest()
    /// What only some members have.
    var details: [Int: MemberDetails] = [:]
    var random: RandomSource

    // Failure detection.
    var order = ProbeOrder()
    var probes: [Probe] = []
    var relays: [UInt32: Relay] = [:]
    var suspicions: [Int: Suspicion] = [:]
    var evidence: [Int: Evidence] = [:]
    /// How the probes of this boot ended.
    package internal(set) var probeTally = ProbeTally()
    var deadlines = DeadlineQueue<Deadline>()
    var lastSequence: UInt32 = 0
    var probeAt = Instant.distantFuture

    // Dissemination.
    var rumors = RumorQueue()
    var events = EventLog()
    var lastEvent: UInt32 = 0
    var capabilityVersion: UInt32 = 0
    var gossipAt = Instant.distantFuture
    var gossipTargets: [UInt32] = []
    var exchangeAt = Instant.distantFuture
    var exchangePause = Duration.zero
    /// Set while what is learned need not be told on as often as other news.
    var isQuiet = false

    // Coming and going.
    var phase = Phase.active
    /// When the first exchange was answered.
    var joinedAt: Instant?
    var remembered = RememberedMembers()
    var dead: [UInt32] = []
    var contactAt = Instant.distantFuture
    var deadContactAt = Instant(nanoseconds: 0)
    var strangers = Strangers()
    var streams = OpenStreams()
    var neighbours: Neighbours
    /// An answer is smaller than what it answers, so this bounds work and not amplification.
    var epochAnswers = RateLimit(pause: .milliseconds(1), burst: 256)
    /// The highest counter of any datagram of this boot.
    var lastCounter: UInt64 = 0

    /// What is due once. Suspicions also tell their own deadline, which may have moved.
    enum Deadline: Hashable, Sendable {
        case suspicion(Int)
        case relay(UInt32)
    }

    enum Phase: Hashable, Sendable {
        case active
        /// Until the deadline at the latest.
        case leaving(until: Instant)
        case departed
    }

    /// `local` has passed `validate()`.
    package init(local: MemberDescription, configuration: Configuration, seed: UInt64, at now: Instant) {
        self.local = local
        self.configuration = configuration
        var random = RandomSource(seed: seed)
        self.table = MemberTable(salt: random.next())
        self.random = random
        self.neighbours = Neighbours(of: local.id)
        precondition(
            local.boot.epoch > 0 && local.encodedLabels.count <= MemberDescription.labelBytesMax,
            "a node's description is validated before it starts: \(local)")
        let index = self.table.insert(MemberRecord(local, since: now), labels: local.encodedLabels)
        self.counts.alive = 1
        self.digest.toggle(self.table[index])
        self.spread(index, at: now)
    }

    /// When the driver must call `step(.wake)` at the latest.
    package var nextWake: Instant {
        switch self.phase {
        case .departed: return .distantFuture
        case .leaving(let until): return min(until, self.rumors.isEmpty ? .distantFuture : self.gossipAt)
        case .active: break
        }
        var next = min(self.detectionDue, self.deadlines.nextDue ?? .distantFuture, self.exchangeAt, self.contactAt)
        if !self.rumors.isEmpty, !self.order.isEmpty { next = min(next, self.gossipAt) }
        return next
    }

    package mutating func step(_ input: Input, at now: Instant, into effects: inout Effects) {
        guard self.phase != .departed else { return }
        self.noticeOwnPause(at: now)
        switch input {
        case .wake: self.wake(at: now, into: &effects)
        case .streamOpened(let id, let boot, let endpoint):
            self.streamOpened(id, boot: boot, endpoint: endpoint, at: now, into: &effects)
        case .streamClosed(let id, let boot, let refused):
            self.streamClosed(id, boot: boot, refused: refused, at: now, into: &effects)
        case .streamReleased(let id, let boot): self.streamEnded(id, boot: boot)
        case .exchange(let id): self.exchange(with: id, at: now, into: &effects)
        case .remember(let members): self.remember(members, at: now)
        case .advertise(let labels): self.advertise(labels, at: now)
        case .retag(let tags): self.retag(tags, at: now, into: &effects)
        case .raise(let name, let payload): self.raise(name: name, payload: payload, at: now, into: &effects)
        case .leave: self.leave(at: now, into: &effects)
        }
        self.settle(at: now, into: &effects)
    }

    private mutating func wake(at now: Instant, into effects: inout Effects) {
        if self.phase == .active {
            self.concludeProbes(at: now, into: &effects)
            self.meetDeadlines(at: now, into: &effects)
            if self.probeAt <= now { self.probeNext(at: now, into: &effects) }
            if self.exchangeAt <= now { self.exchangeWithSomebody(at: now, into: &effects) }
            if self.contactAt <= now { self.contactTheAbsent(at: now, into: &effects) }
        }
        if self.gossipAt <= now { self.gossip(at: now, into: &effects) }
    }

    private mutating func meetDeadlines(at now: Instant, into effects: inout Effects) {
        while let subject = self.deadlines.popDue(at: now) {
            switch subject {
            case .suspicion(let index): self.suspicionExpired(index, at: now, into: &effects)
            case .relay(let sequence): self.relayExpired(sequence, at: now, into: &effects)
            }
        }
    }

    /// The last word of every step and every packet.
    mutating func settle(at now: Instant, into effects: inout Effects) {
        if case .leaving(let until) = self.phase { self.depart(ifOver: until, at: now, into: &effects) }
        if let ids = self.neighbours.update(from: self.table) { effects.list.append(.neighbours(ids)) }
    }
}

/// How many members are in each state, this node included.
package struct MemberCounts: Hashable, Sendable {
    package var alive = 0
    package var suspect = 0
    package var dead = 0
    package var left = 0

    package var live: Int { self.alive + self.suspect }

    mutating func add(_ count: Int, to state: MemberState) {
        switch state {
        case .alive: self.alive += count
        case .suspect: self.suspect += count
        case .dead: self.dead += count
        case .left: self.left += count
        }
    }
}

extension Membership.Effects {
    mutating func refuse(_ reason: Membership.RefusalReason) { self.list.append(.refused(reason)) }

    mutating func refuse(_ error: WireError) {
        self.refuse(error.code == .unsupportedVersion ? .unsupportedVersion : .malformed)
    }
}
