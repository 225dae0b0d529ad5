internal import Logging
internal import MeshCore
internal import Metrics
internal import Synchronization

// When activations begin and end. What these return is a sleeping activation, to be resumed outside the lock.

extension LocalActors {
    /// Who answers at a path; a reserved path belongs to a built-in actor or to nobody.
    func target(of path: ActorPath) throws(MeshError) -> ActorTarget {
        if path.isReserved {
            guard let builtIn = BuiltIn(path) else {
                throw MeshError(
                    .notFound, "there is no built-in actor at \(path)",
                    hint: "built in are \(BuiltIn.known)")
            }
            return .builtIn(builtIn)
        }
        guard let applied = self.definitions.resolve(path), let definition = applied.definition else {
            throw MeshError(
                .notFound, "no definition matches \(path)",
                hint: "apply one with `meshnode apply -f FILE`; `meshnode get` lists those that are there")
        }
        return .defined(applied, definition)
    }

    /// Makes sure that somebody works on a mailbox.
    func schedule(_ path: ActorPath, _ state: inout State) -> CheckedContinuation<Void, Never>? {
        switch state.slots[path]?.activation {
        case nil, .waitsForPlace: return nil
        case .live: return state.slots[path]?.sleeper.take()
        case .some(.none): break
        }
        // Without a definition there is nobody to wake: messages wait until one is applied again.
        guard state.phase == .open, let isWorker = try? self.target(of: path).isWorker else { return nil }
        // Who pauses takes no place from others; the end of the pause comes here again.
        if let until = state.slots[path]?.pausedUntil, until > MonotonicClock.now { return nil }
        guard state.places.take(isWorker: isWorker) else {
            state.slots[path]?.activation = .waitsForPlace
            state.places.wait(path, isWorker: isWorker)
            return self.evictIdle(sparingAllBut: isWorker, &state)
        }
        state.slots[path]?.activation = .live(isWorker: isWorker)
        self.metrics.activations.record(state.places.count)
        self.startContinuation.yield(path)
        return nil
    }

    /// Ends the activation that has been idle longest. Only a worker's end makes place for a worker.
    private func evictIdle(sparingAllBut workersOnly: Bool, _ state: inout State) -> CheckedContinuation<Void, Never>? {
        var spared: [ActorPath] = []
        defer { for path in spared { self.noteIdle(path, &state) } }
        while let path = state.idle.popDue(at: .distantFuture) {
            state.slots[path]?.isInIdleQueue = false
            guard let slot = state.slots[path], slot.idleSince != nil, !slot.isStopping,
                case .live(let isWorker) = slot.activation
            else { continue }
            if workersOnly, !isWorker {
                spared.append(path)
                continue
            }
            state.slots[path]?.isStopping = true
            return state.slots[path]?.sleeper.take()
        }
        return nil
    }

    /// One entry per activation is enough: when it comes up and its activation has worked since, it goes back.
    func noteIdle(_ path: ActorPath, _ state: inout State) {
        guard let slot = state.slots[path], !slot.isInIdleQueue, let since = slot.idleSince else { return }
        state.slots[path]?.isInIdleQueue = true
        let due = since + self.configuration.idleAfter
        state.idle.add(path, due: due)
        self.alarm.ring(by: due)
    }

    /// The activation of a path is over: its place goes to the next in line, or to itself if messages came meanwhile.
    func ended(_ path: ActorPath, hasState: Bool) {
        var woken: [CheckedContinuation<Void, Never>?] = []
        self.state.withLock { state in
            guard case .live(let isWorker) = state.slots[path]?.activation else { return }
            state.slots[path]?.activation = .none
            state.slots[path]?.isStopping = false
            state.slots[path]?.idleSince = nil
            state.slots[path]?.running = nil
            state.places.give(isWorker: isWorker)
            while let next = state.places.nextInLine() {
                guard case .waitsForPlace = state.slots[next]?.activation else { continue }
                state.slots[next]?.activation = .none
                woken.append(self.schedule(next, &state))
            }
            if state.slots[path]?.mailbox.isEmpty == true {
                state.slots[path] = nil
                // What neither waits nor remembers leaves no trace; an actor with state stays in the listing.
                if !hasState, state.phase != .closed {
                    var batch = StorageBatch()
                    batch.delete(.mailboxes, MailboxKeys.mailbox(path))
                    self.storage.commit(batch) {}
                }
            } else {
                woken.append(self.schedule(path, &state))
            }
            self.metrics.activations.record(state.places.count)
        }
        for continuation in woken { continuation?.resume() }
    }

    /// Activations whose definition changed end after their turn; messages that found no definition get another chance.
    func definitionsChanged() {
        // Who comes meanwhile asks for the new definition anyway.
        var paths = self.state.withLock { Array($0.slots.keys) }[...]
        while !paths.isEmpty {
            // A few at a time: every message that arrives needs this lock.
            let some = paths.prefix(256)
            paths = paths.dropFirst(some.count)
            let woken = self.state.withLock { state in some.map { self.definitionChanged(at: $0, &state) } }
            for continuation in woken { continuation?.resume() }
        }
    }

    private func definitionChanged(at path: ActorPath, _ state: inout State) -> CheckedContinuation<Void, Never>? {
        if let running = state.slots[path]?.running, running != (try? self.target(of: path)) {
            state.slots[path]?.isStopping = true
        }
        // What could not run may be able to now.
        state.slots[path]?.pausedUntil = nil
        return self.schedule(path, &state)
    }

    /// Wakes what has paused long enough, ends what has been idle for long, forgets old idempotency keys; says when to
    /// come again.
    func sweep(at now: Instant) -> Instant? {
        var woken: [CheckedContinuation<Void, Never>?] = []
        let next = self.state.withLock { state -> Instant? in
            while let path = state.pauses.popDue(at: now) { woken.append(self.schedule(path, &state)) }
            while let path = state.idle.popDue(at: now) {
                state.slots[path]?.isInIdleQueue = false
                guard let since = state.slots[path]?.idleSince else { continue }
                if since + self.configuration.idleAfter <= now {
                    state.slots[path]?.isStopping = true
                    woken.append(state.slots[path]?.sleeper.take())
                } else {
                    self.noteIdle(path, &state)
                }
            }
            let expired = state.idempotency.expire(at: self.configuration.wallClock(), limit: 1000)
            if !expired.isEmpty {
                var batch = StorageBatch()
                for (key, entry) in expired {
                    batch.delete(.idempotency, MailboxKeys.fingerprint(key))
                    batch.delete(.outcomes, MailboxKeys.id(entry.id))
                }
                self.storage.commit(batch) {}
            }
            let keysDue = state.idempotency.count > 0 ? now + .seconds(60) : nil
            return [state.pauses.nextDue, state.idle.nextDue, keysDue].compactMap(\.self).min()
        }
        for continuation in woken { continuation?.resume() }
        return next
    }

    /// Accepts nothing more; activations end after their turn, and those that wait for a place never begin.
    func drain() {
        let sleepers = self.state.withLock { state -> [CheckedContinuation<Void, Never>?] in
            if state.phase == .open || state.phase == .loading { state.phase = .draining }
            return state.slots.keys.map { state.slots[$0]?.sleeper.take() }
        }
        for continuation in sleepers { continuation?.resume() }
        self.startContinuation.finish()
    }
}
