internal import DequeModule

// From the lead to the log: what is gathered is proposed as one entry.
extension PartitionLead {
    mutating func gather(_ work: LeadWork) {
        self.gathered.append(work)
        self.gatheredBytes += work.byteCount
    }

    /// Ends a turn of the driver's loop. While earlier entries are on their way the next one fills (group commit).
    package mutating func flush(over state: PartitionState, in context: LeadContext, into effects: inout Effects) {
        guard self.isLeading else { return }
        self.gatherListed(over: state, into: &effects)
        while self.proposals.count < self.limits.entriesInFlightMax, !self.gathered.isEmpty {
            guard self.proposeEntry(in: context, into: &effects) else { return }
        }
    }

    /// Returns whether an entry was proposed: what comes first may have to wait for the entry before.
    private mutating func proposeEntry(in context: LeadContext, into effects: inout Effects) -> Bool {
        let number = self.number()
        var works: [LeadWork] = []
        var commands: [[UInt8]] = []
        var bytes = CommandBatch.headerBytes
        while let work = self.gathered.first, works.count < self.limits.entryCommandsMax {
            guard bytes + work.byteCount <= self.limits.entryBytesMax || works.isEmpty else { break }
            guard let (proposed, command) = self.command(of: work, in: number) else {
                guard self.isObsolete(work) else { break }
                self.gathered.removeFirst()
                self.gatheredBytes -= work.byteCount
                self.undo(work, nil, into: &effects)
                continue
            }
            self.gathered.removeFirst()
            self.gatheredBytes -= work.byteCount
            let encoded = command.encoded()
            bytes += encoded.count
            commands.append(encoded)
            works.append(proposed)
        }
        guard !works.isEmpty else { return false }
        self.propose(number, works, commands, in: context, into: &effects)
        return true
    }

    private mutating func propose(
        _ number: UInt64, _ works: [LeadWork], _ commands: [[UInt8]], in context: LeadContext,
        into effects: inout Effects
    ) {
        let elapsed = (context.now - self.proposedAt).nanoseconds / 1_000_000
        // What is cut off here counts for the next entry, so that log time does not fall behind.
        self.proposedAt = self.proposedAt + .milliseconds(elapsed)
        let header = CommandBatch(
            incarnation: context.incarnation, elapsed: UInt32(clamping: elapsed), wallClock: context.wall)
        self.proposals[number] = works
        effects.propose(number, CommandBatch.encode(header, commands))
    }

    /// Nobody has sent anything for a while, and there is something that log time would let expire.
    mutating func tickIfDue(over state: PartitionState, in context: LeadContext, into effects: inout Effects) {
        guard self.needsTick(state), self.proposals.isEmpty, self.gathered.isEmpty,
            context.now >= self.proposedAt + self.limits.tickInterval
        else { return }
        self.propose(self.number(), [], [], in: context, into: &effects)
    }

    func needsTick(_ state: PartitionState) -> Bool {
        state.sessionCount > 0 || state.totals.firstKeyPage < state.totals.nextKeyPage
    }

    // MARK: Commands

    /// The command of a work, and the work as it is remembered: a turn whose activation has ended leaves its message. Nil:
    /// it cannot be proposed in this entry, or not at all.
    private mutating func command(of work: LeadWork, in number: UInt64) -> (LeadWork, PartitionCommand)? {
        switch work {
        case .enqueue(let arrival, _):
            self.waiters.note(.unknown, of: arrival.id)
            return (work, .enqueue(arrival.enqueue))
        case .turn(let turn): return self.command(of: turn, in: number)
        case .grant(let path, let grant): return (work, .grant(path, grant))
        case .failure(let failure, let message): return (work, .fail(self.command(of: failure, message)))
        case .release(let release): return (work, .release(release))
        case .delivery(let delivery, _): return (work, .deliver(delivery.delivery))
        case .acknowledge(let ack): return (work, .outboxAck(ack))
        case .session: return (work, .openSession)
        case .timer(let fired): return (work, .timerFired(fired))
        case .deadLetters(let command, _): return (work, .deadLetters(command))
        }
    }

    private mutating func command(of pending: PendingTurn, in number: UInt64) -> (LeadWork, PartitionCommand)? {
        var turn = pending.turn
        guard let activation = self.activation(of: pending) else {
            // The turn builds on what will not be. Its message is as good as before.
            guard case .arrival(let arrival) = pending.source else { return nil }
            self.slots[turn.path]?.unapplied -= 1
            self.slots[turn.path]?.enqueuing += 1
            return (.enqueue(arrival, failure: nil), .enqueue(arrival.enqueue))
        }
        switch activation.standing {
        case .granted(let token), .proposed(let token): turn.fence = .token(token)
        case .riding(number): turn.fence = .thisEntry
        case .riding: return nil
        case .none:
            var head: MailboxOffset?
            if case .waiting(let message) = pending.source { head = message.offset }
            turn.fence = .granted(self.grantProposal(for: activation, head: head))
            self.slots[turn.path]?.activation?.standing = .riding(number)
        }
        var proposed = pending
        proposed.turn = turn
        guard case .arrival(let arrival) = pending.source else { return (.turn(proposed), .turn(turn)) }
        let outcome = arrival.letter.envelope.recorded(pending.outcome)
        return (
            .turn(proposed),
            .enqueueAndTurn(arrival.enqueue, outcome: outcome, turn)
        )
    }

    func activation(of turn: PendingTurn) -> Activation? {
        guard let activation = self.slots[turn.turn.path]?.activation, activation.id == turn.activation else {
            return nil
        }
        return activation
    }

    private func isObsolete(_ work: LeadWork) -> Bool {
        if case .turn(let turn) = work { self.activation(of: turn) == nil } else { false }
    }

    /// The entry has its place in the own log. It may never be committed there, but if it is, these are the tokens of its
    /// grants; and if it is not, neither are the turns that name them.
    mutating func appended(_ number: UInt64, at position: LogPosition, in context: LeadContext) {
        let token = FencingToken(incarnation: context.incarnation, index: position.index)
        for case .turn(let turn) in self.proposals[number] ?? [] {
            guard self.activation(of: turn)?.standing == .riding(number) else { continue }
            self.slots[turn.turn.path]?.activation?.standing = .proposed(token)
            self.ring.add(turn.turn.path, class: 1)
        }
    }
}
