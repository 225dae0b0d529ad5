internal import MeshCore

/// What the heartbeats of other nodes mean for the groups of a shard that sleep.
///
/// A sleeping group waits for nothing, so it need not hear of a heartbeat when that comes: it is told before something else
/// happens to it. And as long as nothing has happened to any group, what the shard's part in a heartbeat was it still is.
/// So heartbeats of an idle node cost the same however many groups it has.
struct Sleepers {
    /// What is led here with a replica on a node.
    struct Claims {
        var awake: [LeaderClaim] = []
        var asleep = ClaimHash()
    }

    /// By node, as of the last time that somebody asked; empty once something has happened.
    private var claims: [NodeID: Claims] = [:]
    private var asleepUnder: [NodeID: ClaimHash] = [:]
    /// When the last heartbeat of a node came, which renews what sleeps under it.
    private var renewals: [NodeID: Instant] = [:]
    /// The last heartbeat to a node with whose hash it agreed, and when it said so.
    private var agreements: [NodeID: Raft.Agreement] = [:]

    mutating func forgetClaims() {
        self.claims.removeAll(keepingCapacity: true)
        self.asleepUnder.removeAll(keepingCapacity: true)
    }

    /// Something is about to happen to a group: it hears first what it has slept through.
    mutating func wake(_ raft: inout Raft) {
        if !self.claims.isEmpty || !self.asleepUnder.isEmpty { self.forgetClaims() }
        self.tell(&raft)
    }

    func tell(_ raft: inout Raft) {
        if raft.isAsleep, let leader = raft.leader?.node, let renewal = self.renewals[leader] {
            raft.renewAsleep(under: leader, at: renewal)
        }
        raft.wakeUp { self.agreements[$0] }
    }

    mutating func claims(on node: NodeID, _ collect: (inout Claims) -> Void) -> Claims {
        if let known = self.claims[node] { return known }
        var claims = Claims()
        collect(&claims)
        self.claims[node] = claims
        return claims
    }

    /// A heartbeat of that node came. Returns the hash over what sleeps under it here.
    mutating func renewed(by node: NodeID, at now: Instant, _ collect: (inout ClaimHash) -> Void) -> ClaimHash {
        self.renewals[node] = now
        if let known = self.asleepUnder[node] { return known }
        var asleep = ClaimHash()
        collect(&asleep)
        self.asleepUnder[node] = asleep
        return asleep
    }

    mutating func agreed(_ node: NodeID, stamp: Instant, at now: Instant) { self.agreements[node] = (stamp, now) }
}
