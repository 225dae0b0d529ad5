extension Membership {
    /// What a member says of itself, first hand or told on.
    mutating func merge(
        _ alive: AliveMessage, labels: RawSpan, from origin: Origin, at now: Instant, into effects: inout Effects
    ) throws(WireError) {
        guard alive.id != self.local.id else { return self.heardOfSelf(alive, at: now, into: &effects) }
        let known = self.table.find(alive.id)
        if let known {
            switch self.judge(alive, about: known) {
            case .news: break
            case .old: return
            case .refused(let reason): return effects.refuse(reason)
            }
        }
        guard alive.protocols.overlaps(self.local.protocols) else { return effects.refuse(.unsupportedVersion) }
        guard alive.endpoint.isUnicast else { throw WireError(.invalidValue, at: 0) }
        var check = WireReader(labels)
        _ = try check.labels()
        let bytes = [UInt8](copying: labels)
        if let known {
            self.update(known, alive, labels: bytes, from: origin, at: now, into: &effects)
        } else {
            self.admit(alive, labels: bytes, at: now, into: &effects)
        }
    }

    private enum Verdict {
        case news, old
        case refused(RefusalReason)
    }

    private func judge(_ alive: AliveMessage, about known: Int) -> Verdict {
        let boot = self.table[known].boot
        if alive.boot == boot {
            guard alive.incarnation > self.table[known].incarnation else { return .old }
            return Incarnation.isPlausible(alive.incarnation, after: self.table[known].incarnation)
                ? .news : .refused(.malformed)
        }
        let proven = self.streams.boot(of: alive.id)
        // Whatever was heard before, the node itself has proved this boot.
        if alive.boot == proven { return .news }
        let reference = proven ?? boot
        guard alive.boot.epoch != reference.epoch else { return .refused(.clonedBoot) }
        guard alive.boot.epoch > reference.epoch else { return .old }
        return proven == nil && Boot.isPlausible(alive.boot.epoch, after: boot.epoch)
            ? .news : .refused(.impossibleBoot)
    }

    private mutating func admit(
        _ alive: AliveMessage, labels: [UInt8], at now: Instant, into effects: inout Effects
    ) {
        guard self.table.count < MemberTable.membersMax else { return }
        let index = self.table.insert(
            MemberRecord(
                id: alive.id, boot: alive.boot, endpoint: alive.endpoint, protocolMin: alive.protocols.lowerBound,
                protocolMax: alive.protocols.upperBound, incarnation: alive.incarnation, since: now,
                sent: self.lastCounter),
            labels: labels)
        self.counts.alive += 1
        self.digest.toggle(self.table[index])
        self.becameLive(index, at: now)
        if let heard = self.strangers.take(alive.id, epoch: alive.boot.epoch) { self.table[index].window = heard }
        self.noteProven(index)
        // History begins with the first change after this: that a member joined can be told from its record.
        self.announce(index, from: nil, cause: .joined, at: now, into: &effects)
        self.spread(index, at: now)
    }

    private mutating func update(
        _ index: Int, _ alive: AliveMessage, labels: [UInt8], from origin: Origin, at now: Instant,
        into effects: inout Effects
    ) {
        let before = self.table[index].state
        let isNewBoot = alive.boot != self.table[index].boot
        let isElsewhere = self.table[index].endpoint != alive.endpoint
        let isMoved = isElsewhere || !self.table.labels(of: index).elementsEqual(labels)
        let cause: MemberChange.Cause? =
            isNewBoot ? .joined : before != .alive ? .refuted : isMoved ? .updated : nil
        if isNewBoot { self.forgetBoot(index, for: alive.boot) }
        self.digest.toggle(self.table[index])
        self.table[index].boot = alive.boot
        self.table[index].endpoint = alive.endpoint
        self.table[index].protocolMin = alive.protocols.lowerBound
        self.table[index].protocolMax = alive.protocols.upperBound
        self.table.setLabels(of: index, to: labels)
        self.table[index].flags.remove(.hardEvidence)
        if isNewBoot || isElsewhere { self.forgetPath(to: index) }
        self.digest.toggle(self.table[index])
        self.noteProven(index)
        self.evidence[index] = nil
        self.change(index, to: .alive, incarnation: alive.incarnation, cause: cause, at: now, into: &effects)
        // Back from the dead by its own word: each side has much to tell the other.
        if before == .dead, origin.index == index { self.exchange(with: alive.id, at: now, into: &effects) }
    }

    private mutating func noteProven(_ index: Int) {
        if self.streams.boot(of: self.table[index].id) == self.table[index].boot {
            self.table[index].flags.insert(.proven)
        } else {
            self.table[index].flags.remove(.proven)
        }
    }

    /// Dynamic fields belong to one boot. What was seen of its events stays: one of the new boot can come before its
    /// `alive`.
    private mutating func forgetBoot(_ index: Int, for next: Boot) {
        self.table[index].roundTrip = 0
        if next.epoch < self.table[index].epochHeard {
            // Datagrams of this boot may have been recorded: none is taken until its stream tells where they stand.
            self.table[index].window = .closed(next.epoch)
        } else if let heard = self.strangers.take(self.table[index].id, epoch: next.epoch) {
            self.table[index].window = heard
        }
        guard !self.table.fields(of: index).isEmpty else { return }
        if self.table[index].isLive { self.toggleFields(of: index) }
        self.table.setFields(of: index, to: [])
    }

    /// What is said of a member by others, or by itself when it leaves.
    mutating func merge(
        _ claim: Claim, cause: MemberChange.Cause? = nil, at now: Instant, into effects: inout Effects
    ) {
        // A boot of which its own word has not come yet cannot be judged.
        guard let index = self.table.find(claim.id), claim.epoch == self.table[index].boot.epoch,
            claim.incarnation >= self.table[index].incarnation
        else { return }
        guard Incarnation.isPlausible(claim.incarnation, after: self.table[index].incarnation) else {
            return effects.refuse(.malformed)
        }
        switch claim.state {
        case .suspect:
            guard claim.rank >= self.table[index].rank else { return }
            self.suspect(
                index, incarnation: claim.incarnation, by: claim.accuser,
                cause: cause ?? (claim.hardEvidence ? .hardEvidence : .probeFailed), at: now,
                into: &effects)
        case .dead, .left:
            guard claim.rank > self.table[index].rank else { return }
            let told: MemberChange.Cause =
                claim.state == .left ? .left : claim.hardEvidence ? .hardEvidence : .suspicionExpired
            if claim.hardEvidence { self.table[index].flags.insert(.hardEvidence) }
            self.change(
                index, to: claim.state, incarnation: claim.incarnation, cause: cause ?? told,
                accuser: claim.state == .left ? nil : claim.accuser, at: now, into: &effects)
        case .alive: preconditionFailure("alive is no claim")
        }
    }

    private mutating func heardOfSelf(_ alive: AliveMessage, at now: Instant, into effects: inout Effects) {
        let own = self.local.boot
        guard alive.boot.epoch >= own.epoch else { return }
        guard alive.boot == own else { return effects.refuse(.clonedBoot) }
        if alive.incarnation > self.table[0].incarnation, self.phase == .active {
            self.renew(above: alive.incarnation, cause: .refuted, at: now, into: &effects)
        }
    }

    // MARK: One place where states change

    /// Moves a member to a state and does all that follows from it. No `cause`: nothing that people care for.
    mutating func change(
        _ index: Int, to state: MemberState, incarnation: UInt32, cause: MemberChange.Cause?,
        accuser: NodeID? = nil, confirmations: [NodeID] = [], at now: Instant, into effects: inout Effects
    ) {
        let before = self.table[index].state
        let wasLive = self.table[index].isLive
        // Before `since` is overwritten, which tells when the member joined.
        if cause != nil { self.beginHistory(index) }
        self.digest.toggle(self.table[index])
        self.table[index].state = state
        self.table[index].incarnation = incarnation
        self.digest.toggle(self.table[index])
        if state != before {
            self.counts.add(-1, to: before)
            self.counts.add(1, to: state)
            self.table[index].since = now
        }
        if state != .suspect { self.suspicions[index] = nil }
        if state == .dead { self.details[index, default: MemberDetails()].accuser = accuser }
        if wasLive != self.table[index].isLive {
            self.toggleFields(of: index)
            if wasLive { self.becameAbsent(index, at: now) } else { self.becameLive(index, at: now) }
        }
        if let cause {
            self.record(
                index, from: before, cause: cause, accuser: accuser, confirmations: confirmations, at: now,
                into: &effects)
        }
        self.spread(index, at: now)
    }

    private mutating func becameLive(_ index: Int, at now: Instant) {
        self.neighbours.arrived(self.table[index].id)
        guard !self.table[index].flags.contains(.inOrder) else { return }
        self.table[index].flags.insert(.inOrder)
        self.order.insert(index, using: &self.random)
        if self.probeAt == .distantFuture {
            self.probeAt = now + self.random.within(self.configuration.probeInterval)
        }
        if self.exchangeAt == .distantFuture {
            self.exchangePause = self.configuration.gossipInterval
            self.scheduleExchange(at: now)
        }
        if self.gossipAt < now { self.gossipAt = now }
    }

    private mutating func becameAbsent(_ index: Int, at now: Instant) {
        guard index != 0 else { return }
        self.neighbours.went(self.table[index].id)
        self.evidence[index] = nil
        guard !self.table[index].flags.contains(.inDead) else { return }
        self.table[index].flags.insert(.inDead)
        self.dead.append(UInt32(index))
        let contact = now + self.random.within(self.configuration.gossipToDead)
        self.contactAt = min(self.contactAt, contact)
    }

    // MARK: History

    /// Keeps a change for `history(of:)` and tells it.
    mutating func record(
        _ index: Int, from before: MemberState?, cause: MemberChange.Cause, accuser: NodeID? = nil,
        confirmations: [NodeID] = [], at now: Instant, into effects: inout Effects
    ) {
        self.beginHistory(index)
        let change = self.describe(
            index, from: before, cause: cause, accuser: accuser, confirmations: confirmations, at: now)
        self.details[index, default: MemberDetails()].append(change)
        effects.list.append(.changed(change))
    }

    private mutating func beginHistory(_ index: Int) {
        guard index != 0, self.details[index]?.changes.isEmpty ?? true else { return }
        let joined = self.describe(index, from: nil, cause: .joined, at: self.table[index].since)
        self.details[index, default: MemberDetails()].append(joined)
    }

    private func announce(
        _ index: Int, from before: MemberState?, cause: MemberChange.Cause, at now: Instant,
        into effects: inout Effects
    ) {
        effects.list.append(.changed(self.describe(index, from: before, cause: cause, at: now)))
    }

    func describe(
        _ index: Int, from before: MemberState?, cause: MemberChange.Cause, accuser: NodeID? = nil,
        confirmations: [NodeID] = [], at now: Instant
    ) -> MemberChange {
        MemberChange(
            id: self.table[index].id, boot: self.table[index].boot, from: before, to: self.table[index].state,
            incarnation: self.table[index].incarnation, cause: cause, accuser: accuser, confirmations: confirmations,
            localHealth: self.localHealth, roundTrips: self.details[index]?.roundTrips.all ?? [], at: now)
    }
}
