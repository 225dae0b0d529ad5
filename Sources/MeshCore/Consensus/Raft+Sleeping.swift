/// What other nodes' heartbeats and streams tell a group.
package enum PeerInput: Hashable, Sendable {
    /// A follower's node renewed this group in answer to a heartbeat sent at `stamp`. `asleep`: as one of those that
    /// slept, by their common hash.
    case renewed(NodeID, stamp: Instant, asleep: Bool)
    /// That node does not take the group for asleep.
    case differs(NodeID)
    /// That node knows a later term.
    case deposed(Term)
    /// No heartbeat from that node for too long.
    case silent(NodeID)
    /// The stream to that node ended, or gossip suspects it: a hint, never a verdict.
    case suspected(NodeID)
}

/// Quiescence: a group in which all is said costs nothing; the heartbeats of its nodes keep lease and election timers.
extension Raft {
    mutating func peer(_ input: PeerInput, at now: Instant, into effects: inout Effects) {
        switch input {
        case .renewed(let node, let stamp, let asleep):
            guard let place = self.place(on: node) else { return }
            if asleep {
                self.renewedAsleep(place, stamp: stamp, at: now)
            } else {
                self.renewed(place, stamp: stamp, at: now)
            }
        case .differs(let node):
            guard let place = self.place(on: node), self.settings.flaw != .sleepersAlwaysRenewed else { return }
            if self.leadership?.followers[place].asleepSince != nil { self.rouse(at: now) }
            self.leadership?.followers[place].asleepSince = nil
        case .deposed(let term):
            guard self.term < term, term <= Self.termMax else { return }
            self.becomeFollower(in: term, of: nil, at: now, into: &effects)
        case .silent(let node), .suspected(let node):
            if self.leadership != nil { return self.rouse(at: now) }
            guard self.leader?.node == node else { return }
            self.campaignEarly(at: now)
        }
    }

    /// Before the election timeout, but not before the promise of L is over; the pre-vote asks the others.
    private mutating func campaignEarly(at now: Instant) {
        self.isAsleep = false
        let free = max(self.renewedAt ?? self.startedAt, self.startedAt) + self.settings.stickiness
        let spread = UInt64(self.settings.hintSpread.nanoseconds)
        let extra = Duration.nanoseconds(Int64(self.random.next(upperBound: spread + 1)))
        self.electionAt = min(self.electionAt, max(now, free) + extra)
    }

    private func place(on node: NodeID) -> Int? { self.leadership?.followers.firstIndex { $0.id.node == node } }

    // MARK: Heartbeats of the nodes

    /// What a node answered: its hash agrees with that of the heartbeat sent at `stamp`.
    package typealias Agreement = (stamp: Instant, at: Instant)

    /// `renewed(asleep: true)` of several nodes, told late: nothing has happened to the group since.
    package mutating func wakeUp(hearing agreement: (NodeID) -> Agreement?) {
        guard let count = self.leadership?.followers.count else { return }
        for place in 0..<count {
            guard self.leadership?.followers[place].asleepSince != nil || self.settings.flaw == .sleepersAlwaysRenewed,
                let node = self.leadership?.followers[place].id.node, let agreement = agreement(node)
            else { continue }
            self.renewedAsleep(place, stamp: agreement.stamp, at: agreement.at)
        }
    }

    private mutating func renewedAsleep(_ place: Int, stamp: Instant, at now: Instant) {
        // A group that fell asleep after the heartbeat was sent is not in its hash.
        let wasAsleep = self.leadership?.followers[place].asleepSince.map { $0 < stamp } ?? false
        guard wasAsleep || self.settings.flaw == .sleepersAlwaysRenewed else { return }
        self.renewed(place, stamp: stamp, at: now)
    }

    /// What this node's heartbeat to another says of this group, if it leads a replica there.
    package func claim(on node: NodeID) -> (claim: LeaderClaim, isAsleep: Bool)? {
        guard let place = self.place(on: node), let follower = self.leadership?.followers[place] else { return nil }
        let claim = LeaderClaim(
            group: self.group, incarnation: self.incarnation, leader: self.id.addedAt, follower: follower.id.addedAt,
            term: self.term)
        return (claim, follower.asleepSince != nil)
    }

    /// What this replica believes of its leader on that node while it sleeps.
    package func sleepingClaim(under node: NodeID) -> LeaderClaim? {
        guard self.isAsleep, let leader = self.leader, leader.node == node else { return nil }
        return LeaderClaim(
            group: self.group, incarnation: self.incarnation, leader: leader.addedAt, follower: self.id.addedAt,
            term: self.term)
    }

    /// A node's heartbeat names this group as led there. True: this replica renews it, and says so.
    package mutating func renew(
        _ claim: LeaderClaim, by node: NodeID, at now: Instant, into effects: inout Effects
    ) -> Bool {
        guard claim.group == self.group, claim.incarnation == self.incarnation, claim.follower == self.id.addedAt,
            node != self.id.node, 1...Self.termMax ~= claim.term
        else { return false }
        let leader = ReplicaID(node: node, addedAt: claim.leader)
        if claim.term > self.term || (claim.term == self.term && self.campaign != nil) {
            self.becomeFollower(in: claim.term, of: leader, at: now, into: &effects)
        }
        guard claim.term == self.term, self.leadership == nil, self.leader == nil || self.leader == leader else {
            return false
        }
        if self.leader == nil { effects.list.append(.changed(.follower, self.term, leader: leader)) }
        self.leader = leader
        self.renewedAt = now
        self.isAsleep = false
        self.resetElectionTimer(at: now)
        // The answer is a message of this term, so the term must be durable before it.
        return self.durableTerm == self.term
    }

    /// A heartbeat of that node came, with a hash over what sleeps under it. May be told later than `now`, too.
    package mutating func renewAsleep(under node: NodeID, at now: Instant) {
        guard self.isAsleep, self.leader?.node == node, now > self.renewedAt ?? self.startedAt else { return }
        self.renewedAt = now
        self.resetElectionTimer(at: now)
    }

    /// The hashes differ: whatever the leader says next, this group no longer relies on them.
    package mutating func wakeUp(under node: NodeID, at now: Instant) {
        guard self.isAsleep, self.leader?.node == node else { return }
        self.isAsleep = false
        self.resetElectionTimer(at: now)
    }

    // MARK: Falling asleep

    /// The leader has something to say again, or must listen.
    mutating func rouse(at now: Instant) {
        self.leadership?.busyAt = now
        if self.leadership?.isAsleep == true { self.leadership?.tickAt = now + self.settings.tickInterval }
        self.rouseFollowers()
    }

    mutating func rouseFollowers() {
        guard let count = self.leadership?.followers.count else { return }
        for place in 0..<count where self.leadership?.followers[place].asleepSince != nil {
            self.leadership?.followers[place].asleepSince = nil
        }
    }

    /// A group sleeps only when everybody has applied its last entry: then no one can lack anything.
    mutating func offerSleep(at now: Instant, into effects: inout Effects) {
        guard let leadership = self.leadership, leadership.isReady, leadership.reads.isEmpty,
            leadership.transfer == nil, leadership.busyAt + self.settings.sleepAfter <= now,
            self.applied == self.log.last.index
        else { return }
        let index = self.log.last.index
        let isDone = leadership.followers.allSatisfy { progress in
            guard case .replicate = progress.mode else { return false }
            return progress.applied == index && !progress.isShort && self.replicas.contains(progress.id)
        }
        guard isDone else { return }
        for progress in leadership.followers where progress.asleepSince == nil {
            self.send(.sleep(Sleep(index: index, stamp: now)), to: progress.id, into: &effects)
        }
    }

    mutating func receive(_ sleep: Sleep, from leader: ReplicaID, into effects: inout Effects) {
        guard self.log.last.index == sleep.index, self.applied == sleep.index, self.durableTerm == self.term else {
            return
        }
        self.isAsleep = true
        self.send(.sleepResponse(sleep), to: leader, into: &effects)
    }

    mutating func receiveAnswer(
        _ sleep: Sleep, from follower: ReplicaID, at now: Instant, into effects: inout Effects
    ) {
        guard let place = self.leadership?.place(of: follower) else {
            if self.leadership != nil { effects.refuse(.unknownReplica) }
            return
        }
        self.renewed(place, stamp: sleep.stamp, at: now)
        guard let leadership = self.leadership, sleep.index == self.log.last.index, leadership.reads.isEmpty,
            leadership.transfer == nil, leadership.busyAt <= sleep.stamp
        else { return }
        self.leadership?.followers[place].asleepSince = now
    }
}
