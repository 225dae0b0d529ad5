// From the log to the lead: what became of an entry is told to who waits for it.
extension PartitionLead {
    mutating func applied(
        _ outcome: EntryOutcome, of proposal: UInt64?, over state: PartitionState, in context: LeadContext,
        into effects: inout Effects
    ) {
        guard self.isLeading else { return }
        if let proposal, let works = self.proposals.removeValue(forKey: proposal) {
            guard case .commands(let outcomes) = outcome.result, outcomes.count == works.count else {
                preconditionFailure("the state refuses the entry \(outcome.index) of its leader: \(outcome.result)")
            }
            for (work, outcome) in zip(works, outcomes) {
                self.applied(work, outcome, over: state, in: context, into: &effects)
            }
        }
        for queued in outcome.queued {
            self.ring.add(queued.path, class: Int((queued.offset.priority ?? .low).rawValue))
        }
        self.noteArmed(outcome.armed)
    }

    private mutating func applied(
        _ work: LeadWork, _ outcome: CommandOutcome, over state: PartitionState, in context: LeadContext,
        into effects: inout Effects
    ) {
        switch (work, outcome) {
        case (.enqueue(let arrival, let failure), .enqueue(let outcome)):
            self.enqueued(arrival, failure, outcome, over: state, into: &effects)
        case (.turn(let turn), .turn(let outcome)):
            self.applied(turn, nil, outcome, over: state, at: context.now, into: &effects)
        case (.turn(let turn), .enqueueAndTurn(let enqueued, let outcome)):
            self.applied(turn, enqueued, outcome, over: state, at: context.now, into: &effects)
        case (.grant(let path, _), .grant(let outcome)): self.granted(path, outcome, over: state, into: &effects)
        case (.failure(let failure, let message), .failure(let outcome, let outbox)):
            self.applied(failure, message, outcome, over: state, into: &effects)
            self.sentFromState(outbox, over: state, at: context.now, into: &effects)
        case (.release(let release), .release):
            self.slots[release.path]?.unapplied -= 1
            self.ring.add(release.path, class: 1)
        case (.delivery(let delivery, let route), .delivery(let outcome)):
            self.taken(delivery, outcome, from: route, over: state, into: &effects)
        case (.acknowledge(let ack), .outboxAck):
            self.acknowledged(ack, over: state, at: context.now, into: &effects)
        case (.session(let requester), .session(let id)):
            effects.put(.answer(requester, id.map { .session($0) } ?? .refused(self.overloaded("sessions are open"))))
        case (.timer(let fired), .timer): self.fired(fired)
        case (.deadLetters(_, let requester), .deadLetters(let numbers)):
            effects.put(.answer(requester, .deadLetters(numbers)))
        default: preconditionFailure("\(outcome) is not the outcome of \(work)")
        }
    }

    private func overloaded(_ what: String) -> MeshError {
        MeshError(
            .overloaded, "as many \(what) in \(self.partition) as it takes", retryAfter: self.limits.overloadPause)
    }

    private mutating func enqueued(
        _ arrival: Arrival, _ failure: PendingFailure?, _ outcome: EnqueueOutcome, over state: PartitionState,
        into effects: inout Effects
    ) {
        let path = arrival.letter.path
        self.slots[path]?.enqueuing -= 1
        self.settle(arrival)
        if case .accepted(let offset) = outcome {
            self.tally.accepted += 1
            let message = self.waiting(arrival, at: offset)
            self.accepted(arrival.id, into: &effects)
            if let failure {
                self.slots[path]?.unapplied += 1
                self.withTail(of: path) { $0.take(message) }
                self.gather(.failure(failure, message))
            } else {
                let limit = self.tailLimit
                self.withTail(of: path) { $0.keep(message, countMax: limit.count, bytesMax: limit.bytes) }
                self.tellOfObstacle(arrival.id, at: path, into: &effects)
            }
        } else {
            if failure != nil { self.slots[path]?.failing -= 1 }
            self.answer(arrival, outcome, over: state, into: &effects)
        }
        self.ring.add(path, class: Int(arrival.letter.envelope.priority.rawValue))
    }

    private func waiting(_ arrival: Arrival, at offset: MailboxOffset) -> MailboxTail.Waiting {
        let envelope = arrival.letter.envelope
        return MailboxTail.Waiting(
            offset: offset, envelope: envelope, byteCount: UInt32(envelope.encoded().count), isFresh: !arrival.isRetry)
    }

    /// Of a message that is in no mailbox by this request.
    private mutating func answer(
        _ arrival: Arrival, _ outcome: EnqueueOutcome, over state: PartitionState, into effects: inout Effects
    ) {
        let id = arrival.id
        switch outcome {
        case .accepted: break
        case .delayed:
            self.tally.accepted += 1
            self.accepted(id, into: &effects)
        case .duplicate(let original, .unknown) where self.mayWait(original, at: arrival.letter.path, over: state):
            // One of those that wait may be it; if none is, its requesters hear so at their deadline.
            for requester in self.waiters.accept(id) { effects.put(.answer(requester, .accepted(original))) }
            self.waiters.redirect(id, to: original, at: arrival.letter.path)
        case .duplicate(let original, .waiting):
            for requester in self.waiters.accept(id) { effects.put(.answer(requester, .accepted(original))) }
            self.waiters.redirect(id, to: original, at: arrival.letter.path)
        case .duplicate(let original, .finished(let outcome)):
            for waiter in self.waiters.finish(id) {
                effects.put(
                    .answer(waiter.requester, waiter.wantsOutcome ? .outcome(original, outcome) : .accepted(original)))
            }
        case .duplicate(let original, .unknown):
            let lost = MeshError(
                .unavailable, "the message was accepted before; its outcome was not kept", accepted: .yes)
            for waiter in self.waiters.finish(id) {
                effects.put(
                    .answer(
                        waiter.requester,
                        waiter.wantsOutcome ? .outcome(original, .failed(lost)) : .accepted(original)))
            }
        case .conflict:
            self.reject(
                id,
                MeshError(
                    .conflict, "this idempotency key was used at \(arrival.letter.path) with another body",
                    hint: "use a new key for a new message"),
                into: &effects)
        case .sessionExpired: self.answerAll(id, .sessionExpired(id), into: &effects)
        case .outOfOrder(let expected): self.answerAll(id, .outOfOrder(id, expected: expected), into: &effects)
        case .keyTableFull:
            self.reject(
                id,
                MeshError(
                    .overloaded, "as many idempotency keys are remembered in \(self.partition) as it takes",
                    hint: "send without a key, or wait until older ones expire",
                    retryAfter: self.limits.overloadPause * 60),
                into: &effects)
        }
    }

    /// Nobody remembers how it ended, and its actor has messages or turns left.
    private func mayWait(_ id: MessageID, at path: ActorPath, over state: PartitionState) -> Bool {
        guard state.outcome(of: id) == nil else { return false }
        return state.actor(path)?.isBusy ?? false
    }

    private mutating func answerAll(_ id: MessageID, _ answer: PartitionAnswer, into effects: inout Effects) {
        for waiter in self.waiters.finish(id) { effects.put(.answer(waiter.requester, answer)) }
    }

    /// The arrival is no longer under way.
    mutating func settle(_ arrival: Arrival) {
        self.messagesUnderWay -= 1
        guard let key = arrival.letter.envelope.message.idempotency, let count = self.keysUnderWay[key] else { return }
        self.keysUnderWay[key] = count > 1 ? count - 1 : nil
    }

    private mutating func applied(
        _ pending: PendingTurn, _ enqueued: EnqueueOutcome?, _ outcome: TurnOutcome, over state: PartitionState,
        at now: Instant, into effects: inout Effects
    ) {
        let path = pending.turn.path
        let id = pending.source.envelope.message.id
        self.slots[path]?.unapplied -= 1
        if case .waiting(let message) = pending.source { self.slots[path]?.tailGivesUp(message.offset) }
        if case .arrival(let arrival) = pending.source { self.settle(arrival) }
        switch outcome {
        case .applied(let applied):
            self.slots[path]?.failures = 0
            if self.activation(of: pending) != nil {
                self.slots[path]?.activation?.standing = .granted(applied.token)
                self.slots[path]?.applied = pending.turn.number
                self.serveReads(of: path, into: &effects)
            }
            // One that was queued before was counted then.
            if case .arrival = pending.source { self.tally.accepted += 1 }
            self.tally.ended(pending.outcome)
            self.finish(id, pending.outcome, into: &effects)
            if !applied.events.isEmpty { effects.put(.events(path, applied.events)) }
            self.sent(pending.turn, applied.outbox, over: state, at: now, into: &effects)
        case .refused(let refusal):
            // A turn that is not applied ends its activation: what it keeps in memory is not what is committed.
            if self.activation(of: pending) != nil { self.end(path, into: &effects) }
            self.keepMessage(of: pending, enqueued, over: state, into: &effects)
            if case .notGranted(.exhausted(let offset)) = refusal { self.buryPoison(offset, at: path) }
        }
        self.ring.add(path, class: self.rank(of: path, state.actor(path)))
    }

    /// Its turn came to nothing, its message did not.
    private mutating func keepMessage(
        of pending: PendingTurn, _ enqueued: EnqueueOutcome?, over state: PartitionState, into effects: inout Effects
    ) {
        let limit = self.tailLimit
        let path = pending.turn.path
        switch (pending.source, enqueued) {
        case (.arrival(let arrival), .accepted(let offset)?):
            self.tally.accepted += 1
            let message = self.waiting(arrival, at: offset)
            self.accepted(arrival.id, into: &effects)
            self.withTail(of: path) { $0.keep(message, countMax: limit.count, bytesMax: limit.bytes) }
        case (.arrival(let arrival), let enqueued?): self.answer(arrival, enqueued, over: state, into: &effects)
        case (.waiting(let message), _):
            guard state.actor(path)?.contains(message.offset) == true else { return }
            self.withTail(of: path) { $0.keep(message, countMax: limit.count, bytesMax: limit.bytes) }
        case (.ephemeral(let arrival), _):
            self.reject(
                arrival.id,
                MeshError(.unavailable, "the turn of \(path) came to nothing, and with it an ephemeral message"),
                into: &effects)
        case (.arrival, nil): break
        }
    }

    // MARK: What is never applied

    mutating func refused(
        _ number: UInt64, _ rejection: Raft.Rejection, in context: LeadContext, into effects: inout Effects
    ) {
        if self.confirming == number { return self.unconfirmed(number, at: context.now, into: &effects) }
        guard let works = self.proposals.removeValue(forKey: number) else { return }
        for work in works {
            self.undo(work, rejection, into: &effects)
            // What the log refuses now it would refuse again at once.
            if let path = work.actor { self.pause(path, until: context.now + self.limits.leaderPause) }
        }
    }

    /// Another leader's entry is where this one was: what it was for is void since this one resigned.
    mutating func unresolved(_ number: UInt64, into effects: inout Effects) {
        for work in self.proposals.removeValue(forKey: number) ?? [] {
            self.undo(work, .notLeader(nil), into: &effects)
        }
    }

    /// It is not in the log. `rejection` is nil if it was not even proposed.
    mutating func undo(_ work: LeadWork, _ rejection: Raft.Rejection?, into effects: inout Effects) {
        if let path = work.actor {
            self.slots[path]?.unapplied -= 1
            self.ring.add(path, class: 1)
        }
        let error = self.error(for: rejection)
        switch work {
        case .enqueue(let arrival, let failure):
            if failure != nil { self.slots[arrival.letter.path]?.failing -= 1 }
            self.slots[arrival.letter.path]?.enqueuing -= 1
            self.settle(arrival)
            self.reject(arrival.id, error, into: &effects)
        case .turn(let turn):
            if self.activation(of: turn) != nil { self.end(turn.turn.path, into: &effects) }
            switch turn.source {
            case .waiting(let message): self.giveBack(message, at: turn.turn.path)
            case .arrival(let arrival):
                self.settle(arrival)
                self.reject(arrival.id, error, into: &effects)
            case .ephemeral(let arrival): self.reject(arrival.id, error, into: &effects)
            }
        case .grant(let path, _): self.end(path, into: &effects)
        case .failure(let failure, let message):
            self.slots[failure.path]?.failing -= 1
            self.giveBack(message, at: failure.path)
        case .release: break
        case .delivery(let delivery, let route): self.later(delivery, to: route, into: &effects)
        case .acknowledge(let ack): self.unacknowledged(ack)
        case .timer(let fired): self.notFired(fired)
        case .session(let requester), .deadLetters(_, let requester):
            effects.put(.answer(requester, .refused(error)))
        }
    }

    private func error(for rejection: Raft.Rejection?) -> MeshError {
        switch rejection {
        case .tooLarge: MeshError(.tooLarge, "the message and what its turn changed do not fit in an entry of the log")
        case .overloaded: self.overloaded("entries are under way")
        default:
            MeshError(
                .unavailable, "the leader of \(self.partition) is changing", retryAfter: self.limits.leaderPause)
        }
    }
}
