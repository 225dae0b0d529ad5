internal import DequeModule

// What becomes of a turn that was run: a proposal, or a reply that leaves no trace.
extension PartitionLead {
    mutating func reported(
        _ report: TurnReport, over state: PartitionState, in context: LeadContext, into effects: inout Effects
    ) {
        guard let path = self.activations[report.activation], let slot = self.slots[path],
            case .live(var activation) = slot.phase, let running = activation.running,
            activation.orders == report.number
        else { return }
        activation.running = nil
        // The host has it, and changes it from now on.
        activation.state = nil
        self.slots[path]?.phase = .live(activation)
        self.stoppedRunning(activation.kind)
        switch report.end {
        case .finished(let result):
            if let error = self.complaint(about: result, of: path) {
                // The host has already changed what it keeps of the actor.
                self.failed(
                    .invalidResult, error, running.source, at: path, over: state, in: context, into: &effects)
                self.end(path, into: &effects)
            } else {
                self.commit(result, .reply(result.reply), of: running.source, at: path, in: context, into: &effects)
            }
        case .failed(let failure, let error):
            self.failed(failure, error, running.source, at: path, over: state, in: context, into: &effects)
            if failure.endsActivation { self.end(path, into: &effects) }
        case .notBegun:
            self.slots[path]?.isGivenBack = true
            self.slots[path]?.endReason = "what should have run it there was gone"
            self.abandon(running.source, at: path, into: &effects)
            self.end(path, into: &effects)
        case .wantsCommit: self.commitFirst(running.source, at: path, over: state, in: context, into: &effects)
        }
        self.ring.add(path, class: self.rank(of: path, state.actor(path)))
    }

    /// What the log would not take.
    private func complaint(about result: TurnResult, of path: ActorPath) -> MeshError? {
        func complaint(_ what: String) -> MeshError {
            MeshError(.handlerFailed, "a turn of \(path) \(what)", accepted: .yes)
        }
        if result.reply.count > Message.bodyBytesMax {
            return complaint("replied \(result.reply.count) bytes, more than \(Message.bodyBytesMax)")
        }
        if result.changes.count > Turn.changesMax || result.keys > self.limits.stateKeysMax {
            return complaint("keeps more than \(self.limits.stateKeysMax) keys of state")
        }
        for change in result.changes {
            if change.key.count > StateChange.keyBytesMax || change.value?.count ?? 0 > StateChange.valueBytesMax {
                return complaint(
                    "set a key of \(change.key.count) bytes to \(change.value?.count ?? 0); "
                        + "\(StateChange.keyBytesMax) and \(StateChange.valueBytesMax) are the most")
            }
        }
        // One more may be the reply.
        if result.letters.count >= Turn.outboxMax { return complaint("sent \(result.letters.count) messages") }
        if result.timers.count > Turn.timersMax { return complaint("changed \(result.timers.count) timers") }
        if result.events.count > Turn.eventsMax { return complaint("told \(result.events.count) events") }
        let bytes =
            result.changes.reduce(0) { $0 + ($1.value?.count ?? 0) }
            + result.letters.reduce(0) { $0 + $1.envelope.message.byteCount }
            + result.events.reduce(0) { $0 + $1.count }
        return bytes > self.limits.turnBytesMax ? complaint("changed and sent \(bytes) bytes") : nil
    }

    /// The outcome of a turn, on its way to the log. A turn that only read has nothing to log: its reply waits until what
    /// it saw is committed and this leader is confirmed.
    mutating func commit(
        _ result: TurnResult, _ outcome: Outcome, of source: TurnSource, at path: ActorPath, in context: LeadContext,
        into effects: inout Effects
    ) {
        guard let slot = self.slots[path], case .live(var activation) = slot.phase else { return }
        switch source {
        case .arrival(let arrival) where result.isReadOnly && arrival.mayLeaveNoTrace:
            return self.hold(arrival, isEphemeral: false, outcome, at: path, activation, in: context, into: &effects)
        case .ephemeral(let arrival) where result.isReadOnly:
            return self.hold(arrival, isEphemeral: true, outcome, at: path, activation, in: context, into: &effects)
        case .arrival, .ephemeral, .waiting: break
        }
        let envelope = source.envelope
        let version = activation.version
        activation.turns += 1
        activation.version += 1
        activation.keys = result.keys
        self.slots[path]?.phase = .live(activation)
        self.slots[path]?.unapplied += 1
        var consumed: [Consumption] = []
        if case .waiting(let message) = source { consumed = [message.consumption(envelope.recorded(outcome))] }
        var letters = result.letters
        for place in letters.indices { letters[place].envelope.message.sender = path.description }
        if let reply = self.reply(to: envelope, from: path, outcome) { letters.append(reply) }
        self.waiters.note(.unknown, of: envelope.message.id)
        if self.limits.flaw == .answeredBeforeCommit { self.finish(envelope.message.id, outcome, into: &effects) }
        self.gather(
            .turn(
                PendingTurn(
                    activation: activation.id, source: source, outcome: outcome,
                    turn: Turn(
                        path: path, fence: .thisEntry, number: activation.turns, basis: .version(version),
                        consumed: consumed, changes: result.changes,
                        outbox: letters.map { OutgoingLetter(to: self.placement.partition(of: $0.path), $0) },
                        timers: result.timers, events: result.events))))
    }

    /// To an actor that asked, the answer is a message like any other.
    mutating func reply(to envelope: Envelope, from path: ActorPath, _ outcome: Outcome) -> Letter? {
        guard envelope.kind == .ask, let asker = envelope.replyTo else { return nil }
        let (kind, body): (Envelope.Kind, [UInt8]) =
            switch outcome {
            case .reply(let body): (.reply, body)
            case .failed(let error): (.failure, Array(error.description.utf8))
            }
        let message = Message(id: MessageID(using: &self.random), sender: path.description, body: body)
        return Letter(
            asker,
            Envelope(
                message, kind: kind, priority: envelope.priority, inReplyTo: envelope.message.id, trace: envelope.trace)
        )
    }

    private mutating func commitFirst(
        _ source: TurnSource, at path: ActorPath, over state: PartitionState, in context: LeadContext,
        into effects: inout Effects
    ) {
        switch source {
        case .waiting(let message) where message.isFresh: self.giveBack(message, at: path)
        case .waiting, .ephemeral:
            let error = MeshError(.handlerFailed, "the handler of \(path) asked twice for a commit", accepted: .yes)
            self.failed(.crashed, error, source, at: path, over: state, in: context, into: &effects)
        case .arrival(let arrival): self.rerun(arrival, isEphemeral: false, at: path, isRetry: true)
        }
    }

    // MARK: Turns that only read

    private mutating func hold(
        _ arrival: Arrival, isEphemeral: Bool, _ outcome: Outcome, at path: ActorPath, _ activation: Activation,
        in context: LeadContext, into effects: inout Effects
    ) {
        let round = self.mayActNow(in: context) ? nil : self.nextRound
        if let round { self.awaitingRound.append((round, path)) }
        self.slots[path]?.reads.append(
            LeadSlot.PendingRead(
                arrival: arrival, isEphemeral: isEphemeral, reply: outcome, turn: activation.turns, round: round))
        self.serveReads(of: path, into: &effects)
    }

    /// In the order in which they were run.
    mutating func serveReads(of path: ActorPath, into effects: inout Effects) {
        while let read = self.slots[path]?.reads.first, read.round == nil,
            read.turn <= self.slots[path]?.applied ?? 0
        {
            _ = self.slots[path]?.reads.popFirst()
            if !read.isEphemeral {
                self.settle(read.arrival)
                self.tally.accepted += 1
            }
            self.tally.ended(read.reply)
            self.finish(read.arrival.id, read.reply, into: &effects)
        }
    }

    private func mayActNow(in context: LeadContext) -> Bool {
        if self.limits.flaw == .readsUnconfirmed { return true }
        return context.leaseEnd.map { $0 > context.now } ?? false
    }

    /// Whether the next turn may touch what is outside of the mesh.
    func mayAct(_ slot: LeadSlot, in context: LeadContext) -> Bool {
        slot.confirmedAt == context.now || self.mayActNow(in: context)
    }

    mutating func awaitRound(_ path: ActorPath) { self.awaitingRound.append((self.nextRound, path)) }

    /// One round at a time; whoever comes meanwhile needs the next, for it must begin after they came.
    mutating func askForRound(into effects: inout Effects) {
        guard self.confirming == nil, self.awaitingRound.last?.round == self.nextRound else { return }
        let number = self.number()
        self.confirming = number
        self.nextRound += 1
        effects.confirm(number)
    }

    mutating func confirmed(_ number: UInt64, in context: LeadContext, into effects: inout Effects) {
        guard self.confirming == number else { return }
        self.confirming = nil
        let round = self.nextRound - 1
        let confirmed = self.awaitingRound.prefix { $0.round <= round }.map(\.path)
        self.awaitingRound.removeFirst(confirmed.count)
        for path in confirmed {
            self.slots[path]?.confirm(round, at: context.now)
            self.serveReads(of: path, into: &effects)
            self.ring.add(path, class: 1)
        }
    }

    /// Nobody confirms it now: what only reads is refused, what would touch the outside waits for the next round.
    mutating func unconfirmed(_ number: UInt64, at now: Instant, into effects: inout Effects) {
        guard self.confirming == number else { return }
        self.confirming = nil
        let round = self.nextRound - 1
        let refused = self.awaitingRound.prefix { $0.round <= round }.map(\.path)
        self.awaitingRound.removeFirst(refused.count)
        for path in refused {
            for read in self.slots[path]?.reads ?? [] where read.round ?? .max <= round {
                if !read.isEphemeral { self.settle(read.arrival) }
                self.reject(
                    read.arrival.id,
                    MeshError(
                        .unavailable, "no quorum of \(self.partition) confirms its leader",
                        retryAfter: self.limits.leaderPause),
                    into: &effects)
            }
            self.slots[path]?.reads.removeAll { $0.round ?? .max <= round }
            self.pause(path, until: now + self.limits.leaderPause)
        }
    }
}

extension LeadSlot {
    fileprivate mutating func confirm(_ round: UInt64, at now: Instant) {
        self.confirmedAt = now
        for place in self.reads.indices where self.reads[place].round ?? .max <= round { self.reads[place].round = nil }
    }
}

extension MailboxTail.Waiting {
    func consumption(_ outcome: Outcome?) -> Consumption {
        Consumption(
            offset: self.offset, byteCount: self.byteCount, id: self.envelope.message.id,
            key: self.envelope.message.idempotency, outcome: outcome)
    }
}

extension Envelope {
    /// What is kept of the outcome for those who ask again: nothing, if nobody can.
    func recorded(_ outcome: Outcome) -> Outcome? {
        let isAsked = self.kind == .ask && self.replyTo == nil
        return isAsked || self.message.idempotency != nil ? outcome.kept : nil
    }
}

extension FailureType {
    /// The handler returned what the log does not take.
    static let invalidResult = FailureType("invalid_result")

    /// The handler is gone, or cannot be trusted with the state it keeps.
    var endsActivation: Bool { [.crashed, .timeout, .hostLost].contains(self) }
}
