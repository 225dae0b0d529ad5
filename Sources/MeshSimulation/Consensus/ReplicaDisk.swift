internal import DequeModule
internal import MeshCore

/// One write to a replica's part of the disk. They reach the platter in order.
enum DiskWrite: Sendable {
    case log(LogWrite)
    case applied([LogEntry])
    case drop(LogIndex)
    case install(SnapshotEffect)
}

/// What a disk holds of a replica.
struct ReplicaImage: Sendable {
    var state = HardState()
    var base = LogPosition.zero
    /// From `base` on.
    var entries: Deque<LogEntry> = []
    var history: ReplicaHistory
    var applied: LogIndex = 0
    var machine = RegisterMachine()
    var isInstalling = false
    var incoming: [UInt8] = []
    /// Writes so far: what a watermark compares.
    var writes: UInt64 = 0

    init(replicas: ReplicaSet) { self.history = ReplicaHistory(.init(index: 0, replicas: replicas)) }

    var last: LogPosition { self.entries.last?.position ?? self.base }

    func entry(at index: LogIndex) -> LogEntry? {
        guard index > self.base.index, index <= self.last.index else { return nil }
        return self.entries[Int(index - self.base.index - 1)]
    }

    mutating func perform(_ write: DiskWrite) {
        self.writes += 1
        switch write {
        case .log(let write):
            if let state = write.state { self.state = state }
            if let first = write.truncateFrom, first > self.base.index, first <= self.last.index {
                self.entries.removeLast(Int(self.last.index - first + 1))
                self.history.truncate(from: first)
            }
            for entry in write.entries {
                self.entries.append(entry)
                if entry.kind == .configuration, let replicas = ReplicaSet(payload: entry.payload),
                    entry.index > self.history.latest.index
                {
                    self.history.append(replicas, at: entry.index)
                }
            }
        case .applied(let entries):
            for entry in entries where entry.index == self.applied + 1 {
                self.machine.apply(entry)
                self.applied = entry.index
            }
        case .drop(let index):
            guard let entry = self.entry(at: index) else { return }
            self.entries.removeFirst(Int(index - self.base.index))
            self.base = entry.position
            self.history.drop(through: index)
        case .install(let effect): self.install(effect)
        }
    }

    private mutating func install(_ effect: SnapshotEffect) {
        switch effect {
        case .begin:
            self.isInstalling = true
            self.incoming = []
            self.base = .zero
            self.entries = []
            self.applied = 0
            self.machine = RegisterMachine()
            self.history = ReplicaHistory(.init(index: 0, replicas: self.history.latest.replicas))
        case .chunk(_, _, let bytes): self.incoming += bytes
        case .finish(let position, let replicas):
            guard let machine = RegisterMachine(snapshot: self.incoming) else { return }
            self.machine = machine
            self.incoming = []
            self.isInstalling = false
            self.base = position
            self.applied = position.index
            self.history = ReplicaHistory(replicas)
        case .open, .readChunk, .close: break
        }
    }
}

/// A replica's part of a disk: what is on the platter, and what only the kernel has.
struct ReplicaDisk: Sendable {
    let id: ReplicaID
    private(set) var durable: ReplicaImage
    /// As the process sees it.
    private(set) var current: ReplicaImage
    private var unsynced: Deque<(write: DiskWrite, sequence: UInt64?)> = []
    /// Written now and then to a file of its own.
    private(set) var watermark: (writes: UInt64, last: LogIndex) = (0, 0)
    private var watermarkAt = VirtualTime.zero
    /// The platter some time ago, for disks that lose what they said was safe.
    private var earlier: ReplicaImage
    private var earlierAt = VirtualTime.zero

    init(id: ReplicaID, replicas: ReplicaSet) {
        self.id = id
        self.durable = ReplicaImage(replicas: replicas)
        self.current = self.durable
        self.earlier = self.durable
    }

    var unsyncedCount: Int { self.unsynced.count }

    mutating func write(_ write: DiskWrite, sequence: UInt64? = nil) {
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
        let image = self.durable
        var log = RaftLog(base: image.base, tailBytesMax: settings.tailBytesMax)
        for entry in image.entries { log.recover(entry.position, bytes: entry.byteCount) }
        return RecoveredReplica(
            group: group, incarnation: incarnation, id: self.id, state: image.state, log: log, history: image.history,
            applied: image.applied, isInstalling: image.isInstalling,
            lost: self.isBelowWatermark ? self.watermark.last : nil)
    }

    /// The entries that `load` asks for.
    func load(_ request: LoadRequest) -> [LogEntry] {
        var entries: [LogEntry] = []
        var bytes = 0
        var index = request.first
        while index <= request.last, let entry = self.current.entry(at: index) {
            bytes += entry.byteCount
            if bytes > request.bytesMax, !entries.isEmpty { break }
            entries.append(entry)
            index += 1
        }
        return entries
    }
}
