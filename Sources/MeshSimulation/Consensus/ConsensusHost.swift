internal import MeshCore

/// A machine with a clock, a disk, and at most one process.
struct ConsensusHost {
    struct Disk: Sendable {
        var id: NodeID
        var bootEpoch: UInt64 = 0
        var knownBoots = KnownBoots()
        /// By group.
        var replicas: [ReplicaDisk?]
        /// The latest replica of each group that was removed here: it must not come back to vote again.
        var tombstones: [LogIndex?]

        init(id: NodeID, groups: Int) {
            self.id = id
            self.replicas = Array(repeating: nil, count: groups)
            self.tombstones = Array(repeating: nil, count: groups)
        }

        /// A copy of the platter: what only the kernel has is not in it.
        var copied: Disk {
            var copy = self
            for group in copy.replicas.indices { copy.replicas[group]?.lose(keeping: 0) }
            return copy
        }
    }

    let clock: NodeClock
    var disk: Disk
    var copy: Disk?
    var isSlow = false
    /// The disk is an old copy, not started since.
    var isRestored = false
    var lives: UInt32 = 0
    var process: ConsensusProcess?
}

/// A running node: the production `Raft` values and what their driver keeps beside them.
///
/// A class, since a struct of this size would be copied wherever one field is read.
final class ConsensusProcess {
    /// What reaches a process. While it is stopped, these wait.
    enum Input: Sendable {
        case wake
        case message([UInt8], from: Int, NodeID, Boot)
        case heartbeat([UInt8], from: Int, NodeID, Boot)
        case answer([UInt8], from: Int, NodeID, Boot)
        case stored(group: Int, UInt64?, LogPosition?)
        case raft(group: Int, Raft.Input)
        case operation(Operation)
    }

    struct Operation: Sendable {
        var id: UInt64
        var group: Int
        var key: Int
        /// nil: a read.
        var value: UInt64?
        /// What a read must not be older than.
        var floor: UInt64
        var retries = 1
    }

    let life: UInt32
    let boot: Boot
    let id: NodeID
    var groups: [Raft?]
    var heartbeats: NodeHeartbeats
    var wakeAt = VirtualTime.distantFuture
    var pausedUntil: VirtualTime?
    var waiting: [Input] = []
    var isSyncing = false
    /// Operations not yet answered.
    var operations: [UInt64: Operation] = [:]
    /// Proposals by group and index, with the term of their entry.
    var proposed: [[LogIndex: (term: Term, id: UInt64)]]
    /// Snapshots being read, by group and receiver.
    var reading: [[ReplicaID: (position: LogPosition, bytes: [UInt8])]]

    init(life: UInt32, boot: Boot, id: NodeID, groups: Int) {
        self.life = life
        self.boot = boot
        self.id = id
        self.groups = Array(repeating: nil, count: groups)
        self.heartbeats = NodeHeartbeats()
        self.proposed = Array(repeating: [:], count: groups)
        self.reading = Array(repeating: [:], count: groups)
    }
}
