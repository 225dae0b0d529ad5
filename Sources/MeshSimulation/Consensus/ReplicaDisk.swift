internal import DequeModule
internal import MeshCore

/// A replica's part of a disk: what is on the platter, and what only the kernel has.
struct ReplicaDisk: Sendable {
    let id: ReplicaID
    private(set) var durable: ReplicaImage<RegisterMachine>
    /// As the process sees it.
    private(set) var current: ReplicaImage<RegisterMachine>
    private var unsynced: Deque<(write: DiskWrite<RegisterMachine>, sequence: UInt64?)> = []
    /// Written now and then to a file of its own.
    private(set) var watermark: (writes: UInt64, last: LogIndex) = (0, 0)
    private var watermarkAt = VirtualTime.zero
    /// The platter some time ago, for disks that lose what they said was safe.
    private var earlier: ReplicaImage<RegisterMachine>
    private var earlierAt = VirtualTime.zero

    init(id: ReplicaID, replicas: ReplicaSet) {
        self.id = id
        self.durable = ReplicaImage(replicas: replicas)
        self.current = self.durable
        self.earlier = self.durable
    }

    var unsyncedCount: Int { self.unsynced.count }

    mutating func write(_ write: DiskWrite<RegisterMachine>, sequence: UInt64? = nil) {
        self.current.perform(write)
        self.unsynced.append((write, sequence))
    }

    /// The first `count` writes are on the platter now. Returns the last sequence among them, and whether a snapshot
    /// was finished.
    mutating func synced(_ count: Int, at now: VirtualTime) -> (sequence: UInt64?, installed: LogPosition?) {
        var result: (sequence: UInt64?, installed: LogPosition?)
        for _ in 0..<min(count, self.unsynced.count) {
            let (write, sequence) = self.unsynced.removeFirst()
            self.durable.perform(write)
            result.sequence = sequence ?? result.sequence
            if case .install(.finish(let position, _)) = write { result.installed = position }
        }
        if self.watermarkAt + .milliseconds(100) <= now {
            self.watermark = (self.durable.writes, self.durable.last.index)
            self.watermarkAt = now
        }
        if self.earlierAt + .seconds(1) <= now {
            self.earlier = self.durable
            self.earlierAt = now
        }
        return result
    }

    /// The process is gone; the kernel writes the first `count` of what it has.
    mutating func lose(keeping count: Int) {
        _ = self.synced(count, at: .zero)
        self.unsynced = []
        self.current = self.durable
    }

    /// The disk forgets what it had said was safe. False if it would not be noticed.
    mutating func loseSynced() -> Bool {
        guard self.earlier.writes < self.watermark.writes else { return false }
        self.durable = self.earlier
        self.current = self.earlier
        self.unsynced = []
        return true
    }

    var isBelowWatermark: Bool { self.durable.writes < self.watermark.writes }

    func recovered(group: GroupID, incarnation: GroupIncarnation, settings: RaftSettings) -> RecoveredReplica {
        self.durable.recovered(
            group: group, incarnation: incarnation, id: self.id, settings: settings,
            lost: self.isBelowWatermark ? self.watermark.last : nil)
    }

    func load(_ request: LoadRequest) -> [LogEntry] { self.current.load(request) }
}
