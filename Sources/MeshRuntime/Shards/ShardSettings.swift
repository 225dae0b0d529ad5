package import MeshCore

/// Limits and times of the groups of a shard.
package struct ShardSettings: Sendable {
    package var raft: RaftSettings
    /// The meta group and one group per partition: what a stranger may name.
    package var groups = Partition.countDefault + 1
    /// Of each group, what may be applied in memory before the disk has it.
    package var unwrittenBytesMax = 4 << 20
    package var unwrittenBatchesMax = 64
    /// How often a leader looks whether its replicas are where they are wanted, while they are not.
    package var planInterval = Duration.milliseconds(250)
    /// A follower that was not heard for so long is passed over.
    package var reachableWithin = Duration.seconds(2)

    package init() {
        self.raft = RaftSettings()
        // An entry must fit a frame.
        self.raft.payloadBytesMax = min(self.raft.payloadBytesMax, ConsensusFrame.payloadBytesMax)
    }
}

/// What a shard has counted since its start.
package final class ShardCounters {
    package internal(set) var messagesReceived = 0
    package internal(set) var framesSent = 0
    package internal(set) var turns = 0
    package internal(set) var entriesApplied = 0
    package internal(set) var snapshotsInstalled = 0
    /// Messages that a replica would not hear, by reason.
    package internal(set) var refusals: [Raft.RefusalReason: Int] = [:]
    /// Proposals and reads that were not taken, by reason.
    package internal(set) var rejections: [String: Int] = [:]
    /// Messages for groups that are not here and that nobody may begin here.
    package internal(set) var unhosted = 0
    /// Messages of another node than they say.
    package internal(set) var forged = 0

    init() {}

    func refused(_ reason: Raft.RefusalReason) { self.refusals[reason, default: 0] += 1 }
    func rejected(_ reason: Raft.Rejection) { self.rejections[reason.label, default: 0] += 1 }
}

extension Raft.Rejection {
    /// For metrics: without what varies.
    var label: String {
        if case .notLeader = self { "notLeader" } else { "\(self)" }
    }
}
