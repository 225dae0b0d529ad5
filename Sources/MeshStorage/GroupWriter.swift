internal import MeshCore

/// Turns the jobs of groups into changes of the database, in the order in which they come. The thread that writes owns it.
///
/// It holds what it must know to write without reading first: where each log ends, its chain, and what the replica is.
struct GroupWriter: ~Copyable {
    /// One replica, while the database is open.
    final class Replica {
        var record: ReplicaRecord
        var install: SnapshotReceiver?
        /// Entries from here on are in the batch that is being filled, where no read finds them yet.
        var unwrittenFrom = LogIndex.max

        /// A snapshot is received as this one.
        var incoming: StateGeneration { self.record.generation &+ 1 }

        init(_ record: ReplicaRecord) { self.record = record }
    }

    /// An answer, and what must have happened before it may be given.
    struct Answer {
        var needsSync: Bool
        var result: GroupAnswer.Result
    }

    let database: Database
    private var batch: WriteBatch
    private var replicas: [GroupID: Replica] = [:]
    private var damaged: [GroupID: StorageError] = [:]
    /// Groups whose part of the watermark changes with the next fsync.
    private var changed: Set<GroupID> = []
    private var commits: UInt64 = 0
    private(set) var owesSync = false

    init(_ database: Database) {
        self.database = database
        self.batch = WriteBatch(database.families)
    }

    var byteCount: Int { self.batch.byteCount }

    // MARK: What was found on the disk

    mutating func begin(commits: UInt64) { self.commits = commits }
    mutating func begin(_ group: GroupID, damaged error: StorageError) { self.damaged[group] = error }

    mutating func begin(_ group: GroupID, _ record: ReplicaRecord) {
        let replica = Replica(record)
        self.replicas[group] = replica
        // What cannot be read cannot be told from remains, and goes all the same.
        let remains = attempt { () throws(StorageError) in
            try self.database.holdsRemains(of: group, beside: record.generation)
        }
        if case .success(false) = remains { return }
        self.deleteState(group, replica.incoming)
    }

    /// Writes down what a replica lost, and returns what is known of it now.
    mutating func note(lost: LogIndex, of group: GroupID, _ record: ReplicaRecord) -> ReplicaRecord {
        var record = record
        record.state.shortfall = Shortfall(acknowledged: max(lost, record.state.shortfall?.acknowledged ?? 0))
        self.replicas[group]?.record = record
        self.put(.hardState, group) { $0.write(record.state) }
        self.mustSync(group)
        return record
    }

    // MARK: The batch

    mutating func add(_ batch: StorageBatch) {
        guard !batch.isEmpty else { return }
        self.batch.add(batch)
        self.owesSync = true
    }

    /// Hands what was gathered to RocksDB: from now on every read sees it.
    mutating func writeOut() {
        if !self.changed.isEmpty {
            self.commits += 1
            Database.putCommits(self.commits, into: &self.batch)
        }
        guard !self.batch.isEmpty else { return }
        demand { () throws(StorageError) in try self.database.write(self.batch) }
        self.batch.clear()
        for group in self.changed { self.replicas[group]?.unwrittenFrom = .max }
    }

    /// Makes everything durable and says what the watermark has to know of it.
    mutating func sync() -> (commits: UInt64, tails: [(GroupID, Watermark.Tail?)]) {
        demand { () throws(StorageError) in try self.database.sync() }
        let tails = self.changed.map { ($0, (self.replicas[$0]?.record).map(Watermark.Tail.init)) }
        self.changed.removeAll(keepingCapacity: true)
        self.owesSync = false
        return (self.commits, tails)
    }

    private mutating func mustSync(_ group: GroupID) {
        self.changed.insert(group)
        self.owesSync = true
    }

    // MARK: Jobs

    /// Adds what a job changes. Nothing of a job whose group is damaged is added.
    mutating func add(_ job: GroupJob) -> Answer? {
        if let error = self.damaged[job.group] {
            guard case .remove(let id) = job.work else { return Answer(needsSync: false, result: .damaged(error)) }
            return self.remove(job.group, id, GroupIncarnation(counter: 0, id: 0))
        }
        do throws(StorageError) {
            return try self.perform(job.work, job.group)
        } catch {
            self.damaged[job.group] = error
            return Answer(needsSync: false, result: .damaged(error))
        }
    }

    private mutating func perform(_ work: GroupJob.Work, _ group: GroupID) throws(StorageError) -> Answer? {
        if case .create(let recovered) = work { return self.create(group, recovered) }
        guard let replica = self.replicas[group] else {
            preconditionFailure("\(group) was never created on this disk, or was removed from it")
        }
        switch work {
        case .create: return nil
        case .write(let write): return try self.write(write, group, replica)
        case .apply(let changes, let position): return self.apply(changes, position, group, replica)
        case .dropLog(let index):
            try self.dropLog(through: index, group, replica)
            return nil
        case .snapshot(let effect): return self.install(effect, group, replica)
        case .remove(let id):
            precondition(id == replica.record.id, "\(group) is replica \(replica.record.id), not \(id)")
            return self.remove(group, id, replica.record.incarnation)
        case .load, .read: preconditionFailure("reads have a thread of their own")
        }
    }

    private mutating func create(_ group: GroupID, _ recovered: RecoveredReplica) -> Answer {
        precondition(self.replicas[group] == nil, "\(group) is on this disk already")
        precondition(
            recovered.log.isEmpty && recovered.log.base == .zero && recovered.applied == 0,
            "a replica of \(group) begins with nothing")
        let replicas = recovered.history.version(at: 0)
        var record = ReplicaRecord(
            incarnation: recovered.incarnation, id: recovered.id, baseReplicas: replicas,
            history: ReplicaHistory(replicas))
        record.state = recovered.state
        self.replicas[group] = Replica(record)
        // Of a replica that was here before, only that it was is left; from now on this one's identity says more.
        self.batch.delete(.replicas, GroupKeys.field(group, .removed))
        self.put(.identity, group) { $0.write(identity: record) }
        self.put(.hardState, group) { $0.write(record.state) }
        self.put(.logBase, group) { $0.write(baseOf: record) }
        self.put(.applied, group) { $0.write(at: record.applied) }
        self.mustSync(group)
        return Answer(needsSync: true, result: .created)
    }

    private mutating func remove(_ group: GroupID, _ id: ReplicaID, _ incarnation: GroupIncarnation) -> Answer {
        self.replicas[group] = nil
        self.damaged[group] = nil
        let (first, end) = (GroupKeys.prefix(group), GroupKeys.end(group))
        for family in [Family.replicas, .groupLog, .groupState] { self.batch.delete(family, from: first, to: end) }
        self.put(.removed, group) {
            $0.write(incarnation.counter)
            $0.write(incarnation.id)
            $0.write(id.addedAt)
        }
        self.mustSync(group)
        return Answer(needsSync: true, result: .removed)
    }

    private mutating func write(
        _ write: LogWrite, _ group: GroupID, _ replica: Replica
    ) throws(StorageError) -> Answer {
        if let first = write.truncateFrom, first <= replica.record.last.index {
            try self.truncate(from: first, group, replica)
        }
        if let state = write.state {
            replica.record.state = state
            self.put(.hardState, group) { $0.write(state) }
        }
        for entry in write.entries { self.append(entry, group, replica) }
        self.mustSync(group)
        return Answer(needsSync: true, result: .stored(through: write.sequence))
    }

    private mutating func append(_ entry: LogEntry, _ group: GroupID, _ replica: Replica) {
        let last = replica.record.last
        precondition(
            entry.index == last.index + 1 && entry.term >= last.position.term,
            "entry \(entry.position) of \(group) cannot follow \(last.position)")
        let (record, chain) = LogRecord.encode(entry, in: group, after: last.chain)
        self.batch.put(.groupLog, GroupKeys.entry(group, entry.index), record)
        replica.unwrittenFrom = min(replica.unwrittenFrom, entry.index)
        replica.record.last = ChainedPosition(position: entry.position, chain: chain)
        if entry.kind == .configuration, let replicas = ReplicaSet(payload: entry.payload) {
            replica.record.history.append(replicas, at: entry.index)
        }
    }

    private mutating func truncate(
        from first: LogIndex, _ group: GroupID, _ replica: Replica
    ) throws(StorageError) {
        precondition(
            first > replica.record.applied.index, "\(group) has applied \(replica.record.applied), \(first) cannot go")
        let last = try self.place(of: first - 1, group, replica)
        self.batch.delete(
            .groupLog, from: GroupKeys.entry(group, first), to: GroupKeys.entry(group, replica.record.last.index + 1))
        replica.record.last = last
        replica.record.history.truncate(from: first)
        replica.unwrittenFrom = min(replica.unwrittenFrom, first)
    }

    /// An entry that is in the log, with its chain.
    private mutating func place(
        of index: LogIndex, _ group: GroupID, _ replica: Replica
    ) throws(StorageError) -> ChainedPosition {
        if index == replica.record.base.index { return replica.record.base }
        if index == replica.record.last.index { return replica.record.last }
        if index >= replica.unwrittenFrom { self.writeOut() }
        guard let place = try self.database.chainedPosition(of: index, in: group) else {
            throw self.database.damage(in: group, "entry \(index) is missing")
        }
        return place
    }

    private mutating func apply(
        _ changes: StateBatch, _ position: LogPosition, _ group: GroupID, _ replica: Replica
    ) -> Answer {
        // The log first: no state may survive a crash that its entries did not.
        precondition(
            position.index >= replica.record.applied.index && position.index <= replica.record.last.index,
            "\(group) has applied \(replica.record.applied) and holds \(replica.record.last.position), not \(position)")
        let generation = replica.record.generation
        for change in changes.changes {
            switch change {
            case .put(let key, let value): self.batch.put(.groupState, GroupKeys.state(group, generation, key), value)
            case .delete(let key): self.batch.delete(.groupState, GroupKeys.state(group, generation, key))
            case .deletePrefix(let prefix):
                let first = GroupKeys.state(group, generation, prefix)
                self.batch.delete(.groupState, from: first, to: GroupKeys.successor(of: first))
            }
        }
        replica.record.applied = position
        self.put(.applied, group) { $0.write(at: position) }
        return Answer(needsSync: false, result: .applied(through: position.index))
    }

    private mutating func dropLog(
        through index: LogIndex, _ group: GroupID, _ replica: Replica
    ) throws(StorageError) {
        guard index > replica.record.base.index else { return }
        precondition(
            index <= replica.record.applied.index, "\(group) has applied \(replica.record.applied), not \(index)")
        let base = try self.place(of: index, group, replica)
        self.batch.delete(
            .groupLog, from: GroupKeys.entry(group, replica.record.base.index + 1),
            to: GroupKeys.entry(group, index + 1))
        replica.record.base = base
        replica.record.baseReplicas = replica.record.history.version(at: index)
        replica.record.history.drop(through: index)
        self.put(.logBase, group) { $0.write(baseOf: replica.record) }
    }

    // MARK: Snapshots on their way in

    private mutating func install(_ effect: SnapshotEffect, _ group: GroupID, _ replica: Replica) -> Answer? {
        switch effect {
        case .begin(let position):
            replica.install = SnapshotReceiver(position, of: group)
            self.deleteState(group, replica.incoming)
            return nil
        case .chunk(let position, let offset, let bytes):
            guard replica.install?.position == position else { return nil }
            for entry in replica.install?.receive(bytes, at: offset) ?? [] {
                self.batch.put(.groupState, GroupKeys.state(group, replica.incoming, entry.key), entry.value)
            }
            return nil
        case .finish(let position, let replicas):
            let install = replica.install
            replica.install = nil
            guard let install, install.position == position, let chain = install.result else {
                self.deleteState(group, replica.incoming)
                return Answer(needsSync: false, result: .snapshot(.refused(position)))
            }
            self.replace(group, replica, by: ChainedPosition(position: position, chain: chain), replicas)
            return Answer(needsSync: true, result: .snapshot(.installed(position)))
        case .discard:
            replica.install = nil
            self.deleteState(group, replica.incoming)
            return nil
        case .open, .readChunk, .close: preconditionFailure("reads have a thread of their own")
        }
    }

    /// The state that came in takes the place of the old one, and its position that of the log: all in one batch, so that
    /// whatever a crash leaves is whole.
    private mutating func replace(
        _ group: GroupID, _ replica: Replica, by place: ChainedPosition, _ replicas: ReplicaHistory.Version
    ) {
        precondition(
            place.index > replica.record.applied.index,
            "\(group) has applied \(replica.record.applied), a snapshot of \(place.position) would take it back")
        self.deleteState(group, replica.record.generation)
        self.batch.delete(.groupLog, from: GroupKeys.prefix(group), to: GroupKeys.end(group))
        replica.record.base = place
        replica.record.baseReplicas = replicas
        replica.record.generation = replica.incoming
        replica.record.history = ReplicaHistory(replicas)
        replica.record.last = place
        replica.record.applied = place.position
        replica.unwrittenFrom = .max
        self.put(.logBase, group) { $0.write(baseOf: replica.record) }
        self.put(.applied, group) { $0.write(at: place.position) }
        self.mustSync(group)
    }

    private mutating func deleteState(_ group: GroupID, _ generation: StateGeneration) {
        let first = GroupKeys.state(group, generation)
        self.batch.delete(.groupState, from: first, to: GroupKeys.successor(of: first))
    }

    private mutating func put(_ field: ReplicaField, _ group: GroupID, _ write: (inout WireWriter) -> Void) {
        let key = GroupKeys.field(group, field)
        self.batch.put(.replicas, key, FieldCodec.seal(key, write))
    }
}
