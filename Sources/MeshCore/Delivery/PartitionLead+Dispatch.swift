internal import DequeModule

// Which actor gets the next turn, and what that turn is about.
extension PartitionLead {
    /// The last word of every step: as many turns as may run.
    mutating func dispatch(over state: PartitionState, in context: LeadContext, into effects: inout Effects) {
        guard self.isLeading else { return }
        self.recover()
        self.callWaiting()
        var looks = 0
        while self.mayBeginTurns, self.inlineRunning < self.limits.inlineTurnsMax, looks < self.limits.actorsPerStep,
            let path = self.ring.next()
        {
            looks += 1
            self.advance(path, over: state, in: context, into: &effects)
        }
        self.askForRound(into: &effects)
        self.planTimers(in: context)
        self.reportDrained(at: context.now, into: &effects)
        // An entry that is under way is as good as a tick.
        let mayTick = self.proposals.isEmpty && self.gathered.isEmpty && self.needsTick(state)
        self.tickAt = mayTick ? self.proposedAt + self.limits.tickInterval : nil
    }

    var hasPlace: Bool { self.activationCount < self.limits.activationsMax }
    var hasHost: Bool { self.hostedRunning < self.limits.hostedTurnsMax }

    /// As many of those who wait for room as there is room for: when somebody leaves, and so before him, and with every
    /// step, for one that was called may have had no use for it, and the others must not wait for the next who leaves.
    mutating func callWaiting() {
        var places = min(self.limits.activationsMax - self.activationCount, self.limits.actorsPerStep)
        while places > 0, let path = self.placeless.next() {
            places -= 1
            self.ring.add(path, class: 1)
        }
        var turns = min(self.limits.hostedTurnsMax - self.hostedRunning, self.limits.actorsPerStep)
        while turns > 0, let path = self.hostless.next() {
            turns -= 1
            self.ring.add(path, class: 1)
        }
    }

    /// Whether turns could begin now that a step has left for the next one.
    var isReadyForMore: Bool {
        guard self.mayBeginTurns else { return false }
        // Turns that run inline are reported by whoever runs them: until then no wake helps.
        if !self.ring.isEmpty, self.inlineRunning < self.limits.inlineTurnsMax { return true }
        return !self.placeless.isEmpty && self.hasPlace || !self.hostless.isEmpty && self.hasHost
    }

    /// One step of one actor towards its next turn. Whatever it has to wait for puts it into the ring again.
    private mutating func advance(
        _ path: ActorPath, over state: PartitionState, in context: LeadContext, into effects: inout Effects
    ) {
        do throws(MeshError) { try self.ensureSlot(of: path) } catch {
            // Without a definition there is nobody to wake: messages wait until one is applied again.
            return self.restIfLive(path, at: context.now, into: &effects)
        }
        if case .placing(let id, let until) = self.slots[path]?.phase, until <= context.now {
            return self.notPlaced(path, id, at: context.now)
        }
        let record = state.actor(path)
        let next = self.dropExpired(at: path, record, in: context, into: &effects)
        guard let slot = self.slots[path] else { return }
        guard next != nil || !slot.arrivals.isEmpty || !slot.ephemerals.isEmpty else {
            return self.rest(path, at: context.now, into: &effects)
        }
        if let next, slot.tail.body(of: next) == nil {
            self.list(path)
            if slot.ephemerals.isEmpty { return }
        }
        if let until = self.pause(of: slot, before: next, record, in: context) {
            if slot.pausedUntil != until { self.pause(path, until: until) }
            return self.restIfLive(path, at: context.now, into: &effects)
        }
        if self.awaitsFailure(slot) || self.isHeldBack(path, over: state) {
            return self.restIfLive(path, at: context.now, into: &effects)
        }
        self.slots[path]?.idleSince = nil
        switch slot.phase {
        case .dormant:
            guard slot.unapplied == 0 else { return }
            self.activate(path, over: state, in: context, into: &effects)
        case .live(let activation) where activation.kind != slot.kind:
            // Its definition has changed: the next turn is another activation's.
            if activation.running == nil { self.end(path, into: &effects) }
        case .live(let activation):
            self.runNext(of: path, activation, next, over: state, in: context, into: &effects)
        case .placing, .loading, .granting: break
        }
    }

    /// What keeps it from running may itself wait for others to run, so it must not keep their place.
    private mutating func restIfLive(_ path: ActorPath, at now: Instant, into effects: inout Effects) {
        guard case .live(let activation) = self.slots[path]?.phase else { return }
        // Except for one that was granted and has not run: another grant would count against the message that it is for.
        guard activation.turns > 0 || activation.standing == .none else { return }
        self.rest(path, at: now, into: &effects)
    }

    /// When the actor may be tried again, if not now.
    private func pause(
        of slot: LeadSlot, before next: MailboxOffset?, _ record: ActorRecord?, in context: LeadContext
    ) -> Instant? {
        // A pause that is over is over, whatever a wall clock says.
        if let until = slot.pausedUntil { return until > context.now ? until : nil }
        guard let next, let trial = record?.trial(of: next), trial.retryAt > context.wall else { return nil }
        // Another node's clock said when, and may have been wrong by hours.
        let wait = Duration.milliseconds(Int64(clamping: trial.retryAt - context.wall))
        return context.now + min(wait, slot.kind.retry.longestWait)
    }

    /// What is past its deadline is not run. Returns the message that is next then.
    private mutating func dropExpired(
        at path: ActorPath, _ record: ActorRecord?, in context: LeadContext, into effects: inout Effects
    ) -> MailboxOffset? {
        while let arrival = self.slots[path]?.ephemerals.first,
            arrival.letter.envelope.message.isExpired(at: context.wall)
        {
            _ = self.slots[path]?.ephemerals.popFirst()
            self.ephemeralBytes -= arrival.byteCount
            self.reject(arrival.id, self.expired(path, accepted: .no), into: &effects)
        }
        while let arrival = self.slots[path]?.arrivals.first,
            arrival.letter.envelope.message.isExpired(at: context.wall)
        {
            _ = self.slots[path]?.arrivals.popFirst()
            self.arrivalBytes -= arrival.byteCount
            self.settle(arrival)
            self.reject(arrival.id, self.expired(path, accepted: .no), into: &effects)
        }
        while let next = self.slots[path]?.tail.next(in: record) {
            guard let message = self.slots[path]?.tail.body(of: next),
                message.envelope.message.isExpired(at: context.wall)
            else { return next }
            self.giveUp(message, of: path, self.expired(path, accepted: .yes), .expired)
        }
        return nil
    }

    func expired(_ path: ActorPath, accepted: MeshError.Accepted) -> MeshError {
        let obstacle = self.slots[path]?.obstacle.map { "; it cannot run: \($0)" } ?? ""
        return MeshError(
            .deadlineExceeded, "the deadline of the message to \(path) passed before its turn\(obstacle)",
            accepted: accepted)
    }

    // MARK: Turns

    private mutating func runNext(
        of path: ActorPath, _ activation: Activation, _ next: MailboxOffset?, over state: PartitionState,
        in context: LeadContext, into effects: inout Effects
    ) {
        guard let slot = self.slots[path], activation.running == nil,
            slot.unapplied + slot.reads.count < self.limits.turnsAheadMax
        else { return }
        if !self.placeless.isEmpty, activation.orders >= self.limits.turnsPerPlace {
            return self.end(path, into: &effects)
        }
        // What its host begins has to mean the same to another leader: it builds on what is committed.
        if slot.kind.isMobile, slot.unapplied > 0 { return }
        // Until its grant is applied nobody knows the token.
        if case .riding = activation.standing { return }
        guard let source = self.source(of: slot, next, state.actor(path)) else { return }
        if self.needsCommittedGrant(source, slot.kind), !self.isGranted(activation) {
            // Turns that were run before it was known have to be applied first.
            guard activation.turns == 0 else { return }
            return self.grant(path, activation, for: source)
        }
        if !slot.kind.isInline {
            guard self.hasHost else { return self.hostless.add(path, class: 0) }
            guard self.mayAct(slot, in: context) else { return self.awaitRound(path) }
        }
        self.run(source, at: path, activation, in: context, into: &effects)
    }

    private func source(of slot: LeadSlot, _ next: MailboxOffset?, _ record: ActorRecord?) -> TurnSource? {
        let waiting = next.flatMap { slot.tail.body(of: $0) }
        // Ephemeral messages go first, for they are the ones that age; one that waits runs after each.
        if let arrival = slot.ephemerals.first, !(slot.ranEphemeral && waiting != nil) { return .ephemeral(arrival) }
        if let waiting { return .waiting(waiting) }
        guard next == nil, let arrival = slot.arrivals.first, self.mayRunAtOnce(arrival, slot, isIdle: true) else {
            return nil
        }
        return .arrival(arrival)
    }

    /// One commit where one is enough: a message need not be in the log before its turn if nothing waits before it, if its
    /// turn leaves no trace but in the log, and if no try of it can have ended a leader.
    func mayRunAtOnce(_ arrival: Arrival, _ slot: LeadSlot, isIdle: Bool) -> Bool {
        slot.kind.isInline && !arrival.isRetry && arrival.letter.notBefore == nil && slot.enqueuing == 0 && isIdle
    }

    private func needsCommittedGrant(_ source: TurnSource, _ kind: ActorKind) -> Bool {
        guard kind.isInline else { return true }
        if case .waiting(let message) = source { return !message.isFresh }
        return false
    }

    private func isGranted(_ activation: Activation) -> Bool {
        if case .granted = activation.standing { true } else { false }
    }

    private mutating func run(
        _ source: TurnSource, at path: ActorPath, _ before: Activation, in context: LeadContext,
        into effects: inout Effects
    ) {
        let kind = before.kind
        var activation = before
        activation.orders += 1
        let isNear = activation.host.node == self.host.node
        activation.running = Activation.Running(
            source: source, until: context.now + self.patience(with: activation),
            askAt: isNear ? .distantFuture : context.now + self.limits.hostCheckInterval)
        switch source {
        case .waiting(let message):
            self.withTail(of: path) { _ = $0.take(message.offset) }
            self.slots[path]?.ranEphemeral = false
        case .arrival(let arrival):
            _ = self.slots[path]?.arrivals.popFirst()
            self.arrivalBytes -= arrival.byteCount
        case .ephemeral(let arrival):
            _ = self.slots[path]?.ephemerals.popFirst()
            self.ephemeralBytes -= arrival.byteCount
            self.slots[path]?.ranEphemeral = true
        }
        effects.put(.run(self.order(source, at: path, activation), on: activation.host))
        // One on its way to another node may get lost.
        if isNear { activation.state = nil }
        if kind.isInline {
            self.inlineRunning += 1
        } else {
            self.hostedRunning += 1
            self.watch(&activation)
        }
        self.slots[path]?.phase = .live(activation)
        self.slots[path]?.idleSince = nil
        self.slots[path]?.pausedUntil = nil
    }

    func order(_ source: TurnSource, at path: ActorPath, _ activation: Activation) -> TurnOrder {
        let isCommitted = if case .waiting = source { self.isGranted(activation) } else { false }
        return TurnOrder(
            activation: activation.id, path: path, number: activation.orders, envelope: source.envelope,
            version: activation.version, isEphemeral: source.isEphemeral, isCommitted: isCommitted,
            state: activation.state, limit: activation.kind.turnLimit)
    }

    // MARK: Arrivals that do not run at once

    /// Ends a turn of the driver's loop: messages that have not run by now are queued through the log, and bodies that are
    /// needed are read.
    mutating func gatherListed(over state: PartitionState, into effects: inout Effects) {
        let listed = self.listed
        self.listed = []
        for path in listed {
            self.slots[path]?.isListed = false
            let record = state.actor(path)
            while let slot = self.slots[path], let arrival = slot.arrivals.first, !self.isHeld(arrival, slot, record) {
                _ = self.slots[path]?.arrivals.popFirst()
                self.arrivalBytes -= arrival.byteCount
                self.slots[path]?.enqueuing += 1
                self.gather(.enqueue(arrival, failure: nil))
            }
            if self.slots[path]?.arrivals.isEmpty == false { self.list(path) }
            self.readNext(of: path, record, into: &effects)
        }
    }

    /// Its turn is about to come: through the log it would only come later.
    private func isHeld(_ arrival: Arrival, _ slot: LeadSlot, _ record: ActorRecord?) -> Bool {
        self.mayBeginTurns && slot.pausedUntil == nil && !self.awaitsFailure(slot)
            && self.senders[arrival.letter.path] == nil && slot.arrivals.count <= self.limits.arrivalsPerActorMax
            && self.mayRunAtOnce(arrival, slot, isIdle: slot.tail.next(in: record) == nil)
    }

    /// Nothing that came later may overtake a message that failed.
    private func awaitsFailure(_ slot: LeadSlot) -> Bool {
        slot.failing > 0 && self.limits.flaw != .failureOvertaken
    }

    private mutating func readNext(of path: ActorPath, _ record: ActorRecord?, into effects: inout Effects) {
        guard let slot = self.slots[path], slot.tail.reading == nil, let next = slot.tail.next(in: record),
            slot.tail.body(of: next) == nil
        else { return }
        let number = self.number()
        self.slots[path]?.tail.beginRead(number, from: next)
        self.readings[number] = .refill(path)
        effects.read(
            number,
            [
                .range(
                    prefix: PartitionKeys.messages(of: path), start: PartitionKeys.message(path, next),
                    limit: self.limits.tailMax, bytesMax: self.limits.tailBytesMax)
            ])
    }

    mutating func refill(
        _ path: ActorPath, _ number: UInt64, with entries: [StorageEntry], over state: PartitionState, at now: Instant
    ) {
        guard let first = self.slots[path]?.tail.endRead(number) else { return }
        let record = state.actor(path)
        let limit = self.tailLimit
        let awaited = self.slots[path]?.tail.next(in: record)
        self.withTail(of: path) { tail in
            for entry in entries {
                guard let offset = try? PartitionKeys.offset(of: entry.key), record?.contains(offset) == true,
                    !tail.taken.contains(offset), let envelope = try? Envelope(decoding: entry.value)
                else { continue }
                tail.keep(
                    MailboxTail.Waiting(
                        offset: offset, envelope: envelope, byteCount: UInt32(entry.value.count), isFresh: false),
                    countMax: limit.count, bytesMax: limit.bytes)
            }
        }
        // One that is more urgent may have come meanwhile: it was not asked for.
        if let awaited, awaited >= first, self.slots[path]?.tail.body(of: awaited) == nil {
            return self.unreadable(path, "its message \(awaited) cannot be read from the disk", at: now)
        }
        self.ring.add(path, class: self.rank(of: path, record))
    }

    /// The more memory all mailboxes together hold, the less of one.
    var tailLimit: (count: Int, bytes: Int) {
        self.tailBytes < self.limits.tailsBytesMax ? (self.limits.tailMax, self.limits.tailBytesMax) : (1, 0)
    }

    mutating func withTail(of path: ActorPath, _ body: (inout MailboxTail) -> Void) {
        guard let before = self.slots[path]?.tail.byteCount else { return }
        self.slots[path]?.changeTail(body)
        self.tailBytes += (self.slots[path]?.tail.byteCount ?? 0) - before
    }

    /// The priority of what the actor would do next.
    func rank(of path: ActorPath, _ record: ActorRecord?) -> Int {
        let waiting = record?.first?.priority ?? .low
        let slot = self.slots[path]
        let arriving = (slot?.ephemerals.first ?? slot?.arrivals.first)?.letter.envelope.priority ?? .low
        return Int(min(waiting, arriving).rawValue)
    }
}

extension TurnSource {
    var isEphemeral: Bool { if case .ephemeral = self { true } else { false } }
}
