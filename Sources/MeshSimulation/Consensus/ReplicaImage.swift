internal import DequeModule
internal import MeshCore

/// What a group's state looks like on a simulated disk.
protocol DiskMachine: Sendable {
    associatedtype Change: Sendable
    init()
    init?(snapshot: [UInt8])
    var snapshot: [UInt8] { get }
    mutating func perform(_ change: Change)
}

/// One write to a replica's part of the disk. They reach the platter in order.
enum DiskWrite<Machine: DiskMachine>: Sendable {
    case log(LogWrite)
    case applied(Machine.Change, through: LogIndex)
    case drop(LogIndex)
    case install(SnapshotEffect)
}

/// What a disk holds of a replica: its log and state, and beside them what has come of a snapshot.
struct ReplicaImage<Machine: DiskMachine>: Sendable {
    var state = HardState()
    var base = LogPosition.zero
    /// From `base` on.
    var entries: Deque<LogEntry> = []
    var history: ReplicaHistory
    var applied: LogIndex = 0
    var machine = Machine()
    private var incoming: [UInt8] = []
    /// Writes so far: what a watermark compares.
    var writes: UInt64 = 0

    init(replicas: ReplicaSet) { self.history = ReplicaHistory(.init(index: 0, replicas: replicas)) }

    var last: LogPosition { self.entries.last?.position ?? self.base }

    func entry(at index: LogIndex) -> LogEntry? {
        guard index > self.base.index, index <= self.last.index else { return nil }
        return self.entries[Int(index - self.base.index - 1)]
    }

    /// What the first entry of a write follows, before the write.
    func last(before write: LogWrite) -> LogPosition? {
        guard let first = write.entries.first?.index else { return nil }
        return self.entry(at: first - 1)?.position ?? (self.base.index == first - 1 ? self.base : nil)
    }

    mutating func perform(_ write: DiskWrite<Machine>) {
        self.writes += 1
        switch write {
        case .log(let write):
            if let state = write.state { self.state = state }
            if let first = write.truncateFrom, first > self.base.index, first <= self.last.index {
                self.entries.removeLast(Int(self.last.index - first + 1))
                self.history.truncate(from: first)
            }
            for entry in write.entries {
                precondition(entry.index == self.last.index + 1, "entry \(entry.position) cannot follow \(self.last)")
                self.entries.append(entry)
                if entry.kind == .configuration, let replicas = ReplicaSet(payload: entry.payload),
                    entry.index > self.history.latest.index
                {
                    self.history.append(replicas, at: entry.index)
                }
            }
        case .applied(let change, let index):
            precondition(
                index >= self.applied && index <= self.last.index,
                "has applied \(self.applied) and holds \(self.last), not \(index)")
            self.machine.perform(change)
            self.applied = index
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
        case .begin, .discard: self.incoming = []
        case .chunk(_, let offset, let bytes):
            precondition(offset == self.incoming.count, "a chunk of \(offset) follows \(self.incoming.count) bytes")
            self.incoming += bytes
        case .finish(let position, let replicas):
            guard let machine = Machine(snapshot: self.incoming) else {
                preconditionFailure("the snapshot of \(position) does not add up")
            }
            precondition(position.index > self.applied, "the snapshot of \(position) takes back \(self.applied)")
            self.machine = machine
            self.incoming = []
            self.base = position
            self.entries = []
            self.applied = position.index
            self.history = ReplicaHistory(replicas)
        case .open, .readChunk, .close: break
        }
    }

    func recovered(
        group: GroupID, incarnation: GroupIncarnation, id: ReplicaID, settings: RaftSettings, lost: LogIndex?
    ) -> RecoveredReplica {
        var log = RaftLog(base: self.base, tailBytesMax: settings.tailBytesMax)
        for entry in self.entries { log.recover(entry.position, bytes: entry.byteCount) }
        return RecoveredReplica(
            group: group, incarnation: incarnation, id: id, state: self.state, log: log, history: self.history,
            applied: self.applied, lost: lost)
    }

    /// The entries that `load` asks for.
    func load(_ request: LoadRequest) -> [LogEntry] {
        var entries: [LogEntry] = []
        var bytes = 0
        var index = request.first
        while index <= request.last, let entry = self.entry(at: index) {
            bytes += entry.byteCount
            if bytes > request.bytesMax, !entries.isEmpty { break }
            entries.append(entry)
            index += 1
        }
        return entries
    }
}
