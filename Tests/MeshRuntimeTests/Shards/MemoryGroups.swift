import MeshCore

/// The replicas of one node in memory, as `GroupStorage` promises them, with nothing ever lost.
struct MemoryGroups {
    struct Group {
        var id: ReplicaID
        var incarnation: GroupIncarnation
        var state = HardState()
        var base = LogPosition.zero
        var entries: [LogEntry] = []
        var replicas: ReplicaHistory
        var applied: LogIndex = 0
        var values: [[UInt8]: [UInt8]] = [:]
        var incoming: [UInt8] = []
    }

    var groups: [GroupID: Group] = [:]
    var tombstones: [GroupID: LogIndex] = [:]
    /// Batches of jobs so far: each would have been one fsync.
    private(set) var batches = 0
    private(set) var jobs = 0

    mutating func perform(_ jobs: [GroupJob]) -> [GroupAnswer] {
        if !jobs.isEmpty { self.batches += 1 }
        self.jobs += jobs.count
        return jobs.compactMap { job in self.perform(job).map { GroupAnswer(job.group, $0) } }
    }

    private mutating func perform(_ job: GroupJob) -> GroupAnswer.Result? {
        switch job.work {
        case .create(let fresh):
            self.groups[job.group] = Group(id: fresh.id, incarnation: fresh.incarnation, replicas: fresh.history)
            return .created
        case .write(let write):
            if let state = write.state { self.groups[job.group]?.state = state }
            if let first = write.truncateFrom { self.groups[job.group]?.entries.removeAll { $0.index >= first } }
            self.groups[job.group]?.entries += write.entries
            return .stored(through: write.sequence)
        case .apply(let batch, let position):
            for case .put(let key, let value) in batch.changes { self.groups[job.group]?.values[key] = value }
            self.groups[job.group]?.applied = position.index
            return .applied(through: position.index)
        case .load(let request):
            let entries = self.groups[job.group]?.entries.filter { (request.first...request.last).contains($0.index) }
            return .loaded(request.purpose, entries ?? [])
        case .read(let number, let reads): return .read(number, reads.map { self.read($0, job.group) })
        case .dropLog(let index):
            guard let last = self.groups[job.group]?.entries.last(where: { $0.index <= index }) else { return nil }
            self.groups[job.group]?.base = last.position
            self.groups[job.group]?.entries.removeAll { $0.index <= index }
            return nil
        case .snapshot(let effect): return self.perform(effect, job.group).map { .snapshot($0) }
        case .remove(let id):
            self.groups[job.group] = nil
            self.tombstones[job.group] = id.addedAt
            return .removed
        }
    }

    func read(_ read: StateRead, _ group: GroupID) -> [StorageEntry] {
        let values = self.groups[group]?.values ?? [:]
        switch read {
        case .key(let key): return values[key].map { [StorageEntry(key: key, value: $0)] } ?? []
        case .range(let prefix, let start, let limit, _):
            return values.keys.filter { $0.starts(with: prefix) && !$0.lexicographicallyPrecedes(start) }
                .sorted { $0.lexicographicallyPrecedes($1) }.prefix(limit)
                .map { StorageEntry(key: $0, value: values[$0] ?? []) }
        }
    }

    private mutating func perform(_ effect: SnapshotEffect, _ group: GroupID) -> SnapshotInput? {
        guard let known = self.groups[group] else { return nil }
        switch effect {
        case .open(let receiver):
            let term = known.entries.last { $0.index == known.applied }?.term ?? known.base.term
            return .opened(to: receiver, LogPosition(index: known.applied, term: term))
        case .readChunk(let receiver, let position, let offset, let bytesMax):
            var writer = WireWriter()
            for key in known.values.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                writer.write(bytes: key)
                writer.write(bytes: known.values[key] ?? [])
            }
            let end = min(Int(offset) + bytesMax, writer.count)
            return .chunkRead(
                to: receiver, position, offset: offset, bytes: Array(writer.bytes[Int(offset)..<end]),
                isLast: end == writer.count)
        case .close: return nil
        case .begin, .discard:
            self.groups[group]?.incoming = []
            return nil
        case .chunk(_, _, let bytes):
            self.groups[group]?.incoming += bytes
            return nil
        case .finish(let position, let replicas):
            self.groups[group]?.entries = []
            self.groups[group]?.values = [:]
            var reader = WireReader(known.incoming.raw)
            while reader.offset < known.incoming.count, let key = try? reader.bytes(limit: 1_024),
                let value = try? reader.bytes(limit: 1_024)
            {
                self.groups[group]?.values[key] = value
            }
            self.groups[group]?.base = position
            self.groups[group]?.applied = position.index
            self.groups[group]?.replicas = ReplicaHistory(replicas)
            return .installed(position)
        }
    }

    func recovered(settings: RaftSettings) -> [RecoveredGroup] {
        self.groups.keys.sorted().compactMap { id in
            guard let group = self.groups[id] else { return nil }
            var log = RaftLog(base: group.base, tailBytesMax: settings.tailBytesMax)
            var history = group.replicas
            for entry in group.entries {
                log.recover(entry.position, bytes: entry.byteCount)
                if entry.kind == .configuration, let replicas = ReplicaSet(payload: entry.payload) {
                    history.append(replicas, at: entry.index)
                }
            }
            return .replica(
                RecoveredReplica(
                    group: id, incarnation: group.incarnation, id: group.id, state: group.state, log: log,
                    history: history, applied: group.applied, lost: nil))
        }
    }
}
