package import MeshCore

/// One partition as its leader sees it.
package struct PartitionStatus: Hashable, Sendable {
    package struct Replica: Hashable, Sendable {
        package var node: NodeID
        package var isVoter: Bool
        /// Entries of the leader's log that it has not said to hold.
        package var lag: UInt64
    }

    package var partition: Partition
    package var leader: NodeID
    package var term: UInt64
    /// Voters first, each in ascending order; the leader is one of them.
    package var replicas: [Replica]
    package var messages: UInt64
    package var logBytes: UInt64

    package var voters: Int { self.replicas.count(where: \.isVoter) }
}

extension PartitionStatus {
    init(of replica: GroupReplica<PartitionLead>, _ partition: Partition) {
        let raft = replica.raft
        let last = raft.log.last.index
        let matches = Dictionary(raft.followers.map { ($0.id, $0.match) }) { first, _ in first }
        self.init(
            partition: partition, leader: raft.id.node, term: raft.term,
            replicas: raft.replicas.all.map { id in
                let match = id == raft.id ? last : matches[id] ?? 0
                return Replica(node: id.node, isVoter: raft.replicas.isVoter(id), lag: last - min(match, last))
            }, messages: replica.state.totals.messages, logBytes: UInt64(clamping: raft.log.bytes))
    }
}

/// The partitions that one node leads, as the body of an `answer` frame.
struct PartitionListing: Sendable {
    var partitions: [PartitionStatus]

    // Kind, u16 count, each: partition, leader, term u64, messages u64, log bytes u64, u8 replicas, each: node, u8 voter, lag u64.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(3 as UInt8)
        writer.write(UInt16(clamping: self.partitions.count))
        for status in self.partitions.prefix(Int(UInt16.max)) {
            writer.write(status.partition.index)
            writer.write(status.leader)
            writer.write(status.term)
            writer.write(status.messages)
            writer.write(status.logBytes)
            writer.write(UInt8(clamping: status.replicas.count))
            for replica in status.replicas {
                writer.write(replica.node)
                writer.write((replica.isVoter ? 1 : 0) as UInt8)
                writer.write(replica.lag)
            }
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 3 else { throw WireError(.unknownKind, at: 0) }
        self.partitions = []
        for _ in 0..<(try reader.read(UInt16.self)) {
            var status = PartitionStatus(
                partition: Partition(index: try reader.read()), leader: try reader.nodeID(), term: try reader.read(),
                replicas: [], messages: try reader.read(), logBytes: try reader.read())
            for _ in 0..<(try reader.read(UInt8.self)) {
                status.replicas.append(
                    PartitionStatus.Replica(
                        node: try reader.nodeID(), isVoter: try reader.read(UInt8.self) == 1, lag: try reader.read()))
            }
            self.partitions.append(status)
        }
        try reader.end()
    }

    init(partitions: [PartitionStatus]) { self.partitions = partitions }
}
