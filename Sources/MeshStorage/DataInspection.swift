package import MeshCore

/// Reads the database of a stopped node without changing a byte of it.
package final class DataInspection {
    private let database: Database
    private let mark: FoundWatermark
    private let tornTail: TornTail.Verdict?
    private var report: DataReport

    /// - Throws: what keeps the whole database from being read, as it would keep a node from starting.
    package init(directory: String) throws(StorageError) {
        var torn: TornTail.Verdict?
        let database = try Database.open(
            directory, mode: .readOnly, memory: DatabaseOptions.memoryDefault, whenTorn: { torn = $0 })
        let (format, owner) = try database.owner()
        let mark = try FoundWatermark.read(Watermark.path(of: directory), node: owner)
        let report = DataReport(
            path: directory, node: owner.description, format: format, commits: try database.commits() ?? 0)
        self.database = database
        self.mark = mark
        self.tornTail = torn
        self.report = report
    }

    // MARK: Verifying

    /// Reads everything and checks what can be checked: the checksum of every block, every entry's hash and its place in the
    /// chain, every record of a replica, and all of it against the watermark.
    package func verify() -> DataReport {
        self.checkTail()
        self.checkWatermark()
        for family in Family.allCases { self.checkTable(family) }
        self.checkGroups()
        return self.report
    }

    /// The groups alone, their states counted.
    package func groups() -> DataReport {
        self.checkTail()
        self.checkWatermark()
        self.checkGroups()
        return self.report
    }

    private func add(_ severity: DataReport.Severity, _ place: String, _ text: String, mend: String) {
        self.report.findings.append(.init(severity: severity, place: place, text: text, mend: mend))
    }

    private func checkTail() {
        guard case .torn(let file, let offset)? = self.tornTail else { return }
        self.add(
            .note, "database", "the write-ahead log \(file) is torn at byte \(offset), and nothing valid follows",
            mend: "none needed: the next start cuts it off")
    }

    private func checkWatermark() {
        switch self.mark {
        case .none where self.report.commits == 0: break
        case .none:
            self.add(
                .loss, "watermark", "its file is missing, so nobody can say what had been promised",
                mend: "start the node: its replicas are careful until they have caught up with the others")
        case .unreadable(let error):
            self.add(
                .loss, "watermark", "its file is not what was written (\(error))",
                mend: "start the node: its replicas are careful until they have caught up with the others")
        case .mark(let mark):
            self.report.promised = mark.commits
            guard mark.commits > self.report.commits else { return }
            self.add(
                .loss, "watermark",
                "\(mark.commits) commits were promised, and the database has \(self.report.commits)",
                mend: "start the node: replicas that lost something are careful until they have caught up; "
                    + "then look for a disk that does not keep what it says it has written")
        }
    }

    private func checkTable(_ family: Family) {
        var table = DataReport.Table(name: family.name, entries: 0, bytes: 0)
        do throws(StorageError) {
            let iterator = self.database.iterator(family)
            iterator.seek([])
            while try iterator.isValid() {
                table.entries += 1
                table.bytes += iterator.byteCount
                iterator.next()
            }
        } catch {
            self.add(
                .damage, "table \(family.name)", "it cannot be read past entry \(table.entries): \(error.detail)",
                mend: "restore the data folder from a backup, or replace this node by a new one")
        }
        self.report.tables.append(table)
    }

    // MARK: Groups

    private func checkGroups() {
        let found = attempt { () throws(StorageError) in
            try self.database.findGroups(tailBytesMax: RaftSettings().tailBytesMax)
        }
        guard case .success(let found) = found else {
            if case .failure(let error) = found {
                self.add(
                    .damage, "database", error.detail,
                    mend: "restore the data folder from a backup, or replace this node by a new one")
            }
            return
        }
        let judged = GroupJudgement.judge(
            found, commits: self.report.commits, against: self.mark, in: self.database)
        for group in judged { self.check(group) }
    }

    private func check(_ judged: JudgedGroup) {
        var group = DataReport.Group(group: judged.group.number, status: .sound)
        let place = judged.group.description
        switch judged.found {
        case .damaged(let error):
            group.status = .damaged
            self.add(
                .damage, place, error.detail,
                mend: "remove this replica from its group and add the node again: the others hold its data")
        case .removed: group.status = .removed
        case .replica(let record, let log):
            let shortfall = record.state.shortfall
            let acknowledged = judged.lost ?? shortfall?.acknowledged
            group.status = judged.lost != nil || shortfall != nil ? .short : .sound
            group.replica = DataReport.Replica(record, log, acknowledged: acknowledged)
            self.check(record, lost: judged.lost, place)
        }
        self.countState(judged.group, judged.found.record?.generation, into: &group)
        self.report.groups.append(group)
    }

    private func check(_ record: ReplicaRecord, lost: LogIndex?, _ place: String) {
        if let lost {
            self.add(
                .loss, place, "its log ends at \(record.last.index), and up to \(lost) may have been acknowledged",
                mend: "start the node: this replica is careful until it has caught up")
        } else if let shortfall = record.state.shortfall {
            self.add(
                .note, place, "it lost something before, and had acknowledged up to \(shortfall.acknowledged)",
                mend: "none needed: it is careful until it has caught up")
        }
    }

    /// - Parameter generation: the state in force; nil where nobody can say which that is.
    private func countState(_ id: GroupID, _ generation: StateGeneration?, into group: inout DataReport.Group) {
        do throws(StorageError) {
            let iterator = self.database.iterator(.groupState)
            let prefix = generation.map { GroupKeys.state(id, $0) } ?? GroupKeys.prefix(id)
            iterator.seek(prefix)
            while try iterator.isValid(), iterator.keyStarts(with: prefix) {
                group.stateEntries += 1
                group.stateBytes += iterator.byteCount - GroupKeys.stateHeaderBytes
                iterator.next()
            }
            if let generation, try self.database.holdsRemains(of: id, beside: generation) {
                self.add(
                    .note, id.description, "a snapshot was being received beside its state and was not yet whole",
                    mend: "none needed: the next start removes what had come")
            }
        } catch {
            group.status = .damaged
            self.add(
                .damage, id.description, "its state cannot be read past value \(group.stateEntries): \(error.detail)",
                mend: "remove this replica from its group and add the node again: the others hold its data")
        }
    }

    // MARK: Entries

    /// Whether there is anything of a group.
    package func holds(_ group: GroupID) throws(StorageError) -> Bool {
        let prefix = GroupKeys.prefix(group)
        for family in [Family.replicas, .groupLog, .groupState] {
            let iterator = self.database.iterator(family)
            iterator.seek(prefix)
            if try iterator.isValid(), iterator.keyStarts(with: prefix) { return true }
        }
        return false
    }

    /// Entries of one log in order, each checked.
    package func entries(
        of group: GroupID, from first: LogIndex, limit: Int, withPayload: Bool
    ) throws(StorageError) -> [DataReport.Entry] {
        var entries: [DataReport.Entry] = []
        try self.database.visitLog(of: group, from: first, after: nil) { record, value throws(StorageError) in
            guard entries.count < limit else { return false }
            let payload = record.entry(value).payload
            entries.append(
                DataReport.Entry(
                    index: record.position.index, term: record.position.term, kind: "\(record.kind)",
                    bytes: payload.count, chain: hexadecimal(record.chain),
                    payload: withPayload ? payload.map(hexadecimal).joined() : nil))
            return true
        }
        return entries
    }
}

extension DataReport.Replica {
    fileprivate init(_ record: ReplicaRecord, _ log: RaftLog, acknowledged: LogIndex?) {
        let replicas = record.history.latest.replicas
        self.init(
            addedAt: record.id.addedAt, incarnation: record.incarnation.counter, term: record.state.term,
            vote: record.state.vote?.description, base: record.base.index, last: record.last.index,
            applied: record.applied.index, logBytes: log.bytes, chain: hexadecimal(record.last.chain),
            voters: replicas.voters.map(\.description), learners: replicas.learners.map(\.description),
            acknowledged: acknowledged)
    }
}

private func hexadecimal<Number: FixedWidthInteger>(_ number: Number) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: Number.bitWidth / 4 - text.count) + text
}
