internal import Logging
internal import MeshCore
internal import Metrics
internal import Synchronization

// The life of a program: it is started, lent turns one at a time, and taken down.
extension HostedTurns {
    /// Between the closing of an idle program's input and its end.
    private static let endGrace = Duration.seconds(1)
    /// How often a program that has something to do is looked at, in case it has nothing any more.
    private static let lookInterval = Duration.seconds(10)

    /// Until `close`. By then turns have had their time, so what is left after a moment is taken down.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await key in self.starts { group.addTask { await self.live(key) } }
            _ = await self.becameEmpty(within: Self.endGrace)
            group.cancelAll()
        }
    }

    private func becameEmpty(within grace: Duration) async -> Bool {
        let deadline = self.clock().now + grace
        while self.count > 0 {
            guard self.clock().now < deadline, (try? await Task.sleep(for: .milliseconds(10))) != nil else {
                return false
            }
        }
        return true
    }

    private func live(_ key: Key) async {
        defer { self.step(.ended, of: key) }
        do {
            guard case .defined(_, let definition) = try self.kinds.target(of: key.path) else {
                throw HandlerStartError("\(key.path) is no program's")
            }
            try await self.handlers.withHandler(for: key.path, definition: definition) { handler in
                self.step(.started, of: key)
                await withDiscardingTaskGroup { group in
                    group.addTask { await self.watch(handler, key) }
                    group.addTask { await self.giveUpUnused(key) }
                    await self.serve(key, by: handler)
                    group.cancelAll()
                }
            }
        } catch let error as HandlerStartError {
            self.failed(key, because: error)
        } catch let error as MeshError {
            self.failed(key, because: HandlerStartError(error.message, hint: error.hint))
        } catch {
            self.failed(key, because: HandlerStartError("\(error)"))
        }
    }

    private func failed(_ key: Key, because error: HandlerStartError) {
        self.step(.failed(reason: error.hint.isEmpty ? error.message : "\(error.message); \(error.hint)"), of: key)
        let failures = self.state.withLock { $0.residences.failureCount(of: key) }
        self.logger.warning(
            "an actor cannot run; its messages wait",
            metadata: [
                "path": "\(key.path)", "reason": "\(error.message)", "hint": "\(error.hint)",
                "retry_after": "\(self.configuration.backoff(afterFailures: failures))",
            ])
    }

    private func serve(_ key: Key, by handler: any ActorHandler) async {
        while case .run(let order, var state) = await self.nextCommand(for: key) {
            let end = await self.turn(order, &state, by: handler)
            self.step(.finished(end, state), of: key)
        }
    }

    private func turn(
        _ order: TurnOrder, _ state: inout ActorState, by handler: any ActorHandler
    ) async -> Residences.TurnEnd {
        let start = self.clock().now
        defer { self.metrics.turn.recordNanoseconds((self.clock().now - start).nanoseconds) }
        var changed = state
        do throws(TurnFailure) {
            let reply = try await handler.handle(order.envelope.message, path: order.path, state: &changed)
            let changes = changed.takeChanges()
            state = changed
            return .report(.finished(TurnResult(reply: reply, changes: changes, keys: changed.count)))
        } catch {
            switch error {
            case .refused(let error, let failure):
                return .report(.failed(failure ?? FailureType(error.code.rawValue), error))
            case .crashed(let reason, let failure):
                // At the end of the node handlers are taken down: that is nobody's fault.
                if Task.isCancelled { return .gone }
                let error = MeshError(
                    .handlerFailed, "the handler of \(order.path) failed: \(reason)", accepted: .yes)
                return .report(.failed(failure, error))
            case .gone: return .gone
            }
        }
    }

    private func nextCommand(for key: Key) async -> Command {
        while true {
            if let command = self.state.withLock({ $0.commands.removeValue(forKey: key) }) { return command }
            await withCheckedContinuation { continuation in
                let hasCommand = self.state.withLock { state in
                    if state.commands[key] != nil { return true }
                    state.sleepers[key] = continuation
                    return false
                }
                if hasCommand { continuation.resume() }
            }
        }
    }

    /// A program that ends between two messages is reaped then, and its leader has another started for the next.
    private func watch(_ handler: any ActorHandler, _ key: Key) async {
        await handler.untilGone()
        if !Task.isCancelled { self.step(.gone, of: key) }
    }

    private func giveUpUnused(_ key: Key) async {
        while !Task.isCancelled {
            let now = self.clock().now
            let due = self.state.withLock { $0.residences.due(key) } ?? now + Self.lookInterval
            guard (try? await Task.sleep(for: max(due - now, .milliseconds(10)))) != nil else { return }
            self.step(.wake, of: key)
        }
    }
}
