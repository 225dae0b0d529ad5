/// A slice of the hash space. Their number is fixed when the mesh is created.
package struct Partition: Hashable, Comparable, Sendable {
    package static let countDefault = 256

    package var index: UInt16

    package init(index: UInt16) { self.index = index }

    package static func < (left: Partition, right: Partition) -> Bool { left.index < right.index }
}

/// Where a path belongs: path to partition by a keyed hash, partition to nodes by rendezvous hashing.
///
/// Rendezvous (highest random weight; Thaler and Ravishankar 1998) moves only what a joining or dying node gains or
/// loses. Scores are integers; ties fall to the lower id, so every node computes the same ring.
package struct Placement: Hashable, Sendable {
    package let partitions: Int
    private let key: (UInt64, UInt64)

    /// The hash seed is the cluster id until a mesh can be restored under a new one.
    package init(cluster: ClusterID, partitions: Int = Partition.countDefault) {
        precondition(1...Int(UInt16.max) ~= partitions, "\(partitions) partitions")
        self.partitions = partitions
        self.key = (cluster.high, cluster.low)
    }

    package static func == (left: Placement, right: Placement) -> Bool {
        left.partitions == right.partitions && left.key == right.key
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.key.0)
        hasher.combine(self.key.1)
        hasher.combine(self.partitions)
    }

    package func partition(of path: ActorPath) -> Partition {
        let hash = sipHash24(path.description.utf8, key: self.key)
        return Partition(index: UInt16(hash % UInt64(self.partitions)))
    }

    /// The ring of a partition: all nodes, best first.
    package func ring(of partition: Partition, among nodes: [NodeID]) -> [NodeID] {
        nodes.map { (score: self.score(partition, $0), node: $0) }
            .sorted { $0.score != $1.score ? $0.score > $1.score : $0.node < $1.node }
            .map(\.node)
    }

    /// The first of the ring.
    package func owner(of partition: Partition, among nodes: [NodeID]) -> NodeID? {
        nodes.max { left, right in
            let (a, b) = (self.score(partition, left), self.score(partition, right))
            return a != b ? a < b : left > right
        }
    }

    func score(_ partition: Partition, _ node: NodeID) -> UInt64 {
        sipHash24(words: node.high, node.low, key: (self.key.0 ^ UInt64(partition.index), self.key.1))
    }
}
