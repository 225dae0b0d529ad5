// Admission: what a request must fulfil before anything is done for it. Limits are checked here, against what is applied
// and what is under way together, for applying an entry refuses nothing but duplicates and stale turns.
extension PartitionLead {
    mutating func admit(
        _ request: MessageRequest, over state: PartitionState, in context: LeadContext, into effects: inout Effects
    ) {
        let message = request.letter.envelope.message
        do throws(MeshError) {
            if try self.joinsFirst(request, at: context.now, into: &effects) { return }
            if self.isAnswered(request, by: state, into: &effects) { return }
            guard !message.isExpired(at: context.wall) else {
                throw MeshError(.deadlineExceeded, "the deadline of the message to \(request.letter.path) has passed")
            }
            try self.ensureSlot(of: request.letter.path)
            try self.checkLimits(of: request, over: state)
        } catch {
            self.tally.refused[error.code, default: 0] += 1
            self.disposeIfIdle(request.letter.path)
            return effects.put(.answer(request.requester, .outcome(message.id, .failed(error))))
        }
        self.add(
            Waiters.Waiter(
                requester: request.requester, wantsOutcome: request.letter.envelope.kind == .ask,
                until: context.now + min(request.patience, self.limits.patience)),
            for: message.id, at: request.letter.path)
        self.take(request)
        if self.limits.flaw == .acknowledgedBeforeCommit { self.accepted(message.id, into: &effects) }
        if case .ephemeral = request.delivery, request.letter.envelope.kind != .ask {
            // In hand is all that was asked for.
            self.accepted(message.id, into: &effects)
        }
        self.ring.add(request.letter.path, class: Int(request.letter.envelope.priority.rawValue))
    }

    private mutating func add(_ waiter: Waiters.Waiter, for id: MessageID, at path: ActorPath) {
        self.waiters.add(waiter, for: id, at: path, accepted: .no)
    }

    /// The same message is under way: one of them is enough, and both requesters hear of it.
    private mutating func joinsFirst(
        _ request: MessageRequest, at now: Instant, into effects: inout Effects
    ) throws(MeshError) -> Bool {
        let id = request.letter.envelope.message.id
        guard let accepted = self.waiters.accepted(id) else { return false }
        let wantsOutcome = request.letter.envelope.kind == .ask
        if accepted == .yes { effects.put(.answer(request.requester, .accepted(id))) }
        guard wantsOutcome || accepted != .yes else { return true }
        guard self.waiters.count(of: id) < self.limits.waitersPerMessageMax else {
            throw MeshError(
                .overloaded, "\(self.limits.waitersPerMessageMax) requests wait for this message already",
                accepted: accepted, retryAfter: self.limits.overloadPause)
        }
        self.waiters.add(
            Waiters.Waiter(
                requester: request.requester, wantsOutcome: wantsOutcome,
                until: now + min(request.patience, self.limits.patience)),
            for: id, at: request.letter.path, accepted: accepted)
        return true
    }

    /// Its outcome is known from an earlier try. It is committed, so nobody has to be asked whether it still holds.
    private func isAnswered(
        _ request: MessageRequest, by state: PartitionState, into effects: inout Effects
    ) -> Bool {
        let id = request.letter.envelope.message.id
        guard let outcome = state.outcome(of: id) else { return false }
        let answer: PartitionAnswer = request.letter.envelope.kind == .ask ? .outcome(id, outcome) : .accepted(id)
        effects.put(.answer(request.requester, answer))
        return true
    }

    private func checkLimits(of request: MessageRequest, over state: PartitionState) throws(MeshError) {
        let path = request.letter.path
        guard let slot = self.slots[path] else { return }
        let pause = self.limits.overloadPause
        let bytes = request.letter.envelope.message.byteCount
        guard self.waiters.count < self.limits.waitersMax else {
            throw MeshError(
                .overloaded, "\(self.limits.waitersMax) requests wait for an answer of \(self.partition)",
                retryAfter: pause)
        }
        if case .ephemeral = request.delivery {
            guard slot.ephemerals.count < self.limits.ephemeralPerActorMax,
                self.ephemeralBytes + bytes <= self.limits.ephemeralBytesMax
            else {
                throw MeshError(
                    .overloaded, "as many ephemeral messages wait at \(path) as fit in memory", retryAfter: pause)
            }
            return
        }
        let depth = self.depth(of: path, over: state)
        guard depth < slot.kind.mailboxLimit else {
            throw MeshError(
                .overloaded, "\(depth) messages wait at \(path), its limit", hint: "send more slowly", retryAfter: pause
            )
        }
        guard Int(clamping: state.totals.messages) + self.messagesUnderWay < self.limits.messagesMax,
            Int(clamping: state.totals.messageBytes) + self.arrivalBytes + self.gatheredBytes + bytes
                <= self.limits.messageBytesMax
        else {
            throw MeshError(
                .overloaded, "\(state.totals.messages) messages wait in \(self.partition), as many as it takes",
                retryAfter: pause * 5)
        }
        guard self.hasRoom(for: bytes) else {
            throw MeshError(
                .overloaded, "more messages are under way to the log of \(self.partition) than it takes",
                retryAfter: pause)
        }
    }

    /// Something more may be taken that is to be proposed; alone even what is larger than all the room, or it would be
    /// refused for ever.
    func hasRoom(for bytes: Int) -> Bool {
        let taken = self.arrivalBytes + self.gatheredBytes
        return taken == 0 || taken + bytes <= self.limits.arrivalBytesMax
    }

    /// Messages that wait at an actor, those under way to its mailbox included.
    func depth(of path: ActorPath, over state: PartitionState) -> Int {
        let slot = self.slots[path]
        return Int(clamping: state.actor(path)?.count ?? 0) + (slot?.enqueuing ?? 0) + (slot?.arrivals.count ?? 0)
    }

    func isFull(_ path: ActorPath, over state: PartitionState) -> Bool {
        let limit = self.slots[path]?.kind.mailboxLimit ?? (try? self.kinds.kind(of: path))?.mailboxLimit
        return self.depth(of: path, over: state) >= limit ?? ActorDefinition.mailboxLimitDefault
    }

    private mutating func take(_ request: MessageRequest) {
        let message = request.letter.envelope.message
        var arrival = Arrival(letter: request.letter, session: request.session, isRetry: request.isRetry)
        if case .ephemeral = request.delivery {
            self.tally.accepted += 1
            self.ephemeralBytes += arrival.byteCount
            self.slots[request.letter.path]?.ephemerals.append(arrival)
            return
        }
        if let key = message.idempotency {
            // Which of two with one key is the message is known when the first is applied.
            if self.keysUnderWay[key] != nil { arrival.isRetry = true }
            self.keysUnderWay[key, default: 0] += 1
        }
        self.messagesUnderWay += 1
        self.arrivalBytes += arrival.byteCount
        self.slots[request.letter.path]?.arrivals.append(arrival)
        self.list(request.letter.path)
    }

    mutating func list(_ path: ActorPath) {
        guard self.slots[path]?.isListed == false else { return }
        self.slots[path]?.isListed = true
        self.listed.append(path)
    }

    // MARK: Slots

    mutating func ensureSlot(of path: ActorPath) throws(MeshError) {
        guard self.slots[path]?.isOrphan ?? true else { return }
        let kind = try self.kinds.kind(of: path)
        if self.slots[path] == nil { self.slots[path] = LeadSlot(kind: kind) }
    }

    mutating func disposeIfIdle(_ path: ActorPath) {
        guard let slot = self.slots[path], slot.isDisposable else { return }
        self.tailBytes -= slot.tail.byteCount
        self.slots[path] = nil
    }

    // MARK: Answers

    /// The message is committed, or in hand if it is ephemeral.
    mutating func accepted(_ id: MessageID, into effects: inout Effects) {
        for requester in self.waiters.accept(id) { effects.put(.answer(requester, .accepted(id))) }
    }

    /// The end of a message.
    mutating func finish(_ id: MessageID, _ outcome: Outcome, into effects: inout Effects) {
        for waiter in self.waiters.finish(id) {
            effects.put(.answer(waiter.requester, waiter.wantsOutcome ? .outcome(id, outcome) : .accepted(id)))
        }
    }

    /// The message is in no mailbox, and none of its effects is anywhere.
    mutating func reject(_ id: MessageID, _ error: MeshError, into effects: inout Effects) {
        for waiter in self.waiters.finish(id) {
            effects.put(.answer(waiter.requester, .outcome(id, .failed(error))))
        }
    }

    /// This replica does not lead: whoever asks is told who may.
    func refer(_ request: PartitionRequest, in context: LeadContext, into effects: inout Effects) {
        switch request {
        case .message(let request): effects.put(.answer(request.requester, .elsewhere(context.leader?.node)))
        case .openSession(let requester), .deadLetters(_, let requester):
            effects.put(.answer(requester, .elsewhere(context.leader?.node)))
        case .delivery(let delivery, let route):
            effects.put(
                .deliveryAnswer(
                    DeliveryAnswer(destination: self.partition, stream: delivery.delivery.stream, verdict: .later),
                    to: route))
        case .drain: effects.put(.drained)
        case .turn, .renewed, .missing, .disowned, .hostGone, .placed, .kindsChanged, .delivered, .resume: break
        }
    }
}
