/// What only a leader has (Figure 3.1, "volatile state on leaders").
struct Leadership: Sendable {
    struct Read: Sendable {
        var id: Raft.RequestID
        /// The state must hold this before the read is served.
        var index: LogIndex
        var arrived: Instant
        var isConfirmed: Bool
    }

    struct Transfer: Sendable {
        var request: Raft.RequestID
        var target: ReplicaID
        var deadline: Instant
        /// The order to take over was sent.
        var isOrdered = false
    }

    /// Of every other replica of the latest configuration, and of those that its entry removes, until they know.
    /// In ascending order of id.
    var followers: [Progress]
    /// The index of the no-op that began this reign.
    let noop: LogIndex
    var isReady = false
    var reads: [Read] = []
    /// A round must begin for reads that came without a lease.
    var needsRound = false
    var transfer: Transfer?
    /// The order to take over was given: the new leader does not wait for this lease, so there is none in this term.
    var isLeaseForfeited = false
    var uncommittedBytes = 0
    var tickAt: Instant
    /// When the group last had something to do.
    var busyAt: Instant
    let since: Instant

    func place(of id: ReplicaID) -> Int? { self.followers.firstIndex { $0.id == id } }

    /// Nothing is left to say to anybody.
    var isAsleep: Bool { !self.followers.isEmpty && self.followers.allSatisfy { $0.asleepSince != nil } }
}

/// How far a follower is, as its leader knows.
struct Progress: Sendable {
    enum Mode: Sendable {
        /// Where the logs agree is not known: one append at a time.
        case probe
        /// Appends follow each other without waiting (§10.2.1, pipelining).
        case replicate
        case snapshot(SnapshotTransfer)
    }

    struct InFlight: Sendable {
        var last: LogIndex
        var bytes: Int
    }

    let id: ReplicaID
    var mode = Mode.probe
    /// The follower's log is durable and like the own up to here.
    var match: LogIndex = 0
    var next: LogIndex
    /// Appends sent and not answered, oldest first.
    var inFlight: [InFlight] = []
    var inFlightBytes = 0
    var isProbing = false
    var isLoading = false
    /// When entries, a probe or a chunk were sent last: what is not answered is sent again.
    var sentAt: Instant
    var confirmedAt: Instant
    /// When the latest message that it acknowledged was sent. Leases count from here.
    var renewedAt: Instant?
    var heardAt: Instant
    var applied: LogIndex = 0
    var commitSent: LogIndex = 0
    var isShort = false
    var asleepSince: Instant?

    init(_ id: ReplicaID, next: LogIndex, at now: Instant) {
        self.id = id
        self.next = next
        self.sentAt = now
        self.confirmedAt = now
        self.heardAt = now
    }

    func hasRoom(_ settings: RaftSettings) -> Bool {
        switch self.mode {
        case .probe: !self.isProbing && !self.isLoading
        case .replicate:
            !self.isLoading && self.inFlight.count < settings.inFlightMessagesMax
                && self.inFlightBytes < settings.inFlightBytesMax
        case .snapshot: false
        }
    }

    mutating func probe(from next: LogIndex) {
        self.mode = .probe
        self.next = max(next, self.match + 1)
        self.inFlight = []
        self.inFlightBytes = 0
        self.isProbing = false
    }

    /// Returns whether that was news.
    mutating func acknowledged(_ index: LogIndex) -> Bool {
        while let first = self.inFlight.first, first.last <= index {
            self.inFlightBytes -= first.bytes
            self.inFlight.removeFirst()
        }
        guard index > self.match else { return false }
        self.match = index
        self.next = max(self.next, index + 1)
        return true
    }
}

extension Raft {
    /// Elected (§3.4): append a no-op, so that what earlier terms left is committed with it (§3.6.2, §6.4).
    mutating func becomeLeader(at now: Instant, into effects: inout Effects) {
        self.campaign = nil
        self.role = .leader
        self.leader = self.id
        self.isAsleep = false
        let noop = self.log.last.index + 1
        self.leadership = Leadership(
            followers: self.replicas.all.filter { $0 != self.id }.sorted().map { Progress($0, next: noop, at: now) },
            noop: noop, tickAt: now + self.settings.tickInterval, busyAt: now, since: now)
        self.leadership?.uncommittedBytes = self.log.byteCount(after: self.commit, through: self.log.last.index)
        effects.list.append(.changed(.leader, self.term, leader: self.id))
        self.append([LogEntry(index: noop, term: self.term, kind: .noop, payload: [])], into: &effects)
    }

    /// Appends to the own log; followers get it in the same step, before it is durable here (§10.2.1).
    mutating func append(_ entries: [LogEntry], into effects: inout Effects) {
        for entry in entries {
            self.log.append(entry)
            self.leadership?.uncommittedBytes += entry.byteCount
        }
        self.write(entries: entries, into: &effects)
        self.rouseFollowers()
    }

    // MARK: Looking after followers

    mutating func tickIfDue(at now: Instant, into effects: inout Effects) {
        guard let leadership = self.leadership, leadership.tickAt <= now, !leadership.isAsleep else { return }
        self.leadership?.tickAt = now + self.settings.tickInterval
        guard self.hasQuorumContact(at: now) else {
            return self.becomeFollower(in: self.term, of: nil, at: now, into: &effects)
        }
        if let transfer = leadership.transfer, transfer.deadline <= now {
            self.leadership?.transfer = nil
            effects.reject(transfer.request, .timedOut)
        }
        if leadership.reads.contains(where: { !$0.isConfirmed }) { self.leadership?.needsRound = true }
        for place in leadership.followers.indices { self.lookAfter(place, at: now, into: &effects) }
        self.dropLog(heldByAll: self.heldByAll, into: &effects)
        self.offerSleep(at: now, into: &effects)
    }

    /// Check-quorum (§6.2): a leader that hears no quorum must not let its clients wait for it.
    private func hasQuorumContact(at now: Instant) -> Bool {
        let limit = self.settings.electionTimeout.upperBound * self.slowness
        let heard = self.replicas.reachedByQuorum { id in
            id == self.id ? now : self.leadership?.followers.first { $0.id == id }?.heardAt ?? Instant(nanoseconds: 0)
        }
        return heard.map { now < $0 + limit } ?? true
    }

    /// Sends again what was not answered: streams end, and with them what was in them.
    private mutating func lookAfter(_ place: Int, at now: Instant, into effects: inout Effects) {
        guard let progress = self.leadership?.followers[place], progress.asleepSince == nil else { return }
        if case .replicate = progress.mode, progress.inFlight.isEmpty, progress.applied < self.log.last.index,
            progress.confirmedAt + self.settings.resendAfter <= now
        {
            return self.confirm(place, at: now, into: &effects)
        }
        guard progress.sentAt + self.settings.resendAfter <= now else { return }
        switch progress.mode {
        case .probe: self.leadership?.followers[place].isProbing = false
        case .replicate where !progress.inFlight.isEmpty:
            self.leadership?.followers[place].probe(from: progress.match + 1)
        case .replicate: break
        case .snapshot: self.resendChunk(to: place, at: now, into: &effects)
        }
    }
}
