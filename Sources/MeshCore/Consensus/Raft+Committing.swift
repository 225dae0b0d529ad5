/// Commitment and application (§3.6, Figure 3.1).
extension Raft {
    /// What this replica holds durably, or is known to; a short one's acknowledgements do not count.
    private func match(of id: ReplicaID) -> LogIndex {
        if id == self.id {
            return self.settings.flaw == .acknowledgedBeforeSync ? self.log.last.index : self.log.durable
        }
        guard let progress = self.leadership?.followers.first(where: { $0.id == id }), !progress.isShort else {
            return 0
        }
        return progress.match
    }

    mutating func advanceCommit() {
        guard self.leadership != nil, var index = self.replicas.reachedByQuorum(self.match) else { return }
        index = min(index, self.limitOutOfTwoVoters())
        guard index > self.commit else { return }
        // Only entries of the own term are committed by counting; with them, all before (§3.6.2, Figure 3.7).
        guard self.log.term(at: index) == self.term || self.settings.flaw == .oldTermCommittedByCounting else { return }
        self.leadership?.uncommittedBytes -= self.log.byteCount(after: self.commit, through: index)
        self.commit = index
    }

    /// A change out of two voters commits only when both hold it: neither may go on without the other's knowledge.
    private func limitOutOfTwoVoters() -> LogIndex {
        let change = self.history.latest
        guard change.index > self.commit, let before = self.history.previous?.replicas, before.voters.count == 2,
            before.voters != change.replicas.voters
        else { return .max }
        return before.voters.allSatisfy { self.match(of: $0) >= change.index } ? .max : change.index - 1
    }

    // MARK: Applying

    /// One batch at a time, so that what waits for the state machine is bounded.
    mutating func handOutCommitted(into effects: inout Effects) {
        guard self.commit > self.handedOut, self.applied == self.handedOut, !self.isLoadingToApply, !self.isReplacing
        else { return }
        let entries = self.log.entries(
            from: self.handedOut + 1, through: self.commit, bytesMax: self.settings.applyBytesMax, countMax: 4_096)
        if let entries {
            self.handOut(entries, into: &effects)
        } else {
            self.isLoadingToApply = true
            effects.list.append(
                .load(
                    LoadRequest(
                        purpose: .apply, first: self.handedOut + 1, last: self.commit,
                        bytesMax: self.settings.applyBytesMax)))
        }
    }

    mutating func handOut(_ entries: [LogEntry], into effects: inout Effects) {
        guard let last = entries.last else { return }
        self.handedOut = last.index
        effects.list.append(.apply(entries))
    }

    mutating func applied(through index: LogIndex) {
        guard index <= self.handedOut else { return }
        self.applied = max(self.applied, index)
    }

    /// From here on the leader may serve (§6.4, step 1).
    mutating func reportReadiness(into effects: inout Effects) {
        guard let leadership = self.leadership, !leadership.isReady, self.applied >= leadership.noop else { return }
        self.leadership?.isReady = true
        effects.list.append(.ready(self.term))
    }

    // MARK: Dropping

    /// What every voter holds, and every learner that has begun to: nobody will ask for it again.
    var heldByAll: LogIndex {
        guard let leadership = self.leadership else { return 0 }
        return leadership.followers.reduce(self.log.durable) { held, progress in
            self.replicas.isVoter(progress.id) || progress.match > 0 ? min(held, progress.match) : held
        }
    }

    /// Only applied entries go, once every replica holds them or the log is too long, and never those after a
    /// snapshot that is being sent (§5.1).
    mutating func dropLog(heldByAll: LogIndex, into effects: inout Effects) {
        var limit = min(self.applied, self.log.durable)
        if self.log.bytes <= self.settings.logBytesMax { limit = min(limit, heldByAll) }
        for progress in self.leadership?.followers ?? [] {
            if case .snapshot(let transfer) = progress.mode, let position = transfer.position {
                limit = min(limit, position.index)
            }
        }
        guard limit >= self.log.base.index + self.settings.dropEntriesMin else { return }
        self.log.drop(through: limit)
        self.history.drop(through: limit)
        effects.list.append(.dropLog(through: limit))
    }
}
