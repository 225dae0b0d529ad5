internal import DequeModule
internal import MeshCore

/// From committed entries to the state: what is missing is read, then applied in memory, then written.
///
/// Raft and the lead hear of an applied batch at once, not when it is on the disk: a state that a crash takes back is
/// made again from the log, whose entries are only dropped by a job that follows the write. What may run ahead of the
/// disk is bounded.
extension GroupReplica {
    private static var residentPageEntries: Int { 4_096 }
    private static var residentPageBytes: Int { 1 << 20 }

    func advanceApplying(at moment: Moment, into turn: inout Turn) {
        guard let last = self.handed.last, self.resident == nil, self.reads.isEmpty || !self.isFetching else { return }
        let missing = self.state.missing(for: self.handed)
        guard missing.isEmpty else {
            return self.read(missing.map { .key($0) }, for: .missing(missing), into: &turn)
        }
        let entries = self.handed
        self.handed = []
        var batch = StateBatch()
        let outcomes = self.state.apply(entries, into: &batch)
        precondition(
            outcomes.count == entries.count, "\(self.group): \(outcomes.count) outcomes of \(entries.count) entries")
        self.unwritten.append((last.index, batch.byteCount))
        self.unwrittenBytes += batch.byteCount
        turn.jobs.append(GroupJob(self.group, .apply(batch, through: last.position)))
        self.environment.counters.entriesApplied += entries.count
        self.observer?.applied(entries, by: self.raft)
        for (entry, outcome) in zip(entries, outcomes) {
            let proposal = self.proposal(at: entry.position, at: moment, into: &turn)
            self.stepLead(.applied(entry.position, outcome, proposal: proposal), at: moment, into: &turn)
        }
        let settings = self.environment.settings
        if self.unwrittenBytes <= settings.unwrittenBytesMax, self.unwritten.count <= settings.unwrittenBatchesMax {
            self.inputs.append(.applied(through: last.index))
        } else {
            self.owedApplied = last.index
        }
        self.drain(at: moment, into: &turn)
    }

    private var isFetching: Bool {
        self.reads.values.contains { if case .missing = $0 { true } else { false } }
    }

    /// The disk holds the state up to there.
    func written(through index: LogIndex, at moment: Moment, into turn: inout Turn) {
        guard let first = self.unwritten.first, first.through <= index else { return }
        while let first = self.unwritten.first, first.through <= index {
            self.unwrittenBytes -= first.bytes
            self.unwritten.removeFirst()
        }
        self.state.written(through: index)
        guard let owed = self.owedApplied else { return }
        self.owedApplied = nil
        self.step(.applied(through: owed), at: moment, into: &turn)
    }

    // MARK: Reads

    func read(_ reads: [StateRead], for purpose: ReadPurpose, into turn: inout Turn) {
        self.lastRead += 1
        self.reads[self.lastRead] = purpose
        turn.jobs.append(GroupJob(self.group, .read(self.lastRead, reads)))
    }

    /// Answers to a state that was given up since are not known any more, and mean nothing.
    func wasRead(_ number: UInt64, _ lists: [[StorageEntry]], at moment: Moment, into turn: inout Turn) {
        guard let purpose = self.reads.removeValue(forKey: number) else { return }
        do throws(WireError) {
            switch purpose {
            case .lead(let id): self.stepLead(.read(id, lists), at: moment, into: &turn)
            case .missing(let keys):
                for (key, list) in zip(keys, lists) { try self.state.learn(key, list.first?.value) }
                self.advanceApplying(at: moment, into: &turn)
            case .resident(let page): try self.took(lists.first ?? [], of: page, at: moment, into: &turn)
            }
        } catch {
            self.ending = .damaged(
                StorageError(.corrupt, operation: "read the state of \(self.group)", detail: "\(error)"))
        }
    }

    // MARK: What the state wants in memory

    func beginResident(into turn: inout Turn) {
        guard let prefix = Lead.State.resident.first else { return }
        self.resident = Resident(prefix: 0, start: prefix)
        self.readResident(into: &turn)
    }

    private func readResident(into turn: inout Turn) {
        guard let resident = self.resident else { return }
        let range = StateRead.range(
            prefix: Lead.State.resident[resident.prefix], start: resident.start, limit: Self.residentPageEntries,
            bytesMax: Self.residentPageBytes)
        self.read([range], for: .resident(resident), into: &turn)
    }

    private func took(
        _ entries: [StorageEntry], of page: Resident, at moment: Moment, into turn: inout Turn
    ) throws(WireError) {
        for entry in entries { try self.state.learn(entry.key, entry.value) }
        var next = page
        if let last = entries.last {
            // A short page may have been cut by its bytes, so only an empty one ends a range.
            next.start = last.key + [0]
        } else {
            next.prefix += 1
            guard next.prefix < Lead.State.resident.count else {
                self.resident = nil
                return self.advanceApplying(at: moment, into: &turn)
            }
            next.start = Lead.State.resident[next.prefix]
        }
        self.resident = next
        self.readResident(into: &turn)
    }

    /// A snapshot has taken the place of the state: what was known of it is void, and so are answers about it.
    func forgetState(at moment: Moment, into turn: inout Turn) {
        self.state = self.makeState(self.group)
        self.handed = []
        // The lead waits for what it asked for, whichever state that is of.
        self.reads = self.reads.filter { if case .lead = $0.value { true } else { false } }
        self.resident = nil
        self.unwritten = []
        self.unwrittenBytes = 0
        self.owedApplied = nil
        self.giveUpProposals(at: moment, into: &turn)
    }
}
