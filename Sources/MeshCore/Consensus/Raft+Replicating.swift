/// Log replication (§3.5) in batches, pipelined (§10.2.1), with windows.
extension Raft {
    // MARK: Leader

    mutating func propose(_ proposals: [Proposal], at now: Instant, into effects: inout Effects) {
        var entries: [LogEntry] = []
        for proposal in proposals {
            if let rejection = self.rejection(of: proposal, waiting: entries.reduce(0) { $0 + $1.byteCount }) {
                effects.reject(proposal.id, rejection)
                continue
            }
            let entry = LogEntry(
                index: self.log.last.index + UInt64(entries.count) + 1, term: self.term, kind: .command,
                payload: proposal.payload)
            entries.append(entry)
            effects.list.append(.accepted(proposal.id, entry.position))
        }
        guard !entries.isEmpty else { return }
        self.leadership?.busyAt = now
        self.append(entries, into: &effects)
    }

    private func rejection(of proposal: Proposal, waiting: Int) -> Rejection? {
        guard let leadership = self.leadership else { return .notLeader(self.leader) }
        if proposal.payload.count > self.settings.payloadBytesMax { return .tooLarge }
        // Whoever takes over must not have to wait for ever more entries (§3.10).
        if leadership.transfer != nil { return .transferring }
        let bytes = leadership.uncommittedBytes + waiting + proposal.payload.count
        // A single proposal is always let in, however small the limit.
        if leadership.uncommittedBytes + waiting > 0, bytes > self.settings.uncommittedBytesMax { return .overloaded }
        return self.log.bytes > self.settings.logBytesLimit ? .overloaded : nil
    }

    /// Each follower gets what it lacks, as far as its window allows.
    mutating func tellFollowers(at now: Instant, into effects: inout Effects) {
        guard let count = self.leadership?.followers.count else { return }
        let needsRound = self.leadership?.needsRound ?? false
        self.leadership?.needsRound = false
        for place in 0..<count {
            var hasSent = false
            // Each turn fills the window by one message, so the window ends it.
            while self.sendEntries(to: place, at: now, into: &effects) { hasSent = true }
            guard !hasSent, let progress = self.leadership?.followers[place] else { continue }
            if needsRound || self.owesCommit(to: progress) { self.confirm(place, at: now, into: &effects) }
        }
        self.forgetDeparted()
    }

    /// A follower learns that something is committed with the next append, or by one made for it.
    private func owesCommit(to progress: Progress) -> Bool {
        guard case .replicate = progress.mode, progress.asleepSince == nil else { return false }
        return progress.commitSent < min(self.commit, progress.match)
    }

    /// Returns whether something was sent and more may follow.
    private mutating func sendEntries(to place: Int, at now: Instant, into effects: inout Effects) -> Bool {
        guard let progress = self.leadership?.followers[place], progress.hasRoom(self.settings) else { return false }
        let isProbe = if case .probe = progress.mode { true } else { false }
        guard isProbe || progress.next <= self.log.last.index else { return false }
        guard let previous = self.log.term(at: progress.next - 1) else {
            self.beginSnapshot(to: place, at: now, into: &effects)
            return false
        }
        let limit = isProbe ? min(self.settings.appendBytesMax, 64 << 10) : self.settings.appendBytesMax
        guard
            let entries = self.log.entries(
                from: progress.next, through: self.log.last.index, bytesMax: limit, countMax: Append.entriesMax)
        else {
            self.leadership?.followers[place].isLoading = true
            effects.list.append(
                .load(
                    LoadRequest(
                        purpose: .replicate(progress.id), first: progress.next, last: self.log.last.index,
                        bytesMax: limit)))
            return false
        }
        self.send(
            entries, after: LogPosition(index: progress.next - 1, term: previous), to: place, at: now, into: &effects)
        return !isProbe
    }

    private mutating func send(
        _ entries: [LogEntry], after previous: LogPosition, to place: Int, at now: Instant, into effects: inout Effects
    ) {
        guard let progress = self.leadership?.followers[place] else { return }
        self.leadership?.followers[place].sentAt = now
        self.leadership?.followers[place].asleepSince = nil
        if case .probe = progress.mode {
            self.leadership?.followers[place].isProbing = true
        } else if let last = entries.last {
            let bytes = entries.reduce(0) { $0 + $1.byteCount }
            self.leadership?.followers[place].next = last.index + 1
            self.leadership?.followers[place].inFlight.append(.init(last: last.index, bytes: bytes))
            self.leadership?.followers[place].inFlightBytes += bytes
        }
        let known = min(self.commit, previous.index + UInt64(entries.count))
        self.leadership?.followers[place].commitSent = max(progress.commitSent, known)
        let append = Append(
            previous: previous, commit: self.commit, stamp: now, acknowledged: progress.match,
            heldByAll: self.heldByAll, entries: entries)
        self.send(.append(append), to: progress.id, into: &effects)
    }

    /// An append without entries: begins a round for reads, tells the commit index, asks how far the follower is.
    mutating func confirm(_ place: Int, at now: Instant, into effects: inout Effects) {
        guard let progress = self.leadership?.followers[place] else { return }
        // After what it certainly holds, so that this is never refused for what is still on its way.
        let index = max(progress.match, self.log.base.index)
        guard let term = self.log.term(at: index) else { return }
        if case .replicate = progress.mode, index < progress.next - 1, progress.inFlight.isEmpty {
            self.leadership?.followers[place].probe(from: progress.match + 1)
            return
        }
        self.leadership?.followers[place].asleepSince = nil
        self.leadership?.followers[place].confirmedAt = now
        self.leadership?.followers[place].commitSent = max(progress.commitSent, min(self.commit, index))
        let append = Append(
            previous: LogPosition(index: index, term: term), commit: self.commit, stamp: now,
            acknowledged: progress.match, heldByAll: self.heldByAll, entries: [])
        self.send(.append(append), to: progress.id, into: &effects)
    }

    mutating func loaded(
        _ entries: [LogEntry], for purpose: LoadPurpose, at now: Instant, into effects: inout Effects
    ) {
        switch purpose {
        case .apply:
            self.isLoadingToApply = false
            guard let first = entries.first, first.index == self.handedOut + 1, self.holds(entries), !self.isReplacing
            else { return }
            self.handOut(entries.filter { $0.index <= self.commit }, into: &effects)
        case .replicate(let id):
            guard let place = self.leadership?.place(of: id) else { return }
            self.leadership?.followers[place].isLoading = false
            guard let first = entries.first, self.leadership?.followers[place].next == first.index,
                self.holds(entries), let previous = self.log.term(at: first.index - 1)
            else { return }
            self.send(
                entries, after: LogPosition(index: first.index - 1, term: previous), to: place, at: now,
                into: &effects)
        }
    }

    /// Meanwhile the log may have been truncated.
    private func holds(_ entries: [LogEntry]) -> Bool {
        entries.allSatisfy { self.log.term(at: $0.index) == $0.term }
    }

    mutating func receive(
        _ response: AppendResponse, from follower: ReplicaID, at now: Instant, into effects: inout Effects
    ) {
        guard let place = self.leadership?.place(of: follower), let leadership = self.leadership else {
            if self.leadership != nil { effects.refuse(.unknownReplica) }
            return
        }
        guard response.applied <= self.log.last.index else { return effects.refuse(.impossibleIndex) }
        let progress = leadership.followers[place]
        self.renewed(place, stamp: response.stamp, at: now)
        if response.isShort, !progress.isShort {
            // It lacks what it acknowledged, so nothing is known of it any more.
            self.leadership?.followers[place].match = 0
        }
        self.leadership?.followers[place].isShort = response.isShort
        self.leadership?.followers[place].applied = max(progress.applied, response.applied)
        switch response.outcome {
        case .matched(let index):
            guard index <= self.log.last.index else { return effects.refuse(.impossibleIndex) }
            let isNews = self.leadership?.followers[place].acknowledged(index) ?? false
            if case .probe = progress.mode, isNews || index + 1 >= progress.next {
                self.leadership?.followers[place].mode = .replicate
                self.leadership?.followers[place].isProbing = false
                self.leadership?.followers[place].next = max(index, progress.match) + 1
            }
        case .conflict(let rejected, let hint): self.backUp(place, rejected: rejected, hint: hint)
        }
    }

    /// The follower lacks the entry before: go back to where the logs may agree, whole terms at a time (§3.5).
    private mutating func backUp(_ place: Int, rejected: LogIndex, hint: LogPosition) {
        guard let progress = self.leadership?.followers[place] else { return }
        switch progress.mode {
        case .snapshot: return
        // An answer to something older.
        case .probe: guard rejected == progress.next - 1 else { return }
        case .replicate: guard rejected > progress.match else { return }
        }
        let agreement = self.log.index(notAfter: min(hint.index, rejected), termAtMost: hint.term)
        self.leadership?.followers[place].probe(from: min(agreement + 1, max(rejected, 1)))
        // No nearer to an agreement: not before the next tick, or two confused replicas would talk without pause.
        if case .probe = progress.mode, self.leadership?.followers[place].next == progress.next {
            self.leadership?.followers[place].isProbing = true
        }
    }

    // MARK: Follower

    /// AppendEntries, receiver implementation (Figure 3.1).
    mutating func receive(_ append: Append, from leader: ReplicaID, into effects: inout Effects) {
        // Its leader asks again when there is a log to answer for.
        guard !self.isReplacing else { return }
        self.noteAcknowledged(append.acknowledged, into: &effects)
        if append.previous.index < self.commit, self.log.term(at: append.previous.index) == nil {
            // Before the start of the own log: committed, hence the same.
            return self.answer(append, .matched(self.commit), into: &effects)
        }
        guard self.log.term(at: append.previous.index) == append.previous.term else {
            let end = self.log.index(notAfter: append.previous.index, termAtMost: append.previous.term)
            let hint = LogPosition(index: end, term: self.log.term(at: end) ?? 0)
            return self.answer(
                append, .conflict(rejected: append.previous.index, hint: hint), into: &effects)
        }
        guard self.accept(append.entries, into: &effects) else { return effects.refuse(.contradictsCommitted) }
        let last = append.previous.index + UInt64(append.entries.count)
        self.commit = max(self.commit, min(append.commit, last))
        self.noteCaughtUp(into: &effects)
        self.answer(append, .matched(last), into: &effects)
        self.dropLog(heldByAll: append.heldByAll, into: &effects)
    }

    /// Skips what is there, replaces what contradicts, appends the rest. False if it contradicts what is committed.
    private mutating func accept(_ entries: [LogEntry], into effects: inout Effects) -> Bool {
        var rest = entries[...]
        while let entry = rest.first, let term = self.log.term(at: entry.index), entry.index <= self.log.last.index {
            if term != entry.term, self.settings.flaw != .conflictIgnored { break }
            rest.removeFirst()
        }
        guard let first = rest.first else { return true }
        var truncateFrom: LogIndex?
        if first.index <= self.log.last.index {
            guard first.index > self.commit else { return false }
            truncateFrom = first.index
            self.log.truncate(from: first.index)
            if self.settings.flaw != .truncatedConfigurationKept { self.history.truncate(from: first.index) }
        }
        for entry in rest {
            self.log.append(entry)
            self.adopt(entry)
        }
        self.write(truncateFrom: truncateFrom, entries: Array(rest), into: &effects)
        return true
    }

    /// Held until everything written so far is durable: an acknowledgement is a promise.
    private mutating func answer(
        _ append: Append, _ outcome: AppendResponse.Outcome, into effects: inout Effects
    ) {
        guard let leader = self.leader else { return }
        let response = AppendResponse(
            outcome: outcome, stamp: append.stamp, applied: self.applied, isShort: self.isShort)
        let needed = if case .matched = outcome { self.lastWrite } else { UInt64(0) }
        self.send(.appendResponse(response), to: leader, after: needed, into: &effects)
    }
}
