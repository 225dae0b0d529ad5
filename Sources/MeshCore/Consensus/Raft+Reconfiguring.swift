/// Changes of the replicas, one at a time through the log (Ongaro 2014, chapter 4).
///
/// A dead voter is replaced in four steps: add a learner, let it catch up, remove the dead, promote the learner.
extension Raft {
    mutating func change(_ id: RequestID, _ change: ReplicaChange, at now: Instant, into effects: inout Effects) {
        if let rejection = self.rejection(of: change) { return effects.reject(id, rejection) }
        let index = self.log.last.index + 1
        guard let replicas = self.replicas.applying(change, at: index) else {
            return effects.reject(id, .invalidChange)
        }
        let entry = LogEntry(index: index, term: self.term, kind: .configuration, payload: replicas.payload)
        effects.list.append(.accepted(id, entry.position))
        self.append([entry], into: &effects)
        self.adopt(entry)
        self.leadership?.busyAt = now
        self.followReplicas(at: now)
    }

    private func rejection(of change: ReplicaChange) -> Rejection? {
        guard let leadership = self.leadership else { return .notLeader(self.leader) }
        if leadership.transfer != nil { return .transferring }
        if self.settings.flaw != .twoChangesAtOnce {
            // An entry of the own term must be committed first: else two leaders' changes from one configuration may
            // have quorums that do not overlap (Ongaro, raft-dev 2015, "bug in single-server membership changes").
            guard self.commit >= leadership.noop else { return .notReady }
            guard self.history.latest.index <= self.commit else { return .changePending }
        }
        switch change {
        case .addLearner: return nil
        case .promote(let learner):
            guard leadership.place(of: learner) != nil else { return .invalidChange }
            return self.hasCaughtUp(learner) ? nil : .behind
        case .remove(let replica):
            // A leader hands over before it goes (§4.2.2 allows more, and is seldom worth it).
            return replica == self.id ? .invalidChange : nil
        }
    }

    /// In force from here on (§4.1).
    mutating func adopt(_ entry: LogEntry) {
        guard entry.kind == .configuration, let replicas = ReplicaSet(payload: entry.payload) else { return }
        if self.settings.flaw == .truncatedConfigurationKept, entry.index <= self.history.latest.index { return }
        self.history.append(replicas, at: entry.index)
    }

    /// The leader's view of its followers after a change: newcomers are probed, whoever goes is told why.
    private mutating func followReplicas(at now: Instant) {
        guard let leadership = self.leadership else { return }
        let before = self.history.previous?.replicas ?? .empty
        let wanted = self.replicas.all + before.all.filter { !self.replicas.contains($0) }
        self.leadership?.followers = wanted.filter { $0 != self.id }.sorted().map { id in
            leadership.followers.first { $0.id == id } ?? Progress(id, next: self.log.last.index, at: now)
        }
    }

    /// Whoever goes is followed until it has applied the entry that removes it, or until the next change.
    mutating func forgetDeparted() {
        guard let leadership = self.leadership, self.history.latest.index <= self.commit else { return }
        let change = self.history.latest
        guard leadership.followers.contains(where: { !change.replicas.contains($0.id) && $0.applied >= change.index })
        else { return }
        self.leadership?.followers.removeAll { !change.replicas.contains($0.id) && $0.applied >= change.index }
    }

    mutating func reportRemoval(into effects: inout Effects) {
        let committed = self.history.version(at: self.commit)
        guard !self.hasReportedRemoval, committed.index <= self.commit, committed.index > self.id.addedAt,
            !committed.replicas.contains(self.id)
        else { return }
        self.hasReportedRemoval = true
        effects.list.append(.removed)
    }

    // MARK: Handing over

    /// Leadership transfer (§3.10).
    mutating func transfer(_ id: RequestID, to target: ReplicaID?, at now: Instant, into effects: inout Effects) {
        guard let leadership = self.leadership else { return effects.reject(id, .notLeader(self.leader)) }
        guard leadership.transfer == nil else { return effects.reject(id, .transferring) }
        let able = leadership.followers.filter { self.replicas.isVoter($0.id) && !$0.isShort }
        // One that is gone may hold as much as the others and would never take over. Who sleeps is heard, or it is woken.
        let limit = self.settings.electionTimeout.upperBound * self.slowness
        let heard = able.filter { $0.asleepSince != nil || now < $0.heardAt + limit }
        let chosen = target.map { target in able.first { $0.id == target } } ?? heard.max { $0.match < $1.match }
        guard let chosen else { return effects.reject(id, .invalidChange) }
        if case .snapshot = chosen.mode { return effects.reject(id, .behind) }
        self.rouse(at: now)
        self.leadership?.transfer = Leadership.Transfer(
            request: id, target: chosen.id, deadline: now + self.settings.electionTimeout.upperBound * self.slowness)
    }

    /// As soon as the other has everything, it is told to campaign. From that order on there is no lease in this term:
    /// its voters will not wait for this leader's silence.
    mutating func advanceTransfer(at now: Instant, into effects: inout Effects) {
        guard let leadership = self.leadership, let transfer = leadership.transfer, !transfer.isOrdered else { return }
        guard let progress = leadership.followers.first(where: { $0.id == transfer.target }) else {
            self.leadership?.transfer = nil
            return effects.reject(transfer.request, .invalidChange)
        }
        guard progress.match == self.log.last.index, !progress.isShort else { return }
        self.leadership?.transfer?.isOrdered = true
        self.leadership?.isLeaseForfeited = true
        self.send(.timeoutNow, to: transfer.target, into: &effects)
    }
}
