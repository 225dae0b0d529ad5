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
        /// The handler has ended by itself.
        case gone
    }
    private enum End { case stopped, crashed }

    /// After so many turns an activation lets others have its place, if they wait for one.
    private static let turnsPerPlace = 64

    /// Runs the activation of a path from its beginning to its end; the place is taken already.
    func live(_ path: ActorPath) async {
        var hasState = true
        var end = End.crashed
        while end == .crashed {
            if case .stop = await self.nextStep(of: path, turns: 0) { break }
            guard let target = self.begin(path) else { break }
            do {
                // What an earlier handler of this activation changed has to be on disk before it is read there.
                if self.hasUnsyncedTurns(path) { await self.storage.commit(StorageBatch()) }
                var actorState = try await self.loadState(of: path)
                try await self.withHandler(of: target, path: path) { handler in
                    self.started(path)
                    end = await self.watching(handler, of: target, at: path) {
                        await self.runTurns(of: path, handler: handler, state: &actorState)
                    }
                }
                hasState = !actorState.isEmpty
            } catch {
                self.failed(path, because: error)
            }
        }
        self.ended(path, hasState: hasState)
    }

    /// Runs turns while somebody watches whether the program is still there, so that one that ends between two messages is
    /// reaped then, and not when the next message comes.
    private func watching(
        _ handler: any ActorHandler, of target: ActorTarget, at path: ActorPath, _ turns: () async -> End
    ) async -> End {
        guard target.isWorker else { return await turns() }
        defer { self.state.withLock { $0.slots[path]?.isHandlerGone = false } }
        return await withDiscardingTaskGroup { group in
            group.addTask {
                await handler.untilGone()
                guard !Task.isCancelled else { return }
                let sleeper = self.state.withLock { state in
                    state.slots[path]?.isHandlerGone = true
                    return state.slots[path]?.sleeper.take()
                }
                sleeper?.resume()
            }
            let end = await turns()
            group.cancelAll()
            return end
        }
    }

    private func runTurns(
        of path: ActorPath, handler: any ActorHandler, state: inout ActorState
    ) async -> End {
        var turns = 0
        while true {
            switch await self.nextStep(of: path, turns: turns) {
            case .stop: return .stopped
            case .gone: return self.handlerIsGone(path, turns: turns)
            case .refill(let sequence):
                do { try await self.refill(path, from: sequence) } catch {
                    self.failed(path, because: error)
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
                    case .refused(let error, let failure):
                        self.refused(message, of: path, isDurable: isDurable, error, as: failure)
                    case .crashed(let reason, let failure):
                        self.crashed(message, of: path, isDurable: isDurable, reason: reason, as: failure)
                        return .crashed
                    case .gone: return self.handlerIsGone(path, turns: turns)
                    }
                }
                turns += 1
                self.metrics.turn.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
            }
        }
    }

    /// A program may end when it has done its work: the next message gets another one. One that ends before it has done
    /// any would be started for ever, so that is like one that cannot be started, and its messages wait.
    private func handlerIsGone(_ path: ActorPath, turns: Int) -> End {
        let isIdle = self.state.withLock { $0.slots[path]?.mailbox.isEmpty ?? true }
        if isIdle { return .stopped }
        if turns == 0 {
            self.failed(
                path,
                because: HandlerStartError(
                    "its program ended before it took a message",
                    hint: "run the command of the definition by hand, and see what it says in the node's log"))
        }
        return .crashed
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
            let pause = slot.pausedUntil.map { $0 > MonotonicClock.now } ?? false
            let makesPlace =
                (slot.mailbox.isEmpty || pause || turns >= Self.turnsPerPlace)
                && state.places.someoneWaits(forWorker: slot.running?.isWorker ?? false)
            if slot.isStopping || makesPlace || state.phase != .open {
                // Whoever comes next reads from disk what this one wrote.
                return slot.unsyncedTurns == 0 || state.phase == .closed ? .stop : nil
            }
            if slot.isHandlerGone { return .gone }
            if pause { return nil }
            guard slot.unsyncedTurns < self.configuration.unsyncedTurnsMax else { return nil }
            let message: Message
            let isDurable: Bool
            switch slot.mailbox.peek() {
            case .empty: return nil
            case .cold(let sequence): return .refill(sequence)
            case .durable(let first):
                guard slot.mayRun else { return nil }
                (message, isDurable) = (first, true)
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

    private func hasUnsyncedTurns(_ path: ActorPath) -> Bool {
        self.state.withLock { $0.slots[path]?.unsyncedTurns ?? 0 > 0 }
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
        case .builtIn(let builtIn): await turns(BuiltInHandler(builtIn: builtIn))
        case .defined(_, let definition):
            try await self.handlers.withHandler(for: path, definition: definition, turns)
        }
    }

    private func started(_ path: ActorPath) {
        self.state.withLock { state in
            state.slots[path]?.failure = nil
        }
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
