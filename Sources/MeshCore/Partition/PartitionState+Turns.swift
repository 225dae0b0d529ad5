// One activation commits: grants give the right to, turns use it.
extension PartitionState {
    // MARK: Grants

    /// The new token is the place of this entry. Two grants of an actor never have the same: in one entry the second expects
    /// a token that nobody could name before.
    mutating func grant(_ grant: Grant, to path: ActorPath, of entry: AppliedEntry) -> GrantOutcome {
        let actor = self.actors[path]
        guard actor.token == grant.expects, actor.token.map({ $0 < entry.token }) ?? true else {
            return .stale(current: actor.token)
        }
        let (tried, limit) = (actor.trial(of:), self.rules.grantsWithoutTurnMax)
        var attempts = 1
        if let head = grant.head, actor.contains(head) {
            attempts += Int(tried(head)?.grants ?? 0)
            guard attempts <= Int(limit) else { return .exhausted(head) }
            let counted = self.actors.change(path) { $0.tried(head, limit: self.rules.trialsMax) { $0.grants += 1 } }
            // One that waits for another attempt has to go first.
            if !counted { return .exhausted(actor.trials.first?.offset ?? head) }
        }
        self.actors.change(path) {
            let token = self.rules.flaw == .tokenReused ? actor.token ?? entry.token : entry.token
            $0.holder = ActorRecord.Holder(token: token, host: grant.host, boot: grant.boot)
        }
        return .granted(entry.token, version: actor.version, attempts: attempts)
    }

    mutating func release(_ release: Release) -> Bool {
        guard self.actors[release.path].token == release.token else { return false }
        let floor = self.actors.change(release.path) { actor -> UInt64 in
            actor.holder = nil
            guard !release.hasState, !actor.isBusy, actor.timerCount == 0 else { return 0 }
            let floor = actor.lanes.map(\.next).max() ?? 0
            actor = ActorRecord()
            return floor
        }
        self.totals.mailboxFloor = max(self.totals.mailboxFloor, floor)
        return true
    }

    // MARK: Turns

    mutating func turn(_ turn: Turn, of entry: inout AppliedEntry) -> TurnOutcome {
        if case .granted(let grant) = turn.fence {
            let outcome = self.grant(grant, to: turn.path, of: entry)
            guard case .granted = outcome else { return .refused(.notGranted(outcome)) }
        }
        let token = self.token(of: turn, entry)
        var actor = self.actors[turn.path]
        if self.rules.flaw != .staleTurnApplied {
            guard let holder = actor.holder, holder.token == token, !holder.hasEnded else {
                return .refused(.staleToken(current: actor.token))
            }
            guard holder.turns.isFresh(turn.number) else { return .refused(.repeated) }
        }
        let bytesBefore = actor.byteCount
        if let refusal = self.refusal(of: turn, by: &actor) {
            self.end(turn, entry)
            return .refused(refusal)
        }
        actor.version += 1
        actor.holder?.turns.insert(turn.number)
        actor.forgetGrants()
        self.totals.messageBytes -= bytesBefore - actor.byteCount
        self.actors.change(turn.path) { $0 = actor }
        for consumption in turn.consumed { self.finish(consumption, of: turn.path) }
        for change in turn.changes { self.write(change, version: actor.version, of: turn.path) }
        for change in turn.timers { self.apply(change, of: turn.path, entry: &entry) }
        let numbers = self.send(turn.outbox, of: &entry)
        return .applied(
            TurnOutcome.Applied(token: token, version: actor.version, outbox: numbers, events: turn.events))
    }

    /// The turn was not applied, so its activation goes on from what did not happen. Nothing more of it may count.
    mutating func end(_ turn: Turn, _ entry: AppliedEntry) {
        if self.rules.flaw == .numbersBeforeApply { self.skipNumbers(of: turn.outbox) }
        guard self.actors[turn.path].token == self.token(of: turn, entry) else { return }
        self.actors.change(turn.path) { $0.holder?.hasEnded = true }
    }

    private func token(of turn: Turn, _ entry: AppliedEntry) -> FencingToken {
        switch turn.fence {
        case .token(let token): token
        case .granted, .thisEntry: entry.token
        }
    }

    /// Nil if the turn can be applied; then `actor` has lost the messages that it consumes.
    private func refusal(of turn: Turn, by actor: inout ActorRecord) -> TurnOutcome.Refusal? {
        switch turn.basis {
        case .version(let version):
            guard version == actor.version || self.rules.flaw == .staleTurnApplied else {
                return .staleVersion(current: actor.version)
            }
        case .reads(let reads):
            for read in reads {
                let current = self.version(of: read.key, path: turn.path)
                guard current == read.version else { return .staleRead(key: read.key, current: current) }
            }
        }
        for consumption in turn.consumed {
            guard actor.consume(consumption.offset, byteCount: consumption.byteCount) else {
                return .notQueued(consumption.offset)
            }
        }
        return actor.lanes.contains { $0.gaps.count > self.rules.gapsMax } ? .tooManyGaps : nil
    }

    // MARK: Values

    private mutating func write(_ change: StateChange, version: UInt64, of path: ActorPath) {
        let key = PartitionKeys.value(path, change.key)
        guard let value = change.value else { return self.buffer.delete(key) }
        self.buffer.put(key, StateValue(version: version, bytes: value).encoded())
    }

    /// The version that wrote a value; 0 if there is none.
    private func version(of key: [UInt8], path: ActorPath) -> UInt64 {
        let value: StateValue? = self.buffer.record(PartitionKeys.value(path, key))
        return value?.version ?? 0
    }
}

/// A value of an actor's state with the version that wrote it, as it lies on the disk.
package struct StateValue: Hashable, Sendable {
    package var version: UInt64
    package var bytes: [UInt8]

    package init(version: UInt64, bytes: [UInt8]) {
        self.version = version
        self.bytes = bytes
    }

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(8 + self.bytes.count)
        writer.write(self.version)
        writer.bytes.append(contentsOf: self.bytes)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.version = try reader.read()
        self.bytes = try reader.array(reader.remaining)
    }
}
