package import MeshCore

/// The shard of partitions, for callers in other modules.
///
/// `Shard` is generic, and the compiler makes a version of it for a lead only where it sees both: here. From outside every
/// step would go through tables of witnesses, which cost whole-node simulations a tenth. So nothing of this is to be inlined
/// elsewhere.
package final class PartitionShard {
    package typealias Input = Shard<PartitionLead>.Input
    package typealias Turn = Shard<PartitionLead>.Turn
    package typealias Makers = Shard<PartitionLead>.Makers

    private let shard: Shard<PartitionLead>

    @inline(never)
    package init(node: NodeID, life: UInt64, settings: ShardSettings, makers: Makers, seed: UInt64) {
        self.shard = Shard(node: node, life: life, settings: settings, makers: makers, seed: seed)
    }

    package var observer: (any ShardObserver)? {
        @inline(never) get { self.shard.observer }
        @inline(never) set { self.shard.observer = newValue }
    }

    package var nextWake: Instant {
        @inline(never) get { self.shard.nextWake }
    }

    @inline(never)
    package func recover(_ found: [RecoveredGroup], at moment: Moment) { self.shard.recover(found, at: moment) }

    @inline(never)
    package func step(_ input: Input, at moment: Moment) { self.shard.step(input, at: moment) }

    @inline(never)
    package func takeOutputs() -> [(group: GroupID, output: PartitionOutput)] { self.shard.takeOutputs() }

    @inline(never)
    package func finish(at moment: Moment) -> Turn { self.shard.finish(at: moment) }

    /// Looks at a group without taking a copy of it.
    @inline(never)
    package func raft<Result>(of group: GroupID, _ look: (borrowing Raft) -> Result) -> Result? {
        self.shard.replicas[group].map { replica in
            self.shard.sleepers.tell(&replica.raft)
            return look(replica.raft)
        }
    }

    /// What the leader of a group is about, for people.
    @inline(never)
    package func describeLead(of group: GroupID) -> String? { self.shard.replicas[group].map { "\($0.lead)" } }
}
