package import MeshCore

/// What a leader does next so that its group has replicas where they are wanted (protocol: learner, catch up, promote; a
/// dead voter goes before the learner takes its place).
package enum ReplicaPlan {
    package enum Step: Hashable, Sendable {
        case change(ReplicaChange)
        /// A leader does not remove itself: it hands over first.
        case transfer(to: ReplicaID)
    }

    /// One step at a time; nil if all is as wanted, or if the learner must catch up first.
    ///
    /// - Parameters:
    ///   - wanted: the nodes that shall have a voter, the preferred first; empty: nothing is known, nothing changes.
    ///   - isReachable: heard lately by the leader.
    ///   - hasCaughtUp: a learner lacks so little that it can be promoted.
    package static func next(
        in replicas: ReplicaSet, ledBy leader: ReplicaID, wanted: [NodeID], isReachable: (NodeID) -> Bool,
        hasCaughtUp: (ReplicaID) -> Bool
    ) -> Step? {
        guard !wanted.isEmpty else { return nil }
        if let stray = replicas.learners.first(where: { !wanted.contains($0.node) }) {
            return .change(.remove(stray))
        }
        let unwanted = replicas.voters.filter { !wanted.contains($0.node) }
        // One that cannot be reached must not keep another from catching up.
        if let learner = replicas.learners.first(where: { isReachable($0.node) }) {
            guard hasCaughtUp(learner) else { return nil }
            // With the dead one still in, four voters need three; without it, the two left need both for a moment.
            if let dead = unwanted.first(where: { $0 != leader && !isReachable($0.node) }), replicas.voters.count > 2 {
                return .change(.remove(dead))
            }
            return .change(.promote(learner))
        }
        if let node = wanted.first(where: { replicas.replica(on: $0) == nil && isReachable($0) }) {
            return .change(.addLearner(node))
        }
        // Nobody goes before all that are wanted are there.
        guard wanted.allSatisfy({ node in replicas.voters.contains { $0.node == node } }) else { return nil }
        /// The others are a quorum of what is left: a smaller group must not be one that stands still.
        func canLose(_ voter: ReplicaID) -> Bool {
            let others = replicas.voters.filter { $0 != voter }
            return others.count { $0 == leader || isReachable($0.node) } > others.count / 2
        }
        if let leaving = unwanted.first(where: { $0 != leader && canLose($0) }) { return .change(.remove(leaving)) }
        guard unwanted.contains(leader) else { return nil }
        return replicas.voters.first { wanted.contains($0.node) && isReachable($0.node) }.map { .transfer(to: $0) }
    }
}
