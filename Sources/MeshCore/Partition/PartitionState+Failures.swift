// Messages that could not be processed: tried again, given up, or too late.
extension PartitionState {
    mutating func fail(_ failure: Failure, of entry: inout AppliedEntry) -> CommandOutcome {
        let outcome = self.judge(failure, of: entry)
        switch outcome {
        case .retrying, .deadLetter, .expired: return .failure(outcome, outbox: self.send(failure.outbox, of: &entry))
        case .notQueued, .staleToken, .tooManyRetries: return .failure(outcome, outbox: [])
        }
    }

    private mutating func judge(_ failure: Failure, of entry: AppliedEntry) -> FailureOutcome {
        let (path, consumption) = (failure.path, failure.consumption)
        let actor = self.actors[path]
        if let token = failure.token, actor.holder?.hasEnded ?? true || actor.token != token {
            return .staleToken(current: actor.token)
        }
        guard actor.contains(consumption.offset) else { return .notQueued }
        let failures = (actor.trial(of: consumption.offset)?.failures ?? 0)
        switch failure.disposition {
        case .retry(let at):
            guard self.postpone(consumption.offset, of: path, until: at) else { return .tooManyRetries }
            return .retrying(attempts: Int(failures) + 1)
        case .deadLetter:
            let outcome = self.bury(failure, failures: failures, wallClock: entry.wallClock)
            self.remove(consumption, of: path)
            return outcome
        case .expired:
            self.remove(consumption, of: path)
            return .expired
        }
    }

    /// Its host lived to tell, so it has not killed it.
    private mutating func postpone(_ offset: MailboxOffset, of path: ActorPath, until wallClock: UInt64) -> Bool {
        self.actors.change(path) { actor in
            actor.tried(offset, limit: self.rules.trialsMax) { trial in
                trial.grants = 0
                trial.failures = trial.failures == .max ? .max : trial.failures + 1
                trial.retryAt = wallClock
            }
        }
    }

    /// For a flaw.
    mutating func drop(_ consumption: Consumption, of path: ActorPath) { self.remove(consumption, of: path) }

    private mutating func remove(_ consumption: Consumption, of path: ActorPath) {
        let bytes = self.actors.change(path) { actor -> UInt64 in
            let before = actor.byteCount
            let wasThere = actor.consume(consumption.offset, byteCount: consumption.byteCount)
            precondition(wasThere, "message \(consumption.offset) of \(path) does not wait")
            return before - actor.byteCount
        }
        self.totals.messageBytes -= bytes
        self.finish(consumption, of: path)
    }

    // MARK: Dead letters

    private mutating func bury(_ failure: Failure, failures: UInt16, wallClock: UInt64) -> FailureOutcome {
        let key = PartitionKeys.message(failure.path, failure.consumption.offset)
        guard let body = self.buffer[key], let envelope: Envelope = self.buffer.record(key) else {
            preconditionFailure("message \(failure.consumption.offset) of \(failure.path) is counted and not there")
        }
        let number = self.totals.nextDeadLetter
        let record = DeadLetterRecord(
            path: failure.path, id: envelope.message.id, sender: envelope.message.sender, reason: failure.reason,
            failures: failures, wallClock: wallClock, byteCount: UInt64(body.count))
        self.totals.nextDeadLetter += 1
        self.deadLetters.append(
            DeadLetterTable.Entry(number: number, path: failure.path, byteCount: record.byteCount))
        self.buffer.put(PartitionKeys.deadLetter(number), record.encoded(), isNew: true)
        self.buffer.put(PartitionKeys.deadLetterBody(number), body, isNew: true)
        var dropped: [UInt64] = []
        while let oldest = self.deadLetters.popOverflow(
            countMax: self.rules.deadLettersMax, bytesMax: self.rules.deadLetterBytesMax)
        {
            self.deleteDeadLetter(oldest)
            dropped.append(oldest)
        }
        return .deadLetter(number, dropped: dropped)
    }

    mutating func purge(_ numbers: [UInt64]) -> [UInt64] {
        numbers.filter { number in
            guard self.deadLetters.remove(number) else { return false }
            self.deleteDeadLetter(number)
            return true
        }
    }

    /// Back into the mailbox, as new as it can be: without its deadline, and nobody waits for it, for whoever did was told
    /// that it failed.
    mutating func replay(_ numbers: [UInt64], to path: ActorPath, of entry: inout AppliedEntry) -> [UInt64] {
        numbers.filter { number in
            guard self.deadLetters.find(number)?.path == path else { return false }
            guard var envelope: Envelope = self.buffer.record(PartitionKeys.deadLetterBody(number)) else {
                preconditionFailure("dead letter \(number) has no body")
            }
            envelope.message.deadline = nil
            envelope.replyTo = nil
            if envelope.kind == .ask { envelope.kind = .tell }
            _ = self.queue(envelope.encoded(), envelope.priority, for: path, of: &entry)
            _ = self.deadLetters.remove(number)
            self.deleteDeadLetter(number)
            return true
        }
    }

    private mutating func deleteDeadLetter(_ number: UInt64) {
        self.buffer.delete(PartitionKeys.deadLetter(number))
        self.buffer.delete(PartitionKeys.deadLetterBody(number))
    }
}
