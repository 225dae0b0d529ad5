package import MeshCore

/// One group as its replica on this node sees it, for people.
package struct GroupStatus: Sendable {
    package enum Condition: Hashable, Sendable {
        case running
        /// Receives a snapshot that will take the place of its state; until then it goes on with what it has.
        case installing
        /// Lacks what it once acknowledged; its word does not count until it has caught up.
        case short
        case removed
        /// Its data cannot be read: it does not run, and is not begun anew.
        case damaged(String)
    }

    package var group: GroupID
    package var condition: Condition
    /// The rest is of running groups only.
    package var running: Running?

    package struct Running: Sendable {
        package var replica: ReplicaID
        package var incarnation: GroupIncarnation
        package var role: Raft.Role
        package var term: Term
        package var leader: ReplicaID?
        package var replicas: ReplicaSet
        package var commit: LogIndex
        package var applied: LogIndex
        package var last: LogPosition
        /// Of the entries that are kept.
        package var logBytes: Int
        package var isAsleep: Bool
        /// How far the others are; of a leader only.
        package var followers: [FollowerStatus]
        package var wanted: [NodeID]
    }
}

extension Shard {
    /// In ascending order of groups.
    package var status: [GroupStatus] {
        Set(self.groups).union(self.absent.keys).sorted().map { group in
            if let replica = self.replicas[group] { return GroupStatus(of: replica) }
            switch self.absent[group] {
            case .damaged(let error):
                return GroupStatus(group: group, condition: .damaged("\(error)"), running: nil)
            case .leaving, .removed, nil: return GroupStatus(group: group, condition: .removed, running: nil)
            }
        }
    }

    /// What Raft holds of a group; nil if it does not run here.
    package func raft(of group: GroupID) -> Raft? {
        guard var raft = self.replicas[group]?.raft else { return nil }
        self.sleepers.tell(&raft)
        return raft
    }
    package func state(of group: GroupID) -> Lead.State? { self.replicas[group]?.state }
}

extension GroupStatus {
    fileprivate init<Lead: GroupLead>(of replica: GroupReplica<Lead>) {
        let raft = replica.raft
        self.init(
            group: raft.group,
            condition: raft.isInstalling ? .installing : raft.shortfall != nil ? .short : .running,
            running: Running(
                replica: raft.id, incarnation: raft.incarnation, role: raft.role, term: raft.term, leader: raft.leader,
                replicas: raft.replicas, commit: raft.commit, applied: raft.applied, last: raft.log.last,
                logBytes: raft.log.bytes, isAsleep: raft.isAsleep, followers: raft.followers, wanted: replica.wanted))
    }
}
