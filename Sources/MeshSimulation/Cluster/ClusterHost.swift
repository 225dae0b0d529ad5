internal import MeshCore
internal import MeshRuntime

/// A node in one of its lives; the other simulation has hosts too.
typealias ActivationHost = MeshCore.Host

/// A machine with a clock, a disk, and at most one process.
struct ClusterHost {
    let clock: NodeClock
    var disk: HostDisk
    var copy: HostDisk?
    /// By how many milliseconds the wall clock is wrong.
    var wallError: Int64 = 0
    var isSlow = false
    /// The disk is an old copy, not started since.
    var isRestored = false
    var lives: UInt32 = 0
    var process: ClusterProcess?
}

/// A running node: production shards and heartbeats, each on an executor of its own.
final class ClusterProcess {
    enum Input: Sendable {
        case shard(PartitionShard.Input)
        case hub(HeartbeatHub.Input)

        var isRequest: Bool { if case .shard(.request) = self { true } else { false } }
    }

    /// One thread of the process: what reaches it waits until its next turn.
    struct Executor {
        var inbox: [Input] = []
        var isScheduled = false
        var wakeAt = VirtualTime.distantFuture

        mutating func putRequestsFirst() {
            let requests = self.inbox.filter(\.isRequest)
            self.inbox = requests + self.inbox.filter { !$0.isRequest }
        }
    }

    let life: UInt32
    let boot: Boot
    let id: NodeID
    var hub: HeartbeatHub
    /// The shard at place i runs on executor i + 1; the first has the heartbeats.
    var shards: [PartitionShard]
    var executors: [Executor]
    let recorder = StepRecorder()
    var pausedUntil: VirtualTime?
    var isSyncing = false
    /// When the latest answer of the disk arrives: none overtakes another.
    var answeredAt = VirtualTime.zero
    var service: PartitionService
    /// Who leads groups that are not here, as others have said.
    var leaders: [GroupID: NodeID] = [:]

    init(life: UInt32, boot: Boot, id: NodeID, shards: [PartitionShard], service: PartitionService) {
        self.life = life
        self.boot = boot
        self.id = id
        self.service = service
        let count = shards.count
        self.shards = shards
        self.hub = HeartbeatHub(
            boot: boot.epoch, shards: (1...count).map(ShardID.init),
            shardOf: { ShardID(1 + Int($0.number) % count) })
        self.executors = Array(repeating: Executor(), count: count + 1)
        for shard in shards { shard.observer = self.recorder }
    }

    var host: ActivationHost { ActivationHost(node: self.id, boot: self.boot.epoch) }

    func executor(of group: GroupID) -> Int { 1 + Int(group.number) % self.shards.count }
    /// Who leads a group, as far as its replica here knows.
    func leader(of group: GroupID) -> NodeID? { self.shard(of: group).raft(of: group) { $0.leader?.node } ?? nil }
    func shard(of group: GroupID) -> PartitionShard { self.shards[Int(group.number) % self.shards.count] }
}

/// What the checks need to see of a step, in order, kept until the step is over.
final class StepRecorder: ShardObserver {
    enum Event {
        case elected(Raft)
        /// Not with `Raft`: what holds a copy of it makes the next change copy its log.
        case applied([LogEntry], GroupID, Term, isLeader: Bool)
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

    func applied(_ entries: [LogEntry], by raft: Raft) {
        self.events.append(.applied(entries, raft.group, raft.term, isLeader: raft.role == .leader))
    }

    func receives(_ message: RaftMessage, by raft: Raft) {
        if case .voteRequest(let request) = message.body { self.events.append(.asked(request, message, raft)) }
    }

    func drain() -> [Event] {
        defer { self.events = [] }
        return self.events
    }
}
