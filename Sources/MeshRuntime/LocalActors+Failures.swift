internal import Logging
internal import MeshCore
internal import Metrics
internal import Synchronization

// Supervision: what becomes of messages whose handler cannot be started, or dies on them.

extension LocalActors {
    /// The messages stay and it is tried again; whoever waits for a reply learns now that it will take long.
    func failed(_ path: ActorPath, because error: any Error) {
        let (reason, hint) = (error as? HandlerStartError).map { ($0.message, $0.hint) } ?? ("\(error)", "")
        let (waiters, delay) = self.state.withLock { state -> ([(MessageID, [ReplyTo])], Duration) in
            guard let slot = state.slots[path] else { return ([], .zero) }
            let delay = self.configuration.backoff(afterFailures: slot.failures + 1)
            state.slots[path]?.failure = reason
            state.slots[path]?.failures += 1
            self.pause(path, for: delay, &state)
            let waiters = slot.mailbox.inMemory.compactMap { message in
                state.waiters.removeValue(forKey: message.id).map { (message.id, $0) }
            }
            return (waiters, delay)
        }
        self.logger.warning(
            "an actor cannot run; its messages wait",
            metadata: ["path": "\(path)", "reason": "\(reason)", "hint": "\(hint)", "retry_after": "\(delay)"])
        let told = MeshError(
            .handlerFailed, "\(path) cannot run: \(reason)",
            hint: hint.isEmpty ? "the message waits and is tried again" : hint, accepted: .yes)
        // It says that the messages are durable: behind an empty batch they are.
        self.storage.commit(StorageBatch()) {
            for (id, waiters) in waiters {
                for waiter in waiters { self.answer(waiter, .outcome(id, .failed(told))) }
            }
        }
    }

    private func pause(_ path: ActorPath, for delay: Duration, _ state: inout State) {
        let due = MonotonicClock.now + delay
        state.slots[path]?.pausedUntil = due
        state.pauses.add(path, due: due)
        self.alarm.ring(by: due)
    }

    // MARK: failed turns

    /// The handler answered an error. That is the reply, unless the definition says what else to make of such errors.
    func refused(
        _ message: Message, of path: ActorPath, isDurable: Bool, _ error: MeshError, as failure: FailureType?
    ) {
        let attempt = failure.map { self.attempt($0, of: path, isDurable: isDurable, isCrash: false) }
        switch attempt?.decision {
        case .retry(let delay) where isDurable:
            self.noteRetry(of: message, at: path, attempt?.number ?? 0, error.message)
            self.state.withLock { self.pause(path, for: delay, &$0) }
        case .deadLetter where isDurable:
            self.bury(message, of: path, attempts: attempt?.number ?? 0, reason: error.message)
        default:
            var batch = StorageBatch()
            self.consume(message, of: path, isDurable: isDurable, outcome: .failed(error), &batch)
        }
    }

    func crashed(
        _ message: Message, of path: ActorPath, isDurable: Bool, reason: String, as failure: FailureType
    ) {
        // Handlers are taken down at the end of the node: that is nobody's fault.
        guard !Task.isCancelled else { return }
        let attempt = self.attempt(failure, of: path, isDurable: isDurable, isCrash: true)
        if !isDurable {
            self.logger.warning(
                "a handler crashed on an ephemeral message, which is gone",
                metadata: ["path": "\(path)", "message": "\(message.id)", "reason": "\(reason)"])
            let error = MeshError(.handlerFailed, "the handler of \(path) failed: \(reason)")
            var batch = StorageBatch()
            self.consume(message, of: path, isDurable: false, outcome: .failed(error), &batch)
        } else if case .retry = attempt.decision {
            self.noteRetry(of: message, at: path, attempt.number, reason)
        } else {
            self.bury(message, of: path, attempts: attempt.number, reason: reason)
        }
        // A program that dies at once must not be started as fast as messages come: consuming one of them, which ends a
        // series of crashes, was not the end of this one.
        self.state.withLock { state in
            state.slots[path]?.crashes = attempt.crashes
            self.pause(path, for: attempt.decision.pause, &state)
        }
    }

    /// Counts a failed attempt, and asks the rules of the actor what to make of it.
    private func attempt(
        _ failure: FailureType, of path: ActorPath, isDurable: Bool, isCrash: Bool
    ) -> (decision: RetryPolicy.Decision, number: Int, crashes: Int) {
        self.state.withLock { state in
            if isDurable { state.slots[path]?.attempts += 1 }
            if isCrash { state.slots[path]?.crashes += 1 }
            let (attempts, crashes) = (state.slots[path]?.attempts ?? 0, state.slots[path]?.crashes ?? 0)
            let policy = state.slots[path]?.running?.retry ?? self.configuration.retry
            let decision = policy.decide(
                failure, attempt: attempts, series: isCrash ? crashes : 0, random: &state.random)
            return (decision, attempts, crashes)
        }
    }

    /// The message stays the first of its mailbox, so that the order of its sender holds; nothing runs meanwhile.
    private func noteRetry(of message: Message, at path: ActorPath, _ attempts: Int, _ reason: String) {
        self.metrics.redelivered.increment()
        self.logger.warning(
            "a turn failed; its message is tried again",
            metadata: [
                "path": "\(path)", "message": "\(message.id)", "attempt": "\(attempts)", "reason": "\(reason)",
            ])
    }

    /// Makes a dead letter of a message, and the oldest ones give way to it.
    private func bury(_ message: Message, of path: ActorPath, attempts: Int, reason: String) {
        self.metrics.deadLetters.increment()
        self.logger.error(
            "a message failed too often; it is a dead letter now",
            metadata: [
                "path": "\(path)", "message": "\(message.id)", "attempts": "\(attempts)", "reason": "\(reason)",
            ])
        let letter = DeadLetter(
            path: path, message: message, reason: reason, wallClock: self.configuration.wallClock()
        ).encoded()
        var batch = StorageBatch()
        batch.put(.deadLetters, MailboxKeys.id(message.id), letter)
        let dropped = self.state.withLock { $0.deadLetters.add(message.id, byteCount: letter.count) }
        for id in dropped { batch.delete(.deadLetters, MailboxKeys.id(id)) }
        self.metrics.deadLettersDropped.increment(by: dropped.count)
        let error = MeshError(
            .handlerFailed, "the handler of \(path) failed: \(reason)",
            hint: "it was tried \(attempts) times and is a dead letter now", accepted: .yes)
        self.consume(message, of: path, isDurable: true, outcome: .failed(error), &batch)
    }
}
