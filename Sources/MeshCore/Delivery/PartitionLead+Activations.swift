internal import DequeModule

// The life of an activation: find a host, read the actor's state, have it granted, and end it.
extension PartitionLead {
    mutating func activate(
        _ path: ActorPath, over state: PartitionState, in context: LeadContext, into effects: inout Effects
    ) {
        guard let slot = self.slots[path] else { return }
        guard self.hasPlace else {
            self.placeless.add(path, class: 0)
            return self.evictIdle(into: &effects)
        }
        self.activationCount += 1
        let id = ActivationID(term: self.term, number: self.number())
        guard slot.kind.isPlaced else { return self.load(path, as: id, on: self.host, into: &effects) }
        let until = context.now + self.limits.placementTimeout
        self.slots[path]?.phase = .placing(id, until: until)
        self.pauses.add(path, due: until)
        self.placements[id] = path
        let holder = slot.kind.isMobile ? self.inheritedHolder(state.actor(path), in: context) : nil
        effects.put(.place(PlacementQuery(id: id, path: path, holder: holder, revision: slot.kind.revision)))
    }

    /// Where an earlier leader had the actor run, unless that came to an end.
    private func inheritedHolder(_ record: ActorRecord?, in context: LeadContext) -> Host? {
        guard let holder = record?.holder, !holder.hasEnded, holder.token.incarnation == context.incarnation,
            holder.token.index <= self.inherited
        else { return nil }
        return Host(node: holder.host, boot: holder.boot)
    }

    mutating func placed(
        _ id: ActivationID, _ placed: PartitionRequest.Placed, over state: PartitionState, in context: LeadContext,
        into effects: inout Effects
    ) {
        guard let path = self.placements.removeValue(forKey: id), let slot = self.slots[path],
            case .placing(id, _) = slot.phase
        else { return }
        switch placed {
        case .at(let host, let because):
            if !because.isEmpty { self.slots[path]?.endReason = because }
            self.load(path, as: id, on: host, into: &effects)
        case .nowhere(let missing): self.stop(path, because: missing, at: context.now)
        case .unstartable(let reason):
            self.stop(path, because: reason, at: context.now)
            self.slots[path]?.isUnstartable = true
            for id in self.waiters.accepted(at: path) { self.tellOfObstacle(id, at: path, into: &effects) }
        }
    }

    /// The question or its answer was lost; it is asked anew.
    mutating func notPlaced(_ path: ActorPath, _ id: ActivationID, at now: Instant) {
        self.placements[id] = nil
        self.stop(path, because: "nobody says where it may run", at: now)
    }

    /// The message waits, and whoever asked for its outcome does not.
    mutating func tellOfObstacle(_ id: MessageID, at path: ActorPath, into effects: inout Effects) {
        guard let slot = self.slots[path], slot.isUnstartable, let obstacle = slot.obstacle else { return }
        self.reject(
            id,
            MeshError(
                .handlerFailed, "\(path) cannot run: \(obstacle)", hint: "the message waits and is tried again",
                accepted: .yes),
            into: &effects)
    }

    // MARK: State

    private mutating func load(
        _ path: ActorPath, as id: ActivationID, on host: Host, into effects: inout Effects
    ) {
        let number = self.number()
        self.slots[path]?.phase = .loading(number, id, host)
        self.readings[number] = .load(path)
        effects.read(
            number,
            [
                .range(
                    prefix: PartitionKeys.values(of: path), start: PartitionKeys.values(of: path),
                    limit: self.limits.stateKeysMax + 1, bytesMax: self.limits.stateBytesMax),
                .key(PartitionKeys.actor(path, isBusy: false)),
            ])
    }

    /// Between the read and its answer nothing of this lead's was under way that changes values or the holder.
    mutating func loaded(
        _ path: ActorPath, _ number: UInt64, _ answers: [[StorageEntry]], over state: PartitionState,
        in context: LeadContext
    ) {
        guard let slot = self.slots[path], case .loading(number, let id, let host) = slot.phase, answers.count == 2
        else { return }
        let values = answers[0]
        let bytes = values.reduce(0) { $0 + $1.value.count }
        guard values.count <= self.limits.stateKeysMax, bytes < self.limits.stateBytesMax else {
            return self.stop(
                path,
                because:
                    "its state has more than \(self.limits.stateKeysMax) keys or \(self.limits.stateBytesMax) bytes",
                at: context.now)
        }
        // What is in memory counts before what the disk holds.
        let record = state.actor(path) ?? answers[1].first.flatMap { try? ActorRecord(decoding: $0.value) }
        var entries: [StorageEntry] = []
        for value in values {
            guard let stored = try? StateValue(decoding: value.value) else {
                return self.stop(path, because: "a value of its state on the disk is damaged", at: context.now)
            }
            entries.append(StorageEntry(key: PartitionKeys.stateKey(of: value.key, path: path), value: stored.bytes))
        }
        var activation = Activation(
            id, of: slot.kind, on: host, version: record?.version ?? 0, expects: record?.token, state: entries)
        let isInherited = slot.kind.isMobile && self.inheritedHolder(record, in: context) == host
        activation.isUncounted = isInherited || slot.isGivenBack
        self.slots[path]?.isGivenBack = false
        self.slots[path]?.phase = .live(activation)
        self.slots[path]?.applied = 0
        self.slots[path]?.obstacle = nil
        self.slots[path]?.isUnstartable = false
        self.slots[path]?.note(host.node, after: record?.holder?.host, at: context.wall)
        self.activations[id] = path
        self.ring.add(path, class: self.rank(of: path, state.actor(path)))
    }

    func grantProposal(for activation: Activation, head: MailboxOffset?) -> Grant {
        Grant(
            host: activation.host.node, boot: activation.host.boot, expects: activation.expects,
            head: activation.isUncounted ? nil : head)
    }

    /// Has the grant committed before anything runs.
    mutating func grant(_ path: ActorPath, _ activation: Activation, for source: TurnSource) {
        var head: MailboxOffset?
        if case .waiting(let message) = source { head = message.offset }
        self.slots[path]?.phase = .granting(activation)
        self.slots[path]?.unapplied += 1
        self.gather(.grant(path, self.grantProposal(for: activation, head: head)))
    }

    mutating func granted(
        _ path: ActorPath, _ outcome: GrantOutcome, over state: PartitionState, into effects: inout Effects
    ) {
        self.slots[path]?.unapplied -= 1
        guard let slot = self.slots[path], case .granting(var activation) = slot.phase else {
            return self.ring.add(path, class: self.rank(of: path, state.actor(path)))
        }
        switch outcome {
        case .granted(let token, let version, _):
            activation.standing = .granted(token)
            guard activation.version == version else {
                // Somebody else's turn came between: the state that was read is not the state any more.
                self.slots[path]?.phase = .live(activation)
                return self.end(path, into: &effects)
            }
            self.slots[path]?.phase = .live(activation)
            self.ring.add(path, class: self.rank(of: path, state.actor(path)))
        case .stale:
            self.slots[path]?.phase = .live(activation)
            self.end(path, into: &effects)
        case .exhausted(let offset):
            self.slots[path]?.phase = .live(activation)
            self.end(path, into: &effects)
            self.buryPoison(offset, at: path)
        }
    }

    // MARK: The end

    /// Ends the live activation. What its host was doing comes to nothing; what it had done and is in the log is
    /// applied or refused before another begins.
    mutating func end(_ path: ActorPath, into effects: inout Effects) {
        guard let slot = self.slots[path], let activation = slot.activation else { return }
        self.activations[activation.id] = nil
        self.slots[path]?.phase = .dormant
        self.slots[path]?.lastHost = activation.host.node
        self.slots[path]?.idleSince = nil
        effects.put(.release(activation.id, path, on: activation.host))
        if let running = activation.running {
            self.stoppedRunning(activation.kind)
            self.abandon(running.source, at: path, into: &effects)
        }
        self.slots[path]?.reads = []
        for read in slot.reads.reversed() {
            // What it saw may never have been. It has changed nothing, so it can run again.
            self.rerun(read.arrival, isEphemeral: read.isEphemeral, at: path, isRetry: false)
        }
        self.leftPlace()
        self.ring.add(path, class: 1)
    }

    /// A turn whose end nobody will hear of: its message is tried again, once it is committed.
    mutating func abandon(_ source: TurnSource, at path: ActorPath, into effects: inout Effects) {
        switch source {
        case .waiting(let message): self.giveBack(message, at: path)
        case .arrival(let arrival): self.rerun(arrival, isEphemeral: false, at: path, isRetry: true)
        case .ephemeral(let arrival):
            self.reject(
                arrival.id,
                MeshError(.unavailable, "the activation of \(path) ended during the turn", accepted: .unknown),
                into: &effects)
        }
    }

    /// What was taken waits again, with its body.
    mutating func giveBack(_ message: MailboxTail.Waiting, at path: ActorPath) {
        let limit = self.tailLimit
        self.withTail(of: path) { tail in
            tail.giveBack(message.offset)
            var message = message
            message.isFresh = false
            tail.keep(message, countMax: limit.count, bytesMax: limit.bytes)
        }
    }

    /// Back to the front, where it was.
    mutating func rerun(_ arrival: Arrival, isEphemeral: Bool, at path: ActorPath, isRetry: Bool) {
        var arrival = arrival
        arrival.isRetry = arrival.isRetry || isRetry
        if isEphemeral {
            self.ephemeralBytes += arrival.byteCount
            self.slots[path]?.ephemerals.prepend(arrival)
        } else {
            self.arrivalBytes += arrival.byteCount
            self.slots[path]?.arrivals.prepend(arrival)
            self.list(path)
        }
    }

    mutating func stoppedRunning(_ kind: ActorKind) {
        if kind.isInline {
            self.inlineRunning -= 1
        } else {
            self.hostedRunning -= 1
            self.callWaiting()
        }
    }

    private mutating func leftPlace() {
        self.activationCount -= 1
        self.callWaiting()
    }

    /// An attempt to activate has failed; the messages wait and it is tried again.
    mutating func stop(_ path: ActorPath, because obstacle: String, at now: Instant) {
        self.slots[path]?.phase = .dormant
        self.leftPlace()
        self.unreadable(path, obstacle, at: now)
    }

    /// Something that the actor needs cannot be had now.
    mutating func unreadable(_ path: ActorPath, _ obstacle: String, at now: Instant) {
        self.slots[path]?.obstacle = obstacle
        self.slots[path]?.isUnstartable = false
        self.pause(path, until: now + self.limits.placementPause)
        // Those that it was about to run wait through the log like all others.
        self.list(path)
    }

    /// Nothing of the actor is tried before; a longer pause stands.
    mutating func pause(_ path: ActorPath, until: Instant) {
        if let before = self.slots[path]?.pausedUntil, before >= until { return }
        self.slots[path]?.pausedUntil = until
        self.pauses.add(path, due: until)
    }

    /// Activations of kinds that have changed end after their turn; what could not run may be able to now.
    mutating func kindsChanged(over state: PartitionState) {
        for path in self.slots.keys.sorted() {
            let kind = try? self.kinds.kind(of: path)
            self.slots[path]?.isOrphan = kind == nil
            if let kind { self.slots[path]?.kind = kind }
            if self.slots[path]?.obstacle != nil { self.slots[path]?.pausedUntil = nil }
            self.ring.add(path, class: 1)
        }
        // And who had nobody to answer at its path.
        self.recovering = RecoveryCursor(paths: state.busyActors[...])
    }

    // MARK: Idleness

    /// Nothing to do, or nothing that may be done now: whoever needs the place can have it. One entry in the queue per
    /// activation is enough: if it has worked since, it goes back.
    mutating func rest(_ path: ActorPath, at now: Instant, into effects: inout Effects) {
        guard let slot = self.slots[path] else { return }
        guard case .live(let activation) = slot.phase else { return self.disposeIfIdle(path) }
        guard activation.running == nil, slot.unapplied == 0, slot.reads.isEmpty else { return }
        guard self.placeless.isEmpty else { return self.release(path, into: &effects) }
        if slot.idleSince == nil { self.slots[path]?.idleSince = now }
        guard !slot.isInIdleQueue else { return }
        self.slots[path]?.isInIdleQueue = true
        self.idle.add(path, due: now + self.limits.idleAfter)
    }

    mutating func endIdle(at now: Instant, into effects: inout Effects) {
        while let path = self.idle.popDue(at: now) {
            self.slots[path]?.isInIdleQueue = false
            guard let since = self.slots[path]?.idleSince else { continue }
            if since + self.limits.idleAfter <= now {
                self.release(path, into: &effects)
            } else {
                self.slots[path]?.isInIdleQueue = true
                self.idle.add(path, due: since + self.limits.idleAfter)
            }
        }
    }

    /// Somebody waits for a place: the one that has been idle longest gives its own up.
    private mutating func evictIdle(into effects: inout Effects) {
        while let path = self.idle.popDue(at: .distantFuture) {
            self.slots[path]?.isInIdleQueue = false
            if self.slots[path]?.idleSince != nil { return self.release(path, into: &effects) }
        }
    }

    /// An idle activation ends, and the state forgets its token: actors that are idle need not be in memory.
    private mutating func release(_ path: ActorPath, into effects: inout Effects) {
        guard let activation = self.slots[path]?.activation else { return }
        if case .granted(let token) = activation.standing {
            self.gather(.release(Release(path: path, token: token, hasState: activation.keys > 0)))
            self.slots[path]?.unapplied += 1
        }
        self.end(path, into: &effects)
    }
}
