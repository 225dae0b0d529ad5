// What `meshnode partitions` shows. The names are those of the JSON, which is snake_case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import MeshCore

package struct PartitionView: Codable, Sendable {
    package struct Replica: Codable, Sendable {
        package var node: String
        /// `leader`, `voter` or `learner`.
        package var role: String
        /// Entries that it lacks.
        package var lag: UInt64
    }

    package var partition: Int
    /// `ok`, `under_replicated`, or `no_leader` where no member that answered leads it.
    package var state: String
    package var replicas: [Replica]
    /// Waiting.
    package var messages: UInt64
    package var log_bytes: UInt64
}

package struct PartitionsView: Codable, Sendable {
    package var partitions: [PartitionView]
    /// Names of members that did not answer in time: what they lead is shown as without a leader.
    package var missing: [String]

    package init(partitions: [PartitionView], missing: [String]) {
        self.partitions = partitions
        self.missing = missing
    }
}

extension Runtime {
    /// Of the partitions that this node leads.
    package var partitionStatus: [PartitionStatus] { self.partitions.status }

    /// All partitions, as the members that lead them see them.
    package func partitionsView() async -> PartitionsView {
        let partitions = self.partitions
        let local = self.directory.localID
        let deadline = MonotonicClock.now + self.configuration.listingTimeout
        return await withTaskGroup(of: (NodeID, [PartitionStatus]?).self) { group in
            group.addTask { (local, partitions.status) }
            for peer in self.directory.placeable where peer != local {
                group.addTask {
                    let body = await self.ask(peer, .partitions, deadline: deadline)
                    return (peer, body.flatMap { try? PartitionListing(decoding: $0).partitions })
                }
            }
            var led: [Partition: PartitionStatus] = [:]
            var missing: [String] = []
            for await (node, statuses) in group {
                guard let statuses else {
                    missing.append(self.name(of: node))
                    continue
                }
                // One that has not heard of its successor yet may claim to lead as well.
                for status in statuses where status.term >= led[status.partition]?.term ?? 0 {
                    led[status.partition] = status
                }
            }
            let wanted = partitions.replicasWanted
            let views = (0..<partitions.configuration.placement.partitions).map { index in
                self.view(of: led[Partition(index: UInt16(index))], index, wanted: wanted)
            }
            return PartitionsView(partitions: views, missing: missing.sorted())
        }
    }

    private func view(of status: PartitionStatus?, _ index: Int, wanted: Int) -> PartitionView {
        guard let status else {
            return PartitionView(partition: index, state: "no_leader", replicas: [], messages: 0, log_bytes: 0)
        }
        return PartitionView(
            partition: index, state: status.voters < wanted ? "under_replicated" : "ok",
            replicas: status.replicas.map { replica in
                PartitionView.Replica(
                    node: self.name(of: replica.node),
                    role: replica.node == status.leader ? "leader" : replica.isVoter ? "voter" : "learner",
                    lag: replica.lag)
            }, messages: status.messages, log_bytes: status.logBytes)
    }
}

extension PartitionNode {
    /// Voters that each partition is to have; what the meta group says, if this node has a replica of it.
    var replicasWanted: Int { self.meta.metaState?.settings.replicas ?? MeshSettings().replicas }

    func placed(_ partition: Partition) -> PlacedPartition? {
        guard let state = self.meta.metaState, Int(partition.index) < state.placement.count else { return nil }
        return state.placement[Int(partition.index)]
    }
}
