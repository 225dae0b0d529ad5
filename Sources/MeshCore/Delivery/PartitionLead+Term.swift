internal import DequeModule

/// Actors with waiting messages when a leader begins, in the order in which it looks at them.
struct RecoveryCursor: Sendable {
    var paths: ArraySlice<ActorPath>
}

// The beginning and the end of a leader's time.
extension PartitionLead {
    /// The no-op of this term is applied: the state holds all that was ever acknowledged.
    mutating func begin(over state: PartitionState, in context: LeadContext, into effects: inout Effects) {
        self.phase = .serving
        self.term = context.term
        self.inherited = state.totals.applied
        self.proposedAt = context.now
        self.recovering = RecoveryCursor(paths: state.busyActors[...])
        self.timers.soonest = 0
        self.beginFlows(over: state, at: context.now, into: &effects)
    }

    /// Some at a time, so that no step takes long.
    mutating func recover() {
        guard var cursor = self.recovering else { return }
        for path in cursor.paths.prefix(self.limits.actorsPerStep) {
            self.ring.add(path, class: Int(Envelope.Priority.normal.rawValue))
        }
        cursor.paths = cursor.paths.dropFirst(self.limits.actorsPerStep)
        self.recovering = cursor.paths.isEmpty ? nil : cursor
    }

    /// Another replica may lead by now: everything that only this one knew is void. What it has proposed may still be
    /// committed, so whoever waits is told what is known of his message, and asks the next leader.
    mutating func resign(in context: LeadContext, into effects: inout Effects) {
        guard self.isLeading else { return }
        for path in self.activations.values.sorted() {
            // One that is not tied to this leader is left to the next.
            guard let activation = self.slots[path]?.activation, !activation.kind.isMobile else { continue }
            effects.put(.release(activation.id, path, on: activation.host))
        }
        for id in self.waiters.messages {
            let path = self.waiters.path(of: id)
            let error = self.deposed(path, self.waiters.accepted(id) ?? .unknown)
            self.reject(id, error, into: &effects)
        }
        for work in self.proposals.keys.sorted().flatMap({ self.proposals[$0] ?? [] }) + self.gathered {
            switch work {
            case .session(let requester), .deadLetters(_, let requester):
                effects.put(.answer(requester, .elsewhere(context.leader?.node)))
            case .delivery(let delivery, let route): self.later(delivery, to: route, into: &effects)
            default: break
            }
        }
        if case .draining(_, isDone: false) = self.phase { effects.put(.drained) }
        let (lastNumber, tally) = (self.lastNumber, self.tally)
        self = PartitionLead(
            partition: self.partition, placement: self.placement, host: self.host, kinds: self.kinds,
            schedules: self.schedules, limits: self.limits, seed: self.random.next())
        // Answers to what an earlier reign asked for must not be taken for answers to this one's questions.
        self.lastNumber = lastNumber
        self.tally = tally
    }

    private func deposed(_ path: ActorPath?, _ accepted: MeshError.Accepted) -> MeshError {
        let place = path.map { "\($0)" } ?? "\(self.partition)"
        let hint =
            switch accepted {
            case .no: "send it again"
            case .yes: "ask for its outcome under the same message id"
            case .unknown: "send it again under the same session number or idempotency key"
            }
        return MeshError(
            .unavailable, "the leader for \(place) has changed", hint: hint, accepted: accepted,
            retryAfter: self.limits.leaderPause)
    }

    // MARK: Draining

    mutating func drain(by deadline: Instant) { self.phase = .draining(by: deadline, isDone: false) }

    mutating func resume() { self.phase = .serving }

    mutating func reportDrained(at now: Instant, into effects: inout Effects) {
        guard case .draining(let deadline, isDone: false) = self.phase else { return }
        if deadline <= now {
            for path in self.activations.values.sorted() where self.hasTurnHere(path) {
                self.end(path, into: &effects)
            }
            // What is under way to the log comes to its end by itself.
            self.phase = .draining(by: .distantFuture, isDone: false)
        }
        guard !self.activations.values.contains(where: { self.hasTurnHere($0) }),
            !self.gathered.contains(where: \.isTurn),
            !self.proposals.values.contains(where: { $0.contains(where: \.isTurn) })
        else { return }
        self.phase = .draining(by: deadline, isDone: true)
        effects.put(.drained)
    }

    /// A turn that would be lost with this leader: others go on under the next.
    private func hasTurnHere(_ path: ActorPath) -> Bool {
        guard let activation = self.slots[path]?.activation, activation.running != nil else { return false }
        return !activation.kind.isMobile
    }

    // MARK: Time

    package var nextWake: Instant {
        guard self.isLeading else { return .distantFuture }
        if self.recovering != nil || self.isReadyForMore { return Instant(nanoseconds: 0) }
        // Asked after every step, so it makes no list of them.
        var soonest = Instant.distantFuture
        soonest.lower(to: self.waiters.nextDue)
        soonest.lower(to: self.pauses.nextDue)
        soonest.lower(to: self.idle.nextDue)
        soonest.lower(to: self.hostWatch.nextDue)
        soonest.lower(to: self.rechecks.nextDue)
        soonest.lower(to: self.timers.wakeAt)
        soonest.lower(to: self.tickAt)
        if case .draining(let deadline, isDone: false) = self.phase { soonest.lower(to: deadline) }
        for flow in self.flows.values { soonest.lower(to: flow.nextWake) }
        return soonest
    }

    mutating func wake(over state: PartitionState, in context: LeadContext, into effects: inout Effects) {
        guard self.isLeading else { return }
        let now = context.now
        for (id, path, requester, accepted) in self.waiters.expire(at: now) {
            // One that is not in the log yet may get there after this answer.
            let error = MeshError(
                .deadlineExceeded, "no outcome of the message to \(path) before the deadline\(self.reason(path))",
                accepted: accepted == .no ? .unknown : accepted)
            effects.put(.answer(requester, .outcome(id, .failed(error))))
        }
        while let path = self.pauses.popDue(at: now) {
            self.ring.add(path, class: self.rank(of: path, state.actor(path)))
        }
        self.endIdle(at: now, into: &effects)
        self.lookAfterHosts(at: now, into: &effects)
        self.advanceFlows(over: state, at: now, into: &effects)
        self.tickIfDue(over: state, in: context, into: &effects)
        self.lookForTimers(in: context, into: &effects)
    }

    private func reason(_ path: ActorPath) -> String { self.slots[path]?.obstacle.map { ": \($0)" } ?? "" }

    // MARK: Reads

    mutating func read(
        _ number: UInt64, _ answers: [[StorageEntry]], over state: PartitionState, in context: LeadContext,
        into effects: inout Effects
    ) {
        switch self.readings.removeValue(forKey: number) {
        case .load(let path): self.loaded(path, number, answers, over: state, in: context)
        case .refill(let path): self.refill(path, number, with: answers.first ?? [], over: state, at: context.now)
        case .outbox(let destination):
            self.readOutbox(
                destination, number, answers.first ?? [], over: state, at: context.now, into: &effects)
        case .timers: self.readTimers(number, answers.first ?? [])
        case nil: break
        }
    }
}

extension Instant {
    fileprivate mutating func lower(to other: Instant?) {
        if let other, other < self { self = other }
    }
}

extension LeadWork {
    /// It rests on an activation, which ends with the leader.
    fileprivate var isTurn: Bool { self.actor != nil }
}
