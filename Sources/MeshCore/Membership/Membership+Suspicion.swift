extension Membership {
    /// Raises or confirms an accusation against a live member.
    mutating func suspect(
        _ index: Int, incarnation: UInt32? = nil, by accuser: NodeID, hardEvidence: Bool = false,
        cause: MemberChange.Cause = .probeFailed, at now: Instant, into effects: inout Effects
    ) {
        let incarnation = incarnation ?? self.table[index].incarnation
        if self.table[index].state == .suspect, self.table[index].incarnation == incarnation {
            if self.suspicions[index]?.confirm(by: accuser) == true { self.spread(index, at: now) }
        } else {
            // What was known is out of date by then, its evidence too.
            self.table[index].flags.remove(.hardEvidence)
            self.suspicions[index] = Suspicion(
                by: accuser, members: self.counts.live, configuration: self.configuration, at: now)
            self.change(
                index, to: .suspect, incarnation: incarnation, cause: hardEvidence ? .hardEvidence : cause,
                accuser: accuser, at: now, into: &effects)
        }
        if hardEvidence, self.suspicions[index]?.evidencePatience == nil {
            self.table[index].flags.insert(.hardEvidence)
            self.suspicions[index]?.restart(at: now)
            self.suspicions[index]?.evidencePatience =
                self.configuration.probeInterval * (Int(self.localHealth) + 1)
        }
        if let suspicion = self.suspicions[index] {
            self.deadlines.add(.suspicion(index), due: max(now, suspicion.deadline))
        }
    }

    mutating func suspicionExpired(_ index: Int, at now: Instant, into effects: inout Effects) {
        guard let suspicion = self.suspicions[index], self.table[index].state == .suspect,
            suspicion.deadline <= now
        else { return }
        let isHard = suspicion.evidencePatience != nil
        self.change(
            index, to: .dead, incarnation: self.table[index].incarnation,
            cause: isHard ? .hardEvidence : .suspicionExpired, accuser: suspicion.accusers.first,
            confirmations: Array(suspicion.confirmations), at: now, into: &effects)
    }

    /// Somebody says that this node is not well. Refutation: an incarnation above the accused one.
    mutating func accused(_ claim: Claim, at now: Instant, into effects: inout Effects) {
        if claim.epoch > self.local.boot.epoch {
            // Another process lives, or lived, under this identity with a later boot: a restored snapshot.
            return effects.refuse(.clonedBoot)
        }
        guard claim.epoch == self.local.boot.epoch, self.phase == .active else { return }
        if claim.incarnation >= self.table[0].incarnation {
            if Incarnation.isPlausible(claim.incarnation, after: self.table[0].incarnation) { self.worsenHealth(by: 1) }
            self.renew(above: claim.incarnation, cause: .refuted, at: now, into: &effects)
        } else if self.table[0].rumor == 0 {
            // Refuted before, but somebody has not heard.
            self.spread(0, at: now)
        }
    }

    /// Gives this node a new incarnation and tells it.
    mutating func renew(
        above incarnation: UInt32, cause: MemberChange.Cause, at now: Instant, into effects: inout Effects
    ) {
        let own = self.table[0].incarnation
        guard Incarnation.isPlausible(incarnation, after: own), incarnation < Incarnation.highest else {
            return effects.refuse(.malformed)
        }
        self.change(
            0, to: .alive, incarnation: Incarnation.after(max(incarnation, own)), cause: cause, at: now,
            into: &effects)
    }

    /// A node that was stopped, or that could not run for long, has not heard what was said meanwhile: its silence
    /// proves nothing about others. Probes under way are dropped and suspicions wait longer.
    mutating func noticeOwnPause(at now: Instant) {
        let due = self.detectionDue
        guard self.configuration.lifeguard, due < now, self.phase == .active else { return }
        let late = now - due
        guard late > self.configuration.probeTimeout / 2 else { return }
        self.worsenHealth(by: 1)
        self.probes.removeAll(keepingCapacity: true)
        self.evidence.removeAll(keepingCapacity: true)
        self.probeAt = now + self.random.within(self.configuration.probeInterval)
        for index in self.suspicions.keys.sorted() {
            self.suspicions[index]?.postpone(by: late)
            if let deadline = self.suspicions[index]?.deadline { self.deadlines.add(.suspicion(index), due: deadline) }
        }
    }
}
