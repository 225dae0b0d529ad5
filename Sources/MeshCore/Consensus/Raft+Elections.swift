/// What a candidate has heard.
struct Campaign: Sendable {
    /// The term campaigned for; the own one is below it during the pre-vote.
    var term: Term
    var isPreVote: Bool
    var isTransfer = false
    /// Answers to an earlier round are not counted.
    var round: UInt64
    /// Who granted, in any order.
    var granted: [ReplicaID] = []
    /// Who said to be short, and in which life. This round was begun after it did.
    var short: (id: ReplicaID, life: UInt64)?
}

/// Leader election (§3.4) with pre-vote (§9.6), stickiness (§4.2.3, §6.4.1) and check-quorum (§6.2).
extension Raft {
    var isShort: Bool { self.shortfall.map { !$0.isCaughtUp } ?? false }

    /// A short replica may lack what only it and a dead one held; one whose log is being replaced could not append.
    var mayCampaign: Bool { self.isElectable && self.shortfall == nil && !self.isReplacing }

    /// A voter removed by an entry that may not be committed can be the only one who holds that entry, and then nobody else
    /// can be elected. It does not count itself, and goes once the entry is committed (§4.2.2).
    private var isElectable: Bool {
        if self.replicas.isVoter(self.id) { return true }
        return self.history.latest.index > self.commit && self.history.previous?.replicas.isVoter(self.id) ?? false
    }

    mutating func resetElectionTimer(at now: Instant) {
        // Nobody to wait for: a lone voter only outlasts what it may have promised in its last life.
        if self.replicas.voters == [self.id], self.renewedAt == nil {
            self.electionAt = now + self.settings.stickiness
            return
        }
        let range = self.settings.electionTimeout
        let width = UInt64((range.upperBound - range.lowerBound).nanoseconds)
        let extra = Duration.nanoseconds(Int64(self.random.next(upperBound: width + 1)))
        self.electionAt = now + (range.lowerBound + extra) * self.slowness
    }

    /// Whether this voter may have promised somebody not to elect another yet: for L after a heartbeat that it
    /// acknowledged, and for L after its start, since it may have done so in its last life.
    func isSticky(at now: Instant) -> Bool {
        if self.settings.flaw == .noStickiness { return false }
        if now < self.startedAt + self.settings.stickiness { return true }
        if let renewedAt = self.renewedAt, now < renewedAt + self.settings.stickiness { return true }
        guard let renewal = self.quorumRenewal(at: now) else { return false }
        return now < renewal + self.settings.stickiness
    }

    mutating func electionTimedOut(at now: Instant, into effects: inout Effects) {
        self.resetElectionTimer(at: now)
        guard self.mayCampaign else { return self.forgetLeader(into: &effects) }
        // A candidate votes for itself, so its own promise binds it too.
        guard !self.isSticky(at: now) else { return }
        guard self.term < Self.termMax else { return }
        self.leader = nil
        self.role = .preCandidate
        self.campaign = Campaign(term: self.term + 1, isPreVote: true, round: self.random.next())
        effects.list.append(.changed(.preCandidate, self.term, leader: nil))
        self.campaign?.granted = [self.id]
        self.requestVotes(into: &effects)
        self.concludeCampaign(at: now, into: &effects)
    }

    /// Who cannot campaign gives nobody's name either, having heard nothing for so long: a learner that was removed while it
    /// could not be reached would send everybody to the leader that it had then, for ever.
    private mutating func forgetLeader(into effects: inout Effects) {
        guard self.leader != nil else { return }
        self.leader = nil
        effects.list.append(.changed(.follower, self.term, leader: nil))
    }

    /// The leader's order to take over (§3.10): no pre-vote and no stickiness, for it has given up its lease.
    mutating func takeOver(at now: Instant, into effects: inout Effects) {
        guard self.mayCampaign, self.term < Self.termMax else { return }
        self.beginElection(isTransfer: true, short: nil, at: now, into: &effects)
    }

    private mutating func beginElection(
        isTransfer: Bool, short: (id: ReplicaID, life: UInt64)?, at now: Instant, into effects: inout Effects
    ) {
        self.term += 1
        self.vote = self.id
        self.leader = nil
        self.role = .candidate
        self.writeState(into: &effects)
        self.campaign = Campaign(
            term: self.term, isPreVote: false, isTransfer: isTransfer, round: self.random.next(), short: short)
        effects.list.append(.changed(.candidate, self.term, leader: nil))
        self.resetElectionTimer(at: now)
        self.requestVotes(into: &effects)
        if self.settings.flaw == .voteNotSynced { self.countOwnVote(at: now, into: &effects) }
    }

    private mutating func requestVotes(into effects: inout Effects) {
        guard let campaign = self.campaign else { return }
        for voter in self.replicas.voters where voter != self.id {
            let vouched = !campaign.isPreVote && campaign.short?.id == voter ? campaign.short?.life : nil
            let request = VoteRequest(
                isPreVote: campaign.isPreVote, isTransfer: campaign.isTransfer, term: campaign.term,
                last: self.log.last, round: campaign.round, vouchedLife: vouched ?? 0)
            self.send(.voteRequest(request), to: voter, into: &effects)
        }
    }

    /// The own vote counts when it is durable, like any other.
    mutating func countOwnVote(at now: Instant, into effects: inout Effects) {
        guard self.role == .candidate, let campaign = self.campaign, !campaign.granted.contains(self.id) else { return }
        guard self.durableTerm == self.term || self.settings.flaw == .voteNotSynced else { return }
        self.campaign?.granted.append(self.id)
        self.concludeCampaign(at: now, into: &effects)
    }

    // MARK: Answering

    mutating func receive(
        _ request: VoteRequest, from candidate: ReplicaID, at now: Instant, into effects: inout Effects
    ) {
        // While it may be bound by a lease, a voter does not even learn of the new term (§4.2.3).
        if !request.isTransfer, self.isSticky(at: now) {
            if request.isPreVote { self.answer(request, of: candidate, isGranted: false, into: &effects) }
            return
        }
        if !request.isPreVote, request.term > self.term {
            self.becomeFollower(in: request.term, of: nil, at: now, into: &effects)
        }
        let isGranted =
            self.mayGrant(request)
            && (request.isPreVote
                ? request.term > self.term
                : request.term == self.term && self.role == .follower && (self.vote == nil || self.vote == candidate))
        guard isGranted, !request.isPreVote else {
            return self.answer(request, of: candidate, isGranted: isGranted, into: &effects)
        }
        if self.vote != candidate {
            self.vote = candidate
            // Its term is above all that the other voters have seen, so above any vote that this disk has lost.
            self.shortfall?.hasVoted = true
            if self.shortfall?.isCaughtUp == true { self.shortfall = nil }
            self.writeState(into: &effects)
        }
        self.resetElectionTimer(at: now)
        self.answer(request, of: candidate, isGranted: true, into: &effects)
    }

    /// The candidate's log is at least as up to date as the own (§3.6.1), and the own says all it ever said.
    private func mayGrant(_ request: VoteRequest) -> Bool {
        guard request.last >= self.log.last else { return false }
        return self.shortfall == nil || request.vouchedLife == self.life || self.settings.flaw == .shortReplicaVotes
    }

    private mutating func answer(
        _ request: VoteRequest, of candidate: ReplicaID, isGranted: Bool, into effects: inout Effects
    ) {
        let isShort = self.shortfall != nil && self.settings.flaw != .shortReplicaVotes
        let response = VoteResponse(
            isPreVote: request.isPreVote, isGranted: isGranted, term: request.term, round: request.round,
            shortLife: isShort ? self.life : 0)
        self.send(
            .voteResponse(response), to: candidate, after: isGranted && !request.isPreVote ? self.stateWrite : 0,
            into: &effects)
    }

    // MARK: Counting

    mutating func receive(
        _ response: VoteResponse, from voter: ReplicaID, at now: Instant, into effects: inout Effects
    ) {
        guard let campaign = self.campaign, campaign.round == response.round, campaign.term == response.term,
            campaign.isPreVote == response.isPreVote
        else { return }
        guard let voter = self.counted(voter), !campaign.granted.contains(voter) else { return }
        if response.isGranted { self.campaign?.granted.append(voter) }
        if response.shortLife != 0, campaign.isPreVote, campaign.short == nil {
            // What others said before this moment proves nothing about what this voter has lost: ask everybody again.
            self.campaign?.short = (voter, response.shortLife)
            self.campaign?.granted = [self.id]
            self.campaign?.round = self.random.next()
            return self.requestVotes(into: &effects)
        }
        self.concludeCampaign(at: now, into: &effects)
    }

    /// The voter of the configuration that this answer comes from.
    private func counted(_ voter: ReplicaID) -> ReplicaID? {
        if self.settings.flaw == .replicaIsNode { return self.replicas.voters.first { $0.node == voter.node } }
        return self.replicas.isVoter(voter) ? voter : nil
    }

    private mutating func concludeCampaign(at now: Instant, into effects: inout Effects) {
        guard let campaign = self.campaign else { return }
        let voters = self.replicas.voters
        var granted = voters.count { campaign.granted.contains($0) }
        var short: (id: ReplicaID, life: UInt64)?
        if campaign.isPreVote, let asked = campaign.short, granted < self.replicas.quorum {
            // A short voter is worth a vote if every other one was heard, sound and not ahead.
            guard voters.allSatisfy({ $0 == asked.id || campaign.granted.contains($0) }) else { return }
            granted += 1
            short = asked
        }
        guard granted >= self.replicas.quorum else { return }
        if campaign.isPreVote {
            self.beginElection(isTransfer: false, short: short, at: now, into: &effects)
        } else {
            self.becomeLeader(at: now, into: &effects)
        }
    }
}
