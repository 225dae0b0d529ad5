internal import Logging
internal import MeshCore
internal import Metrics
internal import Synchronization

// The life of a program: it is started, lent turns one at a time, and taken down.
extension HostedTurns {
    private enum Step: Sendable {
        case end
        case run(TurnOrder, ActorState)
    }

    /// Between the closing of an idle program's input and its end.
    private static let endGrace = Duration.seconds(1)

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
        defer { self.ended(key) }
        do {
            guard case .defined(_, let definition) = try self.kinds.target(of: key.path) else {
                throw HandlerStartError("\(key.path) is no program's")
            }
            try await self.handlers.withHandler(for: key.path, definition: definition) { handler in
                self.started(key)
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

    private func serve(_ key: Key, by handler: any ActorHandler) async {
        while case .run(let order, var state) = await self.nextStep(of: key) {
            let end = await self.turn(order, &state, by: handler)
            self.state.withLock { storage in
                storage.residences[key]?.state = state
                storage.residences[key]?.order = nil
                storage.residences[key]?.isBusy = false
                storage.residences[key]?.idleSince = self.clock().now
                // Whoever cannot be trusted with another message takes none.
                if end.isLast { storage.residences[key]?.isEnding = true }
            }
            switch end {
            case .report(let end):
                self.tell(.turn(TurnReport(order.activation, number: order.number, end)), key.group)
            case .gone: self.tell(.disowned(order.activation), key.group)
            }
        }
    }

    private enum End {
        case report(TurnReport.End)
        /// It had ended before it was given the message, which is not the message's fault.
        case gone

        var isLast: Bool {
            switch self {
            case .report(.failed(let failure, _)): [.crashed, .timeout, .hostLost].contains(failure)
            case .report: false
            case .gone: true
            }
        }
    }

    private func turn(_ order: TurnOrder, _ state: inout ActorState, by handler: any ActorHandler) async -> End {
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

    private func nextStep(of key: Key) async -> Step {
        while true {
            if let step = self.state.withLock({ self.step(of: key, $0) }) { return step }
            await withCheckedContinuation { continuation in
                let hasWork = self.state.withLock { state in
                    if self.step(of: key, state) != nil { return true }
                    state.residences[key]?.sleeper = continuation
                    return false
                }
                if hasWork { continuation.resume() }
            }
        }
    }

    /// Nil is to wait. An order whose activation was released meanwhile is not run: nobody waits for it.
    private func step(of key: Key, _ state: State) -> Step? {
        guard let residence = state.residences[key] else { return .end }
        if residence.isEnding { return .end }
        return residence.order.map { .run($0, residence.state) }
    }

    /// A program that ends between two messages is reaped then, and its lead starts another for the next.
    private func watch(_ handler: any ActorHandler, _ key: Key) async {
        await handler.untilGone()
        guard !Task.isCancelled else { return }
        let (activation, isUnused) = self.state.withLock { state -> (ActivationID?, Bool) in
            guard let residence = state.residences[key], !residence.isBusy, !residence.isEnding else {
                return (nil, false)
            }
            state.residences[key]?.isEnding = true
            state.residences[key]?.sleeper.take()?.resume()
            return (residence.activation, residence.activation == nil)
        }
        if let activation { self.tell(.disowned(activation), key.group) }
        if isUnused {
            self.failed(
                key,
                because: HandlerStartError(
                    "its program ended before it took a message",
                    hint: "run the command of the definition by hand, and see what it says in the node's log"))
        }
    }

    private func giveUpUnused(_ key: Key) async {
        guard (try? await Task.sleep(for: Self.unusedAfter)) != nil else { return }
        self.state.withLock { state in
            guard let residence = state.residences[key], residence.activation == nil else { return }
            state.residences[key]?.isEnding = true
            state.residences[key]?.sleeper.take()?.resume()
        }
    }
}
