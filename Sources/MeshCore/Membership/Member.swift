/// What a node says about itself for the life of one boot; it travels in `alive`.
package struct MemberDescription: Hashable, Sendable {
    /// Name, zone, version and tags together, encoded.
    package static let labelBytesMax = 512

    package var id: NodeID
    package var boot: Boot
    /// Where the node is reached over UDP and TCP.
    package var endpoint: Endpoint
    package var name: String
    package var zone: String
    /// The software's version, such as `0.1.0`.
    package var version: String
    /// Sorted by key, keys unique.
    package var tags: [Label]
    /// Lowest and highest packet version spoken.
    package var protocols: ClosedRange<UInt8>

    package init(
        id: NodeID, boot: Boot, endpoint: Endpoint, name: String, zone: String = "", version: String = "",
        tags: [Label] = [], protocols: ClosedRange<UInt8> = ProtocolVersion.spoken
    ) {
        self.id = id
        self.boot = boot
        self.endpoint = endpoint
        self.name = name
        self.zone = zone
        self.version = version
        self.tags = tags.sorted()
        self.protocols = protocols
    }
}

/// A key and its value: a tag or a capability.
package struct Label: Hashable, Comparable, Sendable {
    package var key: String
    package var value: String

    package init(_ key: String, _ value: String) {
        self.key = key
        self.value = value
    }

    package static func < (left: Label, right: Label) -> Bool { (left.key, left.value) < (right.key, right.value) }
}

package enum MemberState: UInt8, Sendable, CaseIterable { case alive, suspect, dead, left }

/// A node as this one believes it to be. Gossip only suggests: no promise of the mesh rests on it.
package struct Member: Sendable {
    package var description: MemberDescription
    package var state: MemberState
    /// Raised by the node itself to refute an accusation; ordered below the boot epoch.
    package var incarnation: UInt32
    /// When this node learned of `state`.
    package var since: Instant
    /// Smoothed; nil until measured.
    package var roundTrip: Duration?
    /// Dynamic fields of the node itself (free memory, loaded models, load), ordered by their own versions.
    package var capabilities: [Label]
    /// Datagrams to it or from it are lost, while its stream works.
    package var isStreamOnly: Bool

    package init(
        description: MemberDescription, state: MemberState, incarnation: UInt32, since: Instant,
        roundTrip: Duration? = nil, capabilities: [Label] = [], isStreamOnly: Bool = false
    ) {
        self.description = description
        self.state = state
        self.incarnation = incarnation
        self.since = since
        self.roundTrip = roundTrip
        self.capabilities = capabilities
        self.isStreamOnly = isStreamOnly
    }
}

/// A transition and its reasons, kept so that `status --why` can tell the story of a member.
package struct MemberChange: Sendable {
    package enum Cause: Hashable, Sendable {
        /// Heard of for the first time, or of a newer boot.
        case joined
        /// The node refuted an accusation or answered after one.
        case refuted
        case probeFailed
        /// Its process is gone while its host answers (stream reset, reconnection refused, probes failed).
        case hardEvidence
        case suspicionExpired
        case left
        /// Its tags or address changed.
        case updated
        /// Taken over from another member in a push/pull exchange.
        case merged
        /// UDP to it is blocked while its stream works.
        case streamOnly
        /// UDP to it passes again.
        case datagramsAgain
    }

    package var id: NodeID
    package var boot: Boot
    package var from: MemberState?
    package var to: MemberState
    package var incarnation: UInt32
    package var cause: Cause
    /// Who raised the accusation, and who confirmed it independently.
    package var accuser: NodeID?
    package var confirmations: [NodeID]
    /// Lifeguard's local health of this node at that moment: 0 is healthy, 7 the worst.
    package var localHealth: UInt8
    /// The last round trips to the member, newest last, at most 8.
    package var roundTrips: [Duration]
    package var at: Instant

    package init(
        id: NodeID, boot: Boot, from: MemberState?, to: MemberState, incarnation: UInt32, cause: Cause,
        accuser: NodeID? = nil, confirmations: [NodeID] = [], localHealth: UInt8 = 0, roundTrips: [Duration] = [],
        at: Instant
    ) {
        self.id = id
        self.boot = boot
        self.from = from
        self.to = to
        self.incarnation = incarnation
        self.cause = cause
        self.accuser = accuser
        self.confirmations = confirmations
        self.localHealth = localHealth
        self.roundTrips = roundTrips
        self.at = at
    }
}

/// A named payload told once to every member.
package struct UserEvent: Hashable, Sendable {
    package static let payloadBytesMax = 512

    package var origin: NodeID
    package var bootEpoch: UInt64
    /// Counts the events of one boot of the origin, from 1.
    package var sequence: UInt32
    package var name: String
    package var payload: [UInt8]

    package init(origin: NodeID, bootEpoch: UInt64, sequence: UInt32, name: String, payload: [UInt8]) {
        self.origin = origin
        self.bootEpoch = bootEpoch
        self.sequence = sequence
        self.name = name
        self.payload = payload
    }
}
