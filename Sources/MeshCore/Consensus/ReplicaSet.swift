/// The replicas of a group: a configuration in the words of Raft (Ongaro 2014, chapter 4).
package struct ReplicaSet: Hashable, Sendable {
    package static let replicasMax = 15

    /// In ascending order.
    package private(set) var voters: [ReplicaID]
    /// They receive the log and have no say (§4.2.1). In ascending order.
    package private(set) var learners: [ReplicaID]

    package init(voters: [ReplicaID], learners: [ReplicaID] = []) {
        self.voters = voters.sorted()
        self.learners = learners.sorted()
    }

    package static let empty = ReplicaSet(voters: [])

    package var all: [ReplicaID] { self.voters + self.learners }
    package var quorum: Int { self.voters.count / 2 + 1 }

    package func isVoter(_ id: ReplicaID) -> Bool { self.voters.contains(id) }
    package func contains(_ id: ReplicaID) -> Bool { self.voters.contains(id) || self.learners.contains(id) }
    package func replica(on node: NodeID) -> ReplicaID? { self.all.first { $0.node == node } }

    /// The highest value that a quorum of voters has reached; nil without voters.
    func reachedByQuorum<Value: Comparable>(_ value: (ReplicaID) -> Value) -> Value? {
        // Asked several times with every step of every group, and nearly always of few.
        switch self.voters.count {
        case 0: return nil
        case 1: return value(self.voters[0])
        case 2: return min(value(self.voters[0]), value(self.voters[1]))
        case 3:
            let (a, b, c) = (value(self.voters[0]), value(self.voters[1]), value(self.voters[2]))
            return max(min(a, b), min(max(a, b), c))
        default: return self.voters.map(value).sorted(by: >)[self.quorum - 1]
        }
    }
}

/// A change of one replica. Quorums before and after it overlap, so it needs no joint configuration (§4.1).
package enum ReplicaChange: Hashable, Sendable {
    case addLearner(NodeID)
    /// Makes a learner a voter once it has caught up.
    case promote(ReplicaID)
    case remove(ReplicaID)
}

extension ReplicaSet {
    /// This set after a change that an entry at that index makes; nil if the change makes no sense here.
    package func applying(_ change: ReplicaChange, at index: LogIndex) -> ReplicaSet? {
        switch change {
        case .addLearner(let node):
            guard self.replica(on: node) == nil, self.all.count < Self.replicasMax else { return nil }
            return ReplicaSet(
                voters: self.voters, learners: self.learners + [ReplicaID(node: node, addedAt: index)])
        case .promote(let id):
            guard self.learners.contains(id) else { return nil }
            return ReplicaSet(voters: self.voters + [id], learners: self.learners.filter { $0 != id })
        case .remove(let id):
            guard self.contains(id), self.voters != [id] else { return nil }
            return ReplicaSet(
                voters: self.voters.filter { $0 != id }, learners: self.learners.filter { $0 != id })
        }
    }
}

/// The sets that the log has named and that a truncation or a snapshot can still ask for, oldest first.
///
/// A set is in force from the moment its entry is appended, committed or not, and until it is truncated (§4.1).
package struct ReplicaHistory: Hashable, Sendable {
    package struct Version: Hashable, Sendable {
        package var index: LogIndex
        package var replicas: ReplicaSet

        package init(index: LogIndex, replicas: ReplicaSet) {
            self.index = index
            self.replicas = replicas
        }
    }

    /// Never empty.
    private var versions: [Version]

    package init(_ first: Version) { self.versions = [first] }

    package var latest: Version { self.versions[self.versions.count - 1] }
    /// The one before the latest, if that is still known.
    var previous: Version? { self.versions.count > 1 ? self.versions[self.versions.count - 2] : nil }

    /// The set in force at an index.
    package func version(at index: LogIndex) -> Version {
        self.versions.last { $0.index <= index } ?? self.versions[0]
    }

    package mutating func append(_ replicas: ReplicaSet, at index: LogIndex) {
        precondition(index > self.latest.index, "configuration \(index) follows \(self.latest.index)")
        self.versions.append(Version(index: index, replicas: replicas))
    }

    /// Entries from `index` on are gone, and what they said with them.
    package mutating func truncate(from index: LogIndex) {
        while self.versions.count > 1, self.latest.index >= index { self.versions.removeLast() }
    }

    /// Entries up to `index` were dropped; the set in force there stays.
    package mutating func drop(through index: LogIndex) {
        while self.versions.count > 1, self.versions[1].index <= index { self.versions.removeFirst() }
    }
}
