internal import MeshCore

/// Reading what lies of groups, with everything checked that can be.
extension Database {
    // MARK: The log

    /// Visits the entries of a log in order from `first` on, until `visit` returns false. Each one is checked: its own hash,
    /// that it follows the one before, and that terms do not fall.
    ///
    /// - Parameter before: what the first must follow, if that is known.
    func visitLog(
        of group: GroupID, from first: LogIndex, after before: ChainedPosition?,
        _ visit: (LogRecord, RawSpan) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let iterator = self.iterator(.groupLog)
        let prefix = GroupKeys.prefix(group)
        var before = before
        iterator.seek(GroupKeys.entry(group, first))
        while try iterator.isValid(), iterator.key.starts(with: prefix) {
            let record = try self.checked(iterator.key, iterator.value, of: group, after: before)
            guard try visit(record, iterator.value) else { return }
            before = ChainedPosition(position: record.position, chain: record.chain)
            iterator.next()
        }
    }

    private func checked(
        _ key: RawSpan, _ value: RawSpan, of group: GroupID, after before: ChainedPosition?
    ) throws(StorageError) -> LogRecord {
        var index: LogIndex = before.map { $0.index + 1 } ?? 0
        let record: LogRecord
        do throws(WireError) {
            var reader = WireReader(key)
            _ = try reader.read(UInt32.self)
            index = try reader.read()
            try reader.end()
            record = try LogRecord(reading: value, at: index, of: group)
        } catch { throw self.damage(in: group, "entry \(index) is not what was written (\(error))") }
        guard let before else { return record }
        guard index == before.index + 1 else {
            throw self.damage(in: group, "entry \(before.index + 1) is missing: the next one there is \(index)")
        }
        guard record.previous == before.chain, record.position.term >= before.position.term else {
            throw self.damage(in: group, "entry \(index) does not follow the one before it")
        }
        return record
    }

    /// The place of one entry, checked; nil if it is not there.
    func chainedPosition(of index: LogIndex, in group: GroupID) throws(StorageError) -> ChainedPosition? {
        guard let value = try self.get(.groupLog, GroupKeys.entry(group, index)) else { return nil }
        return try self.chainedPosition(reading: value, at: index, in: group)
    }

    func chainedPosition(
        reading value: [UInt8], at index: LogIndex, in group: GroupID
    ) throws(StorageError) -> ChainedPosition {
        do throws(WireError) {
            let record = try LogRecord(reading: value.raw, at: index, of: group)
            return ChainedPosition(position: record.position, chain: record.chain)
        } catch { throw self.damage(in: group, "entry \(index) is not what was written (\(error))") }
    }

    /// Entries as a `LoadRequest` asks for them; none if the first is gone.
    func load(_ request: LoadRequest, of group: GroupID) throws(StorageError) -> [LogEntry] {
        var entries: [LogEntry] = []
        var bytes = 0
        try self.visitLog(of: group, from: request.first, after: nil) { record, value throws(StorageError) in
            guard record.position.index <= request.last, !entries.isEmpty || record.position.index == request.first
            else { return false }
            let entry = record.entry(value)
            bytes += entry.byteCount
            if bytes > request.bytesMax, !entries.isEmpty { return false }
            entries.append(entry)
            return true
        }
        return entries
    }

    // MARK: The state

    /// All of one moment: a snapshot that took the place of the state in between would leave holes.
    func read(_ reads: [StateRead], of group: GroupID) throws(StorageError) -> [[StorageEntry]] {
        let snapshot = self.makeSnapshot(fillsCache: true)
        guard let generation = try self.logBase(of: group, at: snapshot)?.generation else {
            return reads.map { _ in [] }
        }
        var answers: [[StorageEntry]] = []
        answers.reserveCapacity(reads.count)
        for read in reads {
            switch read {
            case .key(let key):
                let value = try self.get(.groupState, GroupKeys.state(group, generation, key), at: snapshot)
                answers.append(value.map { [StorageEntry(key: key, value: $0)] } ?? [])
            case .range(let prefix, let start, let limit, let bytesMax):
                let first = start.lexicographicallyPrecedes(prefix) ? prefix : start
                answers.append(
                    try self.iterator(.groupState, at: snapshot).entries(
                        from: GroupKeys.state(group, generation, first),
                        prefix: GroupKeys.state(group, generation, prefix), limit: limit, bytesMax: bytesMax,
                        dropping: GroupKeys.stateHeaderBytes))
            }
        }
        return answers
    }

    func logBase(of group: GroupID, at snapshot: borrowing DatabaseSnapshot) throws(StorageError) -> RecordedBase? {
        try self.field(.logBase, of: group, at: snapshot) { reader throws(WireError) in try reader.logBase() }
    }

    /// Whether there is something of a snapshot that was not whole when the process ended.
    func holdsRemains(of group: GroupID, beside generation: StateGeneration) throws(StorageError) -> Bool {
        let next = GroupKeys.state(group, generation &+ 1)
        let iterator = self.iterator(.groupState)
        iterator.seek(next)
        guard try iterator.isValid() else { return false }
        return iterator.keyStarts(with: next)
    }

    // MARK: Fields

    func field<Value>(
        _ field: ReplicaField, of group: GroupID, _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(StorageError) -> Value? {
        let key = GroupKeys.field(group, field)
        return try self.field(field, of: group, key, try self.get(.replicas, key), read)
    }

    func field<Value>(
        _ field: ReplicaField, of group: GroupID, at snapshot: borrowing DatabaseSnapshot,
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(StorageError) -> Value? {
        let key = GroupKeys.field(group, field)
        return try self.field(field, of: group, key, try self.get(.replicas, key, at: snapshot), read)
    }

    private func field<Value>(
        _ field: ReplicaField, of group: GroupID, _ key: [UInt8], _ value: [UInt8]?,
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(StorageError) -> Value? {
        guard let value else { return nil }
        do throws(WireError) { return try FieldCodec.open(key, value.raw, read) } catch {
            throw self.damage(in: group, "its record '\(field)' is not what was written (\(error))")
        }
    }

    /// Groups that have anything in a family, in ascending order: one seek each.
    func groups(in family: Family) throws(StorageError) -> [GroupID] {
        let iterator = self.iterator(family)
        var groups: [GroupID] = []
        iterator.seek([])
        while try iterator.isValid() {
            var reader = WireReader(iterator.key)
            guard let number = try? reader.read(UInt32.self), number < .max else {
                throw StorageError(
                    .corrupt, operation: "read \(family.name) in the database \(self.path)",
                    detail: "it has a key that belongs to no group")
            }
            groups.append(GroupID(number))
            iterator.seek(GroupKeys.end(GroupID(number)))
        }
        return groups
    }

    /// The only mend there is for one replica of several is another one.
    func damage(in group: GroupID, _ what: String) -> StorageError {
        StorageError(
            .corrupt, operation: "use \(group) in the database \(self.path)",
            detail: "\(what); this replica must not go on: remove it from the group and add this node again, "
                + "or restore the whole data folder from a backup")
    }

    // MARK: Commits

    private static let commitsKey = Array("commits".utf8)

    /// How many synced batches of groups there were, by the last of them that is still here. One number for all groups,
    /// because the write-ahead log is one: whatever is lost of it is its end.
    func commits() throws(StorageError) -> UInt64? {
        guard let value = try self.get(.node, Self.commitsKey) else { return nil }
        do throws(WireError) {
            return try FieldCodec.open(Self.commitsKey, value.raw) { reader throws(WireError) in try reader.read() }
        } catch {
            throw StorageError(
                .corrupt, operation: "open the database \(self.path)",
                detail:
                    "its number of commits is not what was written (\(error)); restore the data folder from a backup")
        }
    }

    static func putCommits(_ count: UInt64, into batch: inout WriteBatch) {
        batch.put(.node, Self.commitsKey, FieldCodec.seal(Self.commitsKey) { $0.write(count) })
    }
}
