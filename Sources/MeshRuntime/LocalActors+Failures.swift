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

    func crashed(_ message: Message, of path: ActorPath, isDurable: Bool, reason: String) {
        // Handlers are taken down at the end of the node: that is nobody's fault.
        guard !Task.isCancelled else { return }
        let (attempts, crashes) = self.state.withLock { state -> (Int, Int) in
            if isDurable { state.slots[path]?.attempts += 1 }
            return (state.slots[path]?.attempts ?? 0, (state.slots[path]?.crashes ?? 0) + 1)
        }
        let metadata: Logger.Metadata = [
            "path": "\(path)", "message": "\(message.id)", "attempt": "\(attempts)", "reason": "\(reason)",
        ]
        if !isDurable {
            self.logger.warning("a handler crashed on an ephemeral message, which is gone", metadata: metadata)
            let error = MeshError(.handlerFailed, "the handler of \(path) failed: \(reason)")
            var batch = StorageBatch()
            self.consume(message, of: path, isDurable: false, outcome: .failed(error), &batch)
        } else if attempts < self.configuration.attemptsMax {
            self.metrics.redelivered.increment()
            self.logger.warning("a handler crashed; its message is delivered again", metadata: metadata)
        } else {
            self.logger.error("a message crashed its handler too often; it is a dead letter now", metadata: metadata)
            self.bury(message, of: path, attempts: attempts, reason: reason)
        }
        // A program that dies at once must not be started as fast as messages come.
        self.state.withLock { state in
            state.slots[path]?.crashes = crashes
            self.pause(path, for: self.configuration.backoff(afterFailures: crashes), &state)
        }
    }

    /// Makes a dead letter of a message, and the oldest ones give way to it.
    private func bury(_ message: Message, of path: ActorPath, attempts: Int, reason: String) {
        self.metrics.deadLetters.increment()
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
