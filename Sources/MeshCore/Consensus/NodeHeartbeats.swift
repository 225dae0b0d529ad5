/// That a node leads a group of which another node has a replica.
package struct LeaderClaim: Hashable, Sendable {
    package var group: GroupID
    package var incarnation: GroupIncarnation
    /// Which replica of the leader's node, and which of the follower's.
    package var leader: LogIndex
    package var follower: LogIndex
    package var term: Term

    package init(group: GroupID, incarnation: GroupIncarnation, leader: LogIndex, follower: LogIndex, term: Term) {
        self.group = group
        self.incarnation = incarnation
        self.leader = leader
        self.follower = follower
        self.term = term
    }
}

/// A set of claims as one number; the order of adding does not matter.
package struct ClaimHash: Hashable, Sendable {
    package private(set) var value: UInt64 = 0
    package init() {}
    init(value: UInt64) { self.value = value }

    package mutating func add(_ claim: LeaderClaim) {
        var hash = RandomSource(seed: UInt64(claim.group.number) << 32 | UInt64(claim.incarnation.counter))
        for word in [claim.incarnation.id, claim.leader, claim.follower, claim.term] {
            hash = RandomSource(seed: hash.next() ^ word)
        }
        self.value &+= hash.next()
    }

    /// Both sets together; they have nothing in common.
    package mutating func add(_ other: ClaimHash) { self.value &+= other.value }
}

/// One message from a node to another for all groups that it leads there.
package struct Heartbeat: Hashable, Sendable {
    package static let claimsMax = 8_192

    /// The sender's clock, which the answer repeats.
    package var stamp: Instant
    package var awake: [LeaderClaim] = []
    /// Over the groups whose sleep the receiver has acknowledged.
    package var asleep = ClaimHash()

    package init(stamp: Instant) { self.stamp = stamp }

    package mutating func add(_ claim: LeaderClaim, isAsleep: Bool) {
        if isAsleep { self.asleep.add(claim) } else if self.awake.count < Self.claimsMax { self.awake.append(claim) }
    }
}

/// What the receiver renewed; nothing else renews a lease.
package struct HeartbeatAnswer: Hashable, Sendable {
    package struct Deposition: Hashable, Sendable {
        package var group: GroupID
        package var term: Term
        package init(group: GroupID, term: Term) {
            self.group = group
            self.term = term
        }
    }

    package var stamp: Instant
    package var renewed: [GroupID] = []
    /// Groups in which the receiver knows a later term.
    package var deposed: [Deposition] = []
    /// Whether the hash was the receiver's own. If not, the sender names the sleepers again, and they wake.
    package var sleepersAgree = false

    package init(to heartbeat: Heartbeat) { self.stamp = heartbeat.stamp }
}

/// Heartbeats between this node and all others: one message per pair and interval, however many groups there are
/// (Ongaro 2014 has one per group, which 256 idle groups cannot afford).
///
/// Shards contribute their groups and renew them; this type keeps what belongs to the pair of nodes.
package struct NodeHeartbeats: Sendable {
    private struct Peer: Sendable {
        var id: NodeID
        var beatAt: Instant
        /// The boot and the stamp of the latest heartbeat received.
        var boot: UInt64 = 0
        var latest = Instant(nanoseconds: 0)
        var heardAt: Instant
        var isSilent = false
    }

    private let interval: Duration
    /// After so long without a heartbeat every group that the other leads here wakes.
    private let silence: Duration
    private var peers: [Peer] = []

    package init(interval: Duration = .milliseconds(100), silence: Duration = .milliseconds(400)) {
        self.interval = interval
        self.silence = silence
    }

    /// The nodes that have replicas of the groups here, in ascending order.
    package mutating func follow(_ ids: [NodeID], at now: Instant) {
        self.peers = ids.map { id in
            self.peers.first { $0.id == id } ?? Peer(id: id, beatAt: now, heardAt: now)
        }
    }

    package var nextWake: Instant {
        self.peers.reduce(.distantFuture) { next, peer in
            min(next, peer.beatAt, peer.isSilent ? .distantFuture : peer.heardAt + self.silence)
        }
    }

    /// The nodes to which a heartbeat is due.
    package mutating func due(at now: Instant) -> [NodeID] {
        var due: [NodeID] = []
        for place in self.peers.indices where self.peers[place].beatAt <= now {
            self.peers[place].beatAt = now + self.interval
            due.append(self.peers[place].id)
        }
        return due
    }

    /// The nodes that have fallen silent, each told once.
    package mutating func fallenSilent(at now: Instant) -> [NodeID] {
        var silent: [NodeID] = []
        for place in self.peers.indices
        where !self.peers[place].isSilent && self.peers[place].heardAt + self.silence <= now {
            self.peers[place].isSilent = true
            silent.append(self.peers[place].id)
        }
        return silent
    }

    /// False for a heartbeat that a later one has overtaken: what it says of sleepers is no longer so.
    package mutating func accept(_ heartbeat: Heartbeat, from id: NodeID, boot: UInt64, at now: Instant) -> Bool {
        guard let place = self.peers.firstIndex(where: { $0.id == id }) else { return false }
        let peer = self.peers[place]
        guard boot > peer.boot || (boot == peer.boot && heartbeat.stamp > peer.latest) else { return false }
        self.peers[place].boot = boot
        self.peers[place].latest = heartbeat.stamp
        self.peers[place].heardAt = now
        self.peers[place].isSilent = false
        return true
    }

    /// The next heartbeat to that node goes out at once.
    package mutating func hasten(_ id: NodeID, at now: Instant) {
        guard let place = self.peers.firstIndex(where: { $0.id == id }) else { return }
        self.peers[place].beatAt = min(self.peers[place].beatAt, now)
    }
}
