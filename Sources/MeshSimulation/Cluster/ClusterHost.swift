internal import MeshCore
internal import MeshRuntime

typealias RegisterShard = Shard<CommandLead<RegisterState>>

/// A machine with a clock, a disk, and at most one process.
struct ClusterHost {
    let clock: NodeClock
    var disk: HostDisk
    var copy: HostDisk?
    var isSlow = false
    /// The disk is an old copy, not started since.
    var isRestored = false
    var lives: UInt32 = 0
    var process: ClusterProcess?
}

/// A running node: production shards and heartbeats, each on an executor of its own.
final class ClusterProcess {
    enum Input: Sendable {
        case shard(RegisterShard.Input)
        case hub(HeartbeatHub.Input)
    }

    /// One thread of the process: what reaches it waits until its next turn.
    struct Executor {
        var inbox: [Input] = []
        var isScheduled = false
        var wakeAt = VirtualTime.distantFuture
    }

    struct Operation: Sendable {
        var id: UInt64
        var group: Int
        var key: Int
        /// nil: a read.
        var value: UInt64?
        /// What a read must not be older than.
        var floor: UInt64
        var retries = 2
    }

    let life: UInt32
    let boot: Boot
    let id: NodeID
    var hub: HeartbeatHub
    /// The shard at place i runs on executor i + 1; the first has the heartbeats.
    var shards: [RegisterShard]
    var executors: [Executor]
    let recorder = StepRecorder()
    var pausedUntil: VirtualTime?
    var isSyncing = false
    /// When the latest answer of the disk arrives: none overtakes another.
    var answeredAt = VirtualTime.zero
    /// Operations not yet answered.
    var operations: [UInt64: Operation] = [:]

    init(life: UInt32, boot: Boot, id: NodeID, shards: [RegisterShard]) {
        self.life = life
        self.boot = boot
        self.id = id
        let count = shards.count
        self.shards = shards
        self.hub = HeartbeatHub(
            boot: boot.epoch, shards: (1...count).map(ShardID.init),
            shardOf: { ShardID(1 + Int($0.number) % count) })
        self.executors = Array(repeating: Executor(), count: count + 1)
        for shard in shards { shard.observer = self.recorder }
    }

    func executor(of group: GroupID) -> Int { 1 + Int(group.number) % self.shards.count }
    func shard(of group: GroupID) -> RegisterShard { self.shards[Int(group.number) % self.shards.count] }
}

/// What the checks need to see of a step, in order, kept until the step is over.
final class StepRecorder: ShardObserver {
    enum Event {
        case elected(Raft)
        case applied([LogEntry], Raft)
        case asked(VoteRequest, RaftMessage, Raft)
        case refused(Raft.RefusalReason)
        case transferred
        case removed(GroupID)
    }

    private var events: [Event] = []

    func performs(_ effect: Raft.Effect, of raft: Raft) {
        switch effect {
        case .changed(.leader, _, _): self.events.append(.elected(raft))
        case .refused(let reason): self.events.append(.refused(reason))
        case .transferred: self.events.append(.transferred)
        case .removed: self.events.append(.removed(raft.group))
        default: break
        }
    }

    func applied(_ entries: [LogEntry], by raft: Raft) { self.events.append(.applied(entries, raft)) }

    func receives(_ message: RaftMessage, by raft: Raft) {
        if case .voteRequest(let request) = message.body { self.events.append(.asked(request, message, raft)) }
    }

    func drain() -> [Event] {
        defer { self.events = [] }
        return self.events
    }
}
