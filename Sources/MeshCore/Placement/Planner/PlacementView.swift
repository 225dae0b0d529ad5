/// What the planner knows: which replicas are wanted, which there are, and how the members fare.
package struct PlacementView: Sendable {
    package struct Member: Hashable, Sendable {
        package enum Health: Hashable, Sendable {
            case alive(since: Instant)
            case suspect
            case dead(since: Instant)
        }

        package static let weightDefault = 100
        package static let weights = 1...1000

        package var id: NodeID
        /// Where it fails together with others; all without a zone are in one.
        package var zone: String
        /// How much it can hold beside the others.
        package var weight: Int
        package var health: Health
        package var isDraining: Bool
        /// It is about to be gone for good: it does not count, and has nothing that others could do without.
        package var isLeaving: Bool

        package init(
            id: NodeID, zone: String = "", weight: Int = Self.weightDefault, health: Health, isDraining: Bool = false,
            isLeaving: Bool = false
        ) {
            precondition(Self.weights.contains(weight), "\(id) has weight \(weight)")
            self.id = id
            self.zone = zone
            self.weight = weight
            self.health = health
            self.isDraining = isDraining || isLeaving
            self.isLeaving = isLeaving
        }

        package var isAlive: Bool { if case .alive = self.health { true } else { false } }
    }

    package struct Group: Hashable, Sendable {
        package var partition: Partition
        /// What the meta group wants, in ascending order; empty if it was never said.
        package var desired: [NodeID]
        /// What the group's own log says, as its leader told last; empty if none did.
        package var replicas: ReplicaSet
        package var leader: ReplicaID?
        /// Learners that the leader would promote.
        package var caughtUp: [ReplicaID]
        /// What a new replica must be sent.
        package var byteCount: Int

        package init(
            partition: Partition, desired: [NodeID] = [], replicas: ReplicaSet = .empty, leader: ReplicaID? = nil,
            caughtUp: [ReplicaID] = [], byteCount: Int = 0
        ) {
            self.partition = partition
            self.desired = desired.sorted()
            self.replicas = replicas
            self.leader = leader
            self.caughtUp = caughtUp
            self.byteCount = byteCount
        }

        /// Without a word of the meta group, whoever has a replica shall keep it.
        var wanted: [NodeID] { self.desired.isEmpty ? self.replicas.all.map(\.node).sorted() : self.desired }

        /// Its replicas are not yet those that are wanted.
        var isMoving: Bool {
            !self.replicas.learners.isEmpty || self.replicas.voters.map(\.node) != self.wanted
        }
    }

    /// The members admitted to the mesh. Whoever holds a replica and is not among them must lose it.
    package var members: [Member]
    /// One for each partition, in order.
    package var groups: [Group]
    /// Voters of each partition: 1, 3 or 5.
    package var replicasWanted: Int
    /// A member that was dead for so long is replaced.
    package var replaceAfter: Duration
    package var now: Instant

    package init(
        members: [Member], groups: [Group], replicasWanted: Int, replaceAfter: Duration = .seconds(300), now: Instant
    ) {
        self.members = members.sorted { $0.id < $1.id }
        self.groups = groups
        self.replicasWanted = replicasWanted
        self.replaceAfter = replaceAfter
        self.now = now
    }

    /// How many voters a partition gets: four would survive no more than three, and cost more.
    var size: Int {
        let most = max(1, min(self.replicasWanted, self.members.count { !$0.isLeaving }))
        return most > 2 && most % 2 == 0 ? most - 1 : most
    }

    func isAlive(_ node: NodeID) -> Bool { self.member(node)?.isAlive ?? false }

    /// Dead for so long that nobody waits for it.
    func isLost(_ member: Member) -> Bool {
        guard case .dead(let since) = member.health else { return false }
        return self.now >= since + self.replaceAfter
    }

    func member(_ node: NodeID) -> Member? {
        var (low, high) = (0, self.members.count)
        while low < high {
            let middle = (low + high) / 2
            if self.members[middle].id < node { low = middle + 1 } else { high = middle }
        }
        return low < self.members.count && self.members[low].id == node ? self.members[low] : nil
    }

    func aliveVoters(_ group: Group) -> Int { group.replicas.voters.count { self.isAlive($0.node) } }

    /// Whether a change of its replicas would come through. Without a leader and a quorum none would, and asking brings
    /// nobody back.
    func canChange(_ group: Group) -> Bool {
        guard let leader = group.leader, group.replicas.isVoter(leader), self.isAlive(leader.node) else { return false }
        return self.aliveVoters(group) >= group.replicas.quorum
    }
}

/// What to do next. Computed anew from every view; what is already done is never asked for again.
package struct PlacementPlan: Hashable, Sendable {
    /// For the meta group to want.
    package var changes: [PlacementChange] = []
    /// For the leaders of the partitions, at most one each.
    package var steps: [PlannedStep] = []
    /// Partitions that cannot have their replicas with these members, with how many are missing.
    package var short: [Partition: Int] = [:]
    /// What is still to move when these changes are made: the rest of a drain or of a repair.
    package var waiting = 0
}

package struct PlacementChange: Hashable, Sendable {
    /// The most urgent first.
    package enum Reason: UInt8, Comparable, Sendable, CaseIterable {
        /// Not a member any more.
        case evicted = 1
        case dead = 2
        case draining = 3
        /// Fewer replicas than there could be.
        case missing = 4
        /// More replicas than are wanted.
        case surplus = 5
        /// Replicas share a zone, and need not.
        case zones = 6
        case balance = 7

        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    package var partition: Partition
    /// In ascending order.
    package var replicas: [NodeID]
    package var reason: Reason

    package init(partition: Partition, replicas: [NodeID], reason: Reason) {
        self.partition = partition
        self.replicas = replicas.sorted()
        self.reason = reason
    }
}

package struct PlannedStep: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case change(ReplicaChange)
        case transfer(to: ReplicaID)
    }

    package var partition: Partition
    package var action: Action

    package init(_ partition: Partition, _ action: Action) {
        self.partition = partition
        self.action = action
    }
}
