/// What one node keeps of one member, in as few bytes as it can: a mesh of 5,000 simulated on one machine holds 25
/// million of these. Whatever few members have (history, capabilities, a suspicion) is kept elsewhere.
struct MemberRecord: Sendable {
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        /// In the probe order; set until the order drops the entry.
        static let inOrder = Flags(rawValue: 1)
        /// Answers over its stream and not over UDP; the warning was given.
        static let streamOnly = Flags(rawValue: 2)
        /// In the list of the dead; set until the list drops the entry.
        static let inDead = Flags(rawValue: 4)
        /// Called suspect or dead on hard evidence.
        static let hardEvidence = Flags(rawValue: 8)
        /// Removed: the index waits for its next use.
        static let vacant = Flags(rawValue: 16)
        /// A handshake has proved the boot; until then it is hearsay.
        static let proven = Flags(rawValue: 32)
    }

    var id: NodeID
    var boot: Boot
    var endpoint: Endpoint
    var state: MemberState = .alive
    var flags: Flags = []
    var protocolMin: UInt8
    var protocolMax: UInt8
    var incarnation: UInt32
    /// Smoothed, in microseconds; 0 until measured.
    var roundTrip: UInt32 = 0
    /// The stamp of the rumor that is told about this member; 0 if none is.
    var rumor: UInt32 = 0
    /// When this node learned of `state`.
    var since: Instant
    /// The counter of the last datagram to this member.
    var sent: UInt64
    var window = ReplayWindow()
    /// Name, zone, version and tags as they came: told on unchanged, decoded only for people.
    var labels = ByteStore.Place()
    /// Dynamic fields of this boot.
    var fields = ByteStore.Place()

    var isLive: Bool { self.state == .alive || self.state == .suspect }

    /// The epoch its datagrams must name: gossip may lag behind what the node itself has shown.
    var epochHeard: UInt64 { max(self.boot.epoch, self.window.epoch) }

    var rank: Rank { Rank(epoch: self.boot.epoch, incarnation: self.incarnation, state: self.state) }

    /// Exponentially smoothed with the weight of TCP's estimator (RFC 6298): 1/8 for the newest.
    mutating func note(roundTrip sample: UInt32) {
        let old = UInt64(self.roundTrip)
        let smoothed = old == 0 ? UInt64(sample) : (old * 7 + UInt64(sample)) / 8
        self.roundTrip = max(1, UInt32(clamping: smoothed))
    }
}

/// The total order of what can be said of a member: the newest boot, its highest incarnation, the worst state.
///
/// Every node keeps the highest it has heard, so all agree in the end, whatever the order of arrival.
struct Rank: Comparable, Sendable {
    var epoch: UInt64
    var incarnation: UInt32
    var state: MemberState

    static func < (left: Rank, right: Rank) -> Bool {
        (left.epoch, left.incarnation, left.state.rawValue) < (right.epoch, right.incarnation, right.state.rawValue)
    }
}
