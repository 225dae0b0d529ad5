internal import MeshCore

/// The values of a replica: consensus, the replicated state, and the lead beside it.
///
/// They are large and full of references, and of a class's field Swift makes a copy before it calls a function of another
/// module on it. This cannot be copied, so its methods read the values where they lie: what every step of every group
/// asks for is asked for here.
struct ReplicaValues<Lead: GroupLead>: ~Copyable {
    var raft: Raft
    var state: Lead.State
    var lead: Lead

    var nextWake: Instant { min(self.raft.nextWake, self.lead.nextWake) }

    func claim(on node: NodeID) -> (claim: LeaderClaim, isAsleep: Bool)? { self.raft.claim(on: node) }
    func sleepingClaim(under node: NodeID) -> LeaderClaim? { self.raft.sleepingClaim(under: node) }

    func context(
        isServing: Bool, agreeing environment: ReplicaEnvironment?, at moment: Moment
    ) -> LeadContext {
        LeadContext(
            group: self.raft.group, incarnation: self.raft.incarnation, now: moment.now, wall: moment.wall,
            term: self.raft.term, isLeading: isServing, leader: self.raft.leader,
            leaseEnd: isServing ? self.raft.leaseEnd(at: moment.now) : nil,
            agreedWall: environment?.agreedWall(of: self.raft.replicas, at: moment))
    }

    mutating func step(
        _ input: LeadInput<Lead.State.Outcome, Lead.Request>, in context: LeadContext,
        into effects: inout LeadEffects<Lead.Output>
    ) {
        self.lead.step(input, over: self.state, in: context, into: &effects)
    }

    mutating func flush(in context: LeadContext, into effects: inout LeadEffects<Lead.Output>) {
        self.lead.flush(over: self.state, in: context, into: &effects)
    }
}
