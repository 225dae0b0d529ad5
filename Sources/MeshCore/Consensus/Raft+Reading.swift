/// Reads without an entry in the log (§6.4), by the leader's lease (§6.4.1) or a round of its own.
extension Raft {
    /// When the latest message that a quorum has acknowledged was sent; nil if this is no leader or nobody answered.
    func quorumRenewal(at now: Instant) -> Instant? {
        guard let leadership = self.leadership else { return nil }
        let renewal = self.replicas.reachedByQuorum { id in
            if id == self.id { return now }
            return leadership.followers.first { $0.id == id }?.renewedAt ?? Instant(nanoseconds: 0)
        }
        return renewal.flatMap { $0.nanoseconds > 0 ? $0 : nil }
    }

    /// Until then no other leader can have been elected, and this one knows all that is committed: reads and effects
    /// outside of the mesh need no further word from anybody.
    package func leaseEnd(at now: Instant) -> Instant? {
        guard let leadership = self.leadership, leadership.isReady || self.settings.flaw == .servesBeforeNoop else {
            return nil
        }
        if leadership.isLeaseForfeited, self.settings.flaw != .leaseKeptAfterTransfer { return nil }
        guard let renewal = self.quorumRenewal(at: now) else { return nil }
        let end = renewal + self.settings.lease
        return now < end ? end : nil
    }

    mutating func read(_ id: RequestID, at now: Instant, into effects: inout Effects) {
        guard let leadership = self.leadership else { return effects.reject(id, .notLeader(self.leader)) }
        guard leadership.reads.count < self.settings.readsMax else { return effects.reject(id, .overloaded) }
        let hasLease = self.leaseEnd(at: now) != nil
        // Before the own no-op is applied, the commit index may lag behind what an earlier leader told its clients.
        let index = self.settings.flaw == .servesBeforeNoop ? self.commit : max(self.commit, leadership.noop)
        self.leadership?.reads.append(
            Leadership.Read(id: id, index: index, arrived: now, isConfirmed: hasLease))
        if !hasLease {
            self.leadership?.needsRound = true
            self.rouse(at: now)
        }
    }

    /// In order of arrival: confirmed by the lease or by a round begun after they came, and the state is new enough.
    mutating func serveReads(at now: Instant, into effects: inout Effects) {
        guard let reads = self.leadership?.reads, !reads.isEmpty else { return }
        let renewal = self.quorumRenewal(at: now) ?? Instant(nanoseconds: 0)
        var waiting: [Leadership.Read] = []
        for var read in reads {
            read.isConfirmed = read.isConfirmed || read.arrived <= renewal
            if read.isConfirmed, self.applied >= read.index {
                effects.list.append(.readReady(read.id))
            } else {
                waiting.append(read)
            }
        }
        self.leadership?.reads = waiting
    }

    /// A follower has acknowledged a message of this term that was sent at `stamp`.
    mutating func renewed(_ place: Int, stamp: Instant, at now: Instant) {
        self.leadership?.followers[place].heardAt = now
        let sent = self.settings.flaw == .leaseFromReceipt ? now : min(stamp, now)
        let before = self.leadership?.followers[place].renewedAt ?? Instant(nanoseconds: 0)
        self.leadership?.followers[place].renewedAt = max(before, sent)
    }
}
