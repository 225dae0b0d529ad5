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
        /// A stream ended. `refused`: the host answered the next connection with a reset.
        case streamClosed(NodeID, boot: Boot, refused: Bool)
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
        case changed(MemberChange)
        /// A member's dynamic fields changed.
        case advertised(NodeID)
        case event(UserEvent)
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
    package private(set) var local: MemberDescription

    package init(local: MemberDescription, configuration: Configuration, seed: UInt64, at now: Instant) {
        self.local = local
        self.configuration = configuration
    }

    /// When the driver must call `step(.wake)` at the latest.
    package var nextWake: Instant { .distantFuture }

    /// Everyone this node knows, itself included, ordered by id.
    package var members: [Member] { [] }

    package func member(_ id: NodeID) -> Member? { nil }

    /// What happened to a member, oldest first, at most 16 changes; forgotten with the member.
    package func history(of id: NodeID) -> [MemberChange] { [] }

    /// Lifeguard's local health multiplier less one: 0 is healthy, 7 the worst.
    package var localHealth: UInt8 { 0 }

    package mutating func step(_ input: Input, at now: Instant, into effects: inout Effects) {}

    /// One opened datagram: header, then compounded messages.
    package mutating func receive(
        datagram: RawSpan, from endpoint: Endpoint, at now: Instant, into effects: inout Effects
    ) {}

    /// One membership frame of an open stream, whose handshake proved `sender`.
    package mutating func receive(
        frame: RawSpan, from sender: NodeID, at now: Instant, into effects: inout Effects
    ) {}
}
