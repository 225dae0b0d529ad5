internal import Logging
internal import MeshCore
internal import Metrics
internal import Synchronization

// The life of one activation: wait for work, start the handler, run turns, commit them.

extension LocalActors {
    private enum Step: Sendable {
        case stop
        case run(Message, isDurable: Bool)
        /// The next message is on disk.
        case refill(UInt64)
    }
    private enum End { case stopped, crashed }

    /// After so many turns an activation lets others have its place, if they wait for one.
    private static let turnsPerPlace = 64

    /// Runs the activation of a path from its beginning to its end; the place is taken already.
    func live(_ path: ActorPath) async {
        var hasState = true
        var failures = 0
        var end = End.crashed
        while end == .crashed {
            if case .stop = await self.nextStep(of: path, turns: 0) { break }
            guard let target = self.begin(path) else { break }
            do {
                var actorState = try await self.loadState(of: path)
                try await self.withHandler(of: target, path: path) { handler in
                    failures = 0
                    self.started(path)
                    end = await self.runTurns(of: path, handler: handler, state: &actorState)
                }
                hasState = !actorState.isEmpty
            } catch {
                failures += 1
                self.failed(path, because: error, failures: failures)
            }
        }
        self.ended(path, hasState: hasState)
    }

    private func runTurns(
        of path: ActorPath, handler: any ActorHandler, state: inout ActorState
    ) async -> End {
        var turns = 0
        while true {
            switch await self.nextStep(of: path, turns: turns) {
            case .stop: return .stopped
            case .refill(let sequence):
                do { try await self.refill(path, from: sequence) } catch {
                    self.failed(path, because: error, failures: 1)
                    return .crashed
                }
            case .run(let message, let isDurable):
                let start = ContinuousClock.now
                // A turn that throws changes nothing.
                var changed = state
                do throws(TurnFailure) {
                    let reply = try await handler.handle(message, path: path, state: &changed)
                    var batch = StorageBatch()
                    changed.drainChanges(of: path, into: &batch)
                    state = changed
                    self.consume(
                        message, of: path, isDurable: isDurable, outcome: self.checked(reply, of: path), &batch)
                } catch {
                    switch error {
                    case .refused(let error):
                        var batch = StorageBatch()
                        self.consume(message, of: path, isDurable: isDurable, outcome: .failed(error), &batch)
                    case .crashed(let reason):
                        self.crashed(message, of: path, isDurable: isDurable, reason: reason)
                        return .crashed
                    }
                }
                turns += 1
                self.metrics.turn.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
            }
        }
    }

    private func checked(_ reply: [UInt8], of path: ActorPath) -> Outcome {
        guard reply.count > Message.bodyBytesMax else { return .reply(reply) }
        return .failed(
            MeshError(
                .handlerFailed, "the reply of \(path) has \(reply.count) bytes, more than \(Message.bodyBytesMax)",
                accepted: .yes))
    }

    // MARK: what to do next

    private func nextStep(of path: ActorPath, turns: Int) async -> Step {
        while true {
            if let step = self.state.withLock({ self.step(of: path, turns: turns, &$0) }) { return step }
            await withCheckedContinuation { continuation in
                let hasWork = self.state.withLock { state in
                    if self.step(of: path, turns: turns, &state) != nil { return true }
                    state.slots[path]?.sleeper = continuation
                    if state.slots[path]?.mailbox.isEmpty == true {
                        state.slots[path]?.idleSince = MonotonicClock.now
                        self.noteIdle(path, &state)
                    }
                    return false
                }
                if hasWork { continuation.resume() }
            }
        }
    }

    /// Nil is to wait. Messages past their deadline are consumed on the way.
    private func step(of path: ActorPath, turns: Int, _ state: inout State) -> Step? {
        while true {
            guard let slot = state.slots[path] else { return .stop }
            let makesPlace =
                (slot.mailbox.isEmpty || turns >= Self.turnsPerPlace)
                && state.places.someoneWaits(forWorker: slot.running?.isWorker ?? false)
            if slot.isStopping || makesPlace || state.phase != .open {
                // Whoever comes next reads from disk what this one wrote.
                return slot.unsyncedTurns == 0 || state.phase == .closed ? .stop : nil
            }
            if let until = slot.pausedUntil {
                guard until <= MonotonicClock.now else { return nil }
                state.slots[path]?.pausedUntil = nil
            }
            guard slot.unsyncedTurns < self.configuration.unsyncedTurnsMax else { return nil }
            let message: Message
            let isDurable: Bool
            switch slot.mailbox.peek() {
            case .empty: return nil
            case .cold(let sequence): return .refill(sequence)
            case .durable(let first): (message, isDurable) = (first, true)
            case .ephemeral(let first): (message, isDurable) = (first, false)
            }
            guard message.isExpired(at: self.configuration.wallClock()) else {
                state.slots[path]?.idleSince = nil
                return .run(message, isDurable: isDurable)
            }
            self.expire(message, of: path, isDurable: isDurable, &state)
        }
    }

    // MARK: the handler

    private func begin(_ path: ActorPath) -> ActorTarget? {
        // Under the lock, so that a change of definitions finds either the old handler to end or none.
        self.state.withLock { state in
            let target = try? self.target(of: path)
            state.slots[path]?.running = target
            return target
        }
    }

    private func loadState(of path: ActorPath) async throws -> ActorState {
        let prefix = MailboxKeys.prefix(path)
        let entries = try await self.storage.scan(
            StorageRange(.state, prefix: prefix), limit: ActorState.keysMax + 1, bytesMax: .max)
        guard entries.count <= ActorState.keysMax else {
            throw HandlerStartError("the actor has more than \(ActorState.keysMax) keys of state")
        }
        return ActorState(
            Dictionary(uniqueKeysWithValues: entries.map { (Array($0.key.dropFirst(prefix.count)), $0.value) }))
    }

    private func withHandler(
        of target: ActorTarget, path: ActorPath, _ turns: (any ActorHandler) async -> Void
    ) async throws(HandlerStartError) {
        switch target {
        case .builtIn(let builtIn): await turns(builtIn.handler)
        case .defined(_, let definition):
            try await self.handlers.withHandler(for: path, definition: definition, turns)
        }
    }

    private func started(_ path: ActorPath) { self.state.withLock { $0.slots[path]?.failure = nil } }

    /// The messages stay and it is tried again; whoever waits for a reply learns now that it will take long.
    private func failed(_ path: ActorPath, because error: any Error, failures: Int) {
        let (reason, hint) = (error as? HandlerStartError).map { ($0.message, $0.hint) } ?? ("\(error)", "")
        let delay = self.configuration.backoff(afterFailures: failures)
        self.logger.warning(
            "an actor cannot run; its messages wait",
            metadata: ["path": "\(path)", "reason": "\(reason)", "hint": "\(hint)", "retry_after": "\(delay)"])
        let waiters = self.state.withLock { state -> [(MessageID, [ReplyTo])] in
            guard let slot = state.slots[path] else { return [] }
            state.slots[path]?.failure = reason
            self.pause(path, for: delay, &state)
            return slot.mailbox.inMemory.compactMap { message in
                state.waiters.removeValue(forKey: message.id).map { (message.id, $0) }
            }
        }
        let told = MeshError(
            .handlerFailed, "\(path) cannot run: \(reason)",
            hint: hint.isEmpty ? "the message waits and is tried again" : hint, accepted: .yes)
        for (id, waiters) in waiters {
            for waiter in waiters { self.answer(waiter, .outcome(id, .failed(told))) }
        }
    }

    private func pause(_ path: ActorPath, for delay: Duration, _ state: inout State) {
        let due = MonotonicClock.now + delay
        state.slots[path]?.pausedUntil = due
        state.pauses.add(path, due: due)
        self.alarm.ring(by: due)
    }

    private func crashed(_ message: Message, of path: ActorPath, isDurable: Bool, reason: String) {
        // Handlers are taken down at the end of the node: that is nobody's fault.
        guard !Task.isCancelled else { return }
        let attempts = self.state.withLock { state -> Int in
            guard isDurable, let before = state.slots[path]?.attempts else { return self.configuration.attemptsMax }
            state.slots[path]?.attempts = before + 1
            if before + 1 < self.configuration.attemptsMax {
                self.pause(path, for: self.configuration.backoff(afterFailures: before + 1), &state)
            }
            return before + 1
        }
        let metadata: Logger.Metadata = [
            "path": "\(path)", "message": "\(message.id)", "attempt": "\(attempts)", "reason": "\(reason)",
        ]
        if attempts < self.configuration.attemptsMax {
            self.metrics.redelivered.increment()
            self.logger.warning("a handler crashed; its message is delivered again", metadata: metadata)
            return
        }
        var batch = StorageBatch()
        var error = MeshError(.handlerFailed, "the handler of \(path) failed: \(reason)", accepted: .yes)
        if isDurable {
            self.logger.error("a message crashed its handler too often; it is a dead letter now", metadata: metadata)
            self.metrics.deadLetters.increment()
            error.hint = "it was tried \(attempts) times and is a dead letter now"
            let letter = DeadLetter(
                path: path, message: message, reason: reason, wallClock: self.configuration.wallClock())
            batch.put(.deadLetters, MailboxKeys.id(message.id), letter.encoded())
        } else {
            self.logger.warning("a handler crashed on an ephemeral message, which is gone", metadata: metadata)
        }
        self.consume(message, of: path, isDurable: isDurable, outcome: .failed(error), &batch)
    }

    /// Reads the next messages back from disk.
    private func refill(_ path: ActorPath, from sequence: UInt64) async throws {
        // Behind an empty batch everything that was appended can be read.
        await self.storage.commit(StorageBatch())
        let range = StorageRange(
            .messages, prefix: MailboxKeys.prefix(path), from: MailboxKeys.message(path, sequence))
        let entries = try await self.storage.scan(range, limit: Mailbox.hotMax, bytesMax: 256 << 10)
        var messages: [Message] = []
        for (offset, entry) in entries.enumerated() {
            guard entry.key == MailboxKeys.message(path, sequence + UInt64(offset)) else { break }
            messages.append(try Message(decoding: entry.value))
        }
        guard !messages.isEmpty else {
            throw StorageError(
                .corrupt, operation: "read the mailbox of \(path)", detail: "message \(sequence) is missing")
        }
        self.state.withLock { state in
            let before = state.slots[path]?.mailbox.byteCount ?? 0
            state.slots[path]?.mailbox.refill(messages, from: sequence)
            state.hotBytes += (state.slots[path]?.mailbox.byteCount ?? 0) - before
        }
    }
}
