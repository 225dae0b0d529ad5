internal import MeshCore

/// What was found of one group when the database was opened.
enum FoundGroup: Sendable {
    case replica(ReplicaRecord, RaftLog)
    case removed(GroupIncarnation, addedAt: LogIndex)
    case damaged(StorageError)
}

extension Database {
    /// Every group of which there is anything, with its log read and checked.
    ///
    /// Throws only for what concerns all: damage in one group is that group's outcome.
    func findGroups(tailBytesMax: Int) throws(StorageError) -> [(GroupID, FoundGroup)] {
        // A log or a state without a record of its replica must not look like a node that never held the group.
        let groups = Set(try self.groups(in: .replicas) + self.groups(in: .groupLog) + self.groups(in: .groupState))
        return groups.sorted().map { ($0, self.find($0, tailBytesMax: tailBytesMax)) }
    }

    private func find(_ group: GroupID, tailBytesMax: Int) -> FoundGroup {
        do throws(StorageError) {
            if let removed = try self.tombstone(of: group) { return .removed(removed.0, addedAt: removed.1) }
            var record = try self.record(of: group)
            let log = try self.log(of: group, &record, tailBytesMax: tailBytesMax)
            try self.check(record, log, of: group)
            return .replica(record, log)
        } catch { return .damaged(error) }
    }

    private func tombstone(of group: GroupID) throws(StorageError) -> (GroupIncarnation, LogIndex)? {
        try self.field(.removed, of: group) { reader throws(WireError) in
            (try reader.incarnation(), try reader.read())
        }
    }

    private func record(of group: GroupID) throws(StorageError) -> ReplicaRecord {
        let identity = try self.field(.identity, of: group) { reader throws(WireError) in try reader.identity() }
        let state = try self.field(.hardState, of: group) { reader throws(WireError) in try reader.hardState() }
        let base = try self.field(.logBase, of: group) { reader throws(WireError) in try reader.logBase() }
        let applied = try self.field(.applied, of: group) { reader throws(WireError) in try reader.position() }
        guard let (incarnation, id) = identity, let state, let base, let applied else {
            throw self.damage(in: group, "a record of the replica is missing")
        }
        var record = ReplicaRecord(
            incarnation: incarnation, id: id, baseReplicas: base.replicas, history: ReplicaHistory(base.replicas))
        record.state = state
        record.base = base.place
        record.generation = base.generation
        record.last = base.place
        record.applied = applied
        return record
    }

    private func log(
        of group: GroupID, _ record: inout ReplicaRecord, tailBytesMax: Int
    ) throws(StorageError) -> RaftLog {
        var log = RaftLog(base: record.base.position, tailBytesMax: tailBytesMax)
        var last = record.base
        var history = record.history
        // From the very first key, so that nothing before the base goes unnoticed.
        try self.visitLog(of: group, from: 0, after: last) { entry, value throws(StorageError) in
            let payload = value.byteCount - LogRecord.headerBytes
            log.recover(entry.position, bytes: payload + LogEntry.overheadBytes)
            if entry.kind == .configuration, entry.position.index > history.latest.index,
                let replicas = ReplicaSet(payload: entry.entry(value).payload)
            {
                history.append(replicas, at: entry.position.index)
            }
            last = ChainedPosition(position: entry.position, chain: entry.chain)
            return true
        }
        record.last = last
        record.history = history
        return log
    }

    /// What no crash can bring about, because everything reaches the disk in the order of one write-ahead log.
    private func check(_ record: ReplicaRecord, _ log: RaftLog, of group: GroupID) throws(StorageError) {
        guard record.applied.index <= record.last.index else {
            throw self.damage(
                in: group, "its state is that of entry \(record.applied.index), its log ends at \(record.last.index)")
        }
        guard log.term(at: record.applied.index) == record.applied.term else {
            throw self.damage(in: group, "its state is that of entry \(record.applied), which its log does not have")
        }
        guard record.state.term >= record.last.position.term else {
            throw self.damage(
                in: group, "its term is \(record.state.term), older than its last entry \(record.last.position)")
        }
    }
}
