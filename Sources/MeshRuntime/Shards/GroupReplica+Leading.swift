internal import DequeModule
internal import MeshCore

/// The lead: what it is told, and what becomes of what it wants.
extension GroupReplica {
    // MARK: Steps

    /// - Parameter agrees: ask what the voters' clocks say, which takes longer than the rest.
    func context(at moment: Moment, agrees: Bool = false) -> LeadContext {
        self.values.context(isServing: self.isServing, agreeing: agrees ? self.environment : nil, at: moment)
    }

    func stepLead(_ input: LeadInput<Lead.State.Outcome, Lead.Request>, at moment: Moment, into turn: inout Turn) {
        let isWake = if case .wake = input { true } else { false }
        let context = self.context(at: moment, agrees: isWake)
        self.values.step(input, in: context, into: &self.leadEffects)
        self.needsFlush = true
        self.takeOutputs(into: &turn)
    }

    /// What the lead wants of the disk and of others; what it wants of Raft waits for the end of the turn.
    func takeOutputs(into turn: inout Turn) {
        for output in self.leadEffects.outputs { turn.outputs.append((self.group, output)) }
        for read in self.leadEffects.reads { self.read(read.reads, for: .lead(read.id), into: &turn) }
        for proposal in self.leadEffects.proposals {
            self.proposals.append(.init(id: Self.number(proposal.id, .proposal), payload: proposal.payload))
        }
        for id in self.leadEffects.confirmations { self.inputs.append(.read(Self.number(id, .confirmation))) }
        self.leadEffects.clear()
    }

    /// The end of a turn: everything that was proposed in it becomes one write.
    func flush(at moment: Moment, into turn: inout Turn) {
        self.needsFlush = false
        self.isGathering = false
        self.values.flush(in: self.context(at: moment), into: &self.leadEffects)
        self.takeOutputs(into: &turn)
        if !self.proposals.isEmpty {
            self.inputs.append(.propose(self.proposals))
            self.proposals = []
        }
        self.drain(at: moment, into: &turn)
    }

    func stopServing(at moment: Moment, into turn: inout Turn) {
        guard self.isServing else { return }
        self.isServing = false
        self.stepLead(.resigned, at: moment, into: &turn)
    }

    // MARK: Proposals

    static func number(_ id: UInt64, _ requester: Requester) -> Raft.RequestID { id << 2 | requester.rawValue }

    func accepted(_ id: Raft.RequestID, at position: LogPosition, moment: Moment, into turn: inout Turn) {
        switch Requester(rawValue: id & 3) {
        case .proposal:
            // The log was cut here before this could be appended: what stood there is gone for good.
            while let last = self.proposed.last, last.position.index >= position.index {
                self.proposed.removeLast()
                self.stepLead(.unresolved(last.id, isLost: true), at: moment, into: &turn)
            }
            self.proposed.append(Proposed(position: position, id: id >> 2))
            self.stepLead(.accepted(id >> 2, position), at: moment, into: &turn)
        case .command: self.commandDone(id, into: &turn)
        case .confirmation, .plan, nil: break
        }
    }

    func rejected(_ id: Raft.RequestID, _ reason: Raft.Rejection, at moment: Moment, into turn: inout Turn) {
        switch Requester(rawValue: id & 3) {
        case .proposal, .confirmation:
            self.environment.counters.rejected(reason)
            self.stepLead(.refused(id >> 2, reason), at: moment, into: &turn)
        case .command:
            self.commands.remove(id >> 2)
            turn.results.append((id >> 2, .rejected(reason)))
        case .plan, nil: break
        }
    }

    /// The own proposal that this entry was, if it was one.
    func proposal(at position: LogPosition, at moment: Moment, into turn: inout Turn) -> UInt64? {
        while let first = self.proposed.first, first.position.index <= position.index {
            self.proposed.removeFirst()
            if first.position == position { return first.id }
            self.stepLead(.unresolved(first.id, isLost: true), at: moment, into: &turn)
        }
        return nil
    }

    /// Nobody here will know what became of them.
    func giveUpProposals(at moment: Moment, into turn: inout Turn) {
        while let first = self.proposed.popFirst() {
            self.stepLead(.unresolved(first.id, isLost: false), at: moment, into: &turn)
        }
    }

    // MARK: Commands and plans

    func perform(_ command: GroupCommand, id: UInt64, at moment: Moment, into turn: inout Turn) {
        self.commands.insert(id)
        let number = Self.number(id, .command)
        switch command {
        case .create:
            self.commands.remove(id)
            turn.results.append((id, .exists))
        case .change(let change): self.step(.change(number, change), at: moment, into: &turn)
        case .transfer(let target): self.step(.transfer(number, to: target), at: moment, into: &turn)
        }
    }

    func commandDone(_ id: Raft.RequestID, into turn: inout Turn) {
        guard Requester(rawValue: id & 3) == .command, self.commands.remove(id >> 2) != nil else { return }
        turn.results.append((id >> 2, .done))
    }

    /// Brings the replicas to where they are wanted, one step per visit.
    func plan(at moment: Moment, into turn: inout Turn) {
        guard self.raft.role == .leader, !self.wanted.isEmpty else {
            self.planAt = .distantFuture
            return
        }
        self.planAt = moment.now + self.environment.settings.planInterval
        guard self.isServing else { return }
        // One that was removed is followed for a while, and its silence says nothing of the node's next replica.
        let heard = self.raft.followers.filter { self.raft.replicas.contains($0.id) }
        let step = ReplicaPlan.next(
            in: self.raft.replicas, ledBy: self.raft.id, wanted: self.wanted,
            isReachable: { node in
                guard let follower = heard.first(where: { $0.id.node == node }) else { return true }
                // Who sleeps is heard through its node's heartbeats, or is woken.
                return follower.isAsleep
                    || moment.now < follower.heardAt + self.environment.settings.reachableWithin
            }, hasCaughtUp: { self.raft.hasCaughtUp($0) })
        switch step {
        case .change(let change): self.step(.change(Self.number(0, .plan), change), at: moment, into: &turn)
        case .transfer(let target): self.step(.transfer(Self.number(0, .plan), to: target), at: moment, into: &turn)
        case nil
        where Set(self.raft.replicas.voters.map(\.node)) == Set(self.wanted)
            && self.raft.replicas.learners.isEmpty:
            // As wanted; a change of leader or of wishes looks again.
            self.planAt = .distantFuture
        case nil: break
        }
    }
}
