/// The next step of one partition from the replicas it has to those that are wanted, one at a time (Ongaro 2014, §4.1).
///
/// A voter that is alive goes only after the one that replaces it is a voter: at no moment does the group survive less than
/// before. One that is dead goes as soon as its successor holds everything, before that becomes a voter: of four voters with
/// one dead all the others would have to agree.
struct ReplicaStep {
    private let group: PlacementView.Group
    private let view: PlacementView
    private let wanted: [NodeID]

    /// How many partitions each member leads.
    private let leads: [NodeID: Int]

    init(_ group: PlacementView.Group, in view: PlacementView, leads: [NodeID: Int]) {
        self.group = group
        self.view = view
        self.leads = leads
        self.wanted = group.wanted
    }

    private var voters: [ReplicaID] { self.group.replicas.voters }
    private var surplus: [ReplicaID] { self.voters.filter { !self.wanted.contains($0.node) } }
    private var missing: [NodeID] { self.wanted.filter { node in !self.voters.contains { $0.node == node } } }

    /// Nil if nothing is to be done, or nothing can be done now.
    var next: PlannedStep.Action? {
        guard let leader = self.group.leader, self.view.canChange(self.group) else { return nil }
        if let learner = self.group.replicas.learners.first(where: { !self.wanted.contains($0.node) }) {
            return .change(.remove(learner))
        }
        return self.handover(from: leader) ?? self.gain() ?? self.loss(leader: leader)
    }

    /// A leader that is to go hands over first: its actors move once, and before its disk is busy.
    private func handover(from leader: ReplicaID) -> PlannedStep.Action? {
        guard !self.wanted.contains(leader.node) || self.view.member(leader.node)?.isDraining == true else {
            return nil
        }
        let heirs = self.voters.filter { voter in
            guard let member = self.view.member(voter.node) else { return false }
            return voter != leader && self.wanted.contains(voter.node) && member.isAlive && !member.isDraining
        }
        return heirs.min { self.leads[$0.node, default: 0] < self.leads[$1.node, default: 0] }.map { .transfer(to: $0) }
    }

    private func gain() -> PlannedStep.Action? {
        let ready = self.group.replicas.learners.first { learner in
            self.group.caughtUp.contains(learner) && self.view.isAlive(learner.node)
        }
        if let ready {
            let dead = self.surplus.first { !self.view.isAlive($0.node) && self.canLose($0) }
            return .change(dead.map { .remove($0) } ?? .promote(ready))
        }
        return self.missing.first { self.group.replicas.replica(on: $0) == nil && self.view.isAlive($0) }
            .map { .change(.addLearner($0)) }
    }

    private func loss(leader: ReplicaID) -> PlannedStep.Action? {
        guard self.missing.isEmpty else { return nil }
        let able = self.surplus.filter { $0 != leader && self.canLose($0) }
        return (able.first { !self.view.isAlive($0.node) } ?? able.first).map { .change(.remove($0)) }
    }

    /// The others are a quorum of what is left.
    private func canLose(_ replica: ReplicaID) -> Bool {
        let alive = self.voters.count { $0 != replica && self.view.isAlive($0.node) }
        return self.voters.count > 1 && alive >= (self.voters.count - 1) / 2 + 1
    }
}
