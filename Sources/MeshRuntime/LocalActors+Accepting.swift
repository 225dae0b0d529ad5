internal import MeshCore
internal import Metrics
internal import Synchronization

// Taking messages: limits, idempotency keys, and the batch that makes a message durable.

extension LocalActors {
    /// Takes a message, in the order of calls, and answers later: `.accepted` once it is durable, the outcome to those
    /// who want it, or at once why it was refused.
    func accept(_ arrival: Arrival, replyTo: ReplyTo) {
        let id = arrival.message.id
        // Outside the lock: a body can be long.
        let body = arrival.message.idempotency.map { _ in Fingerprint(of: arrival.message.body) }
        var woken: CheckedContinuation<Void, Never>?
        do throws(MeshError) {
            switch try self.state.withLock({ state throws(MeshError) in
                let verdict = try self.admit(arrival, body: body, replyTo: replyTo, &state)
                if case .queued = verdict { woken = self.schedule(arrival.path, &state) }
                return verdict
            }) {
            case .queued:
                woken?.resume()
                self.metrics.accepted.increment()
                if arrival.isEphemeral, replyTo.want == .acceptance { self.answer(replyTo, .accepted(id)) }
            case .duplicate(let original): self.answerDuplicate(of: original, replyTo: replyTo)
            }
        } catch {
            self.metrics.refused(error.code)
            self.answer(replyTo, .outcome(id, .failed(error)))
        }
    }

    private enum Admission {
        case queued
        case duplicate(MessageID)
    }

    private func admit(
        _ arrival: Arrival, body: Fingerprint?, replyTo: ReplyTo, _ state: inout State
    ) throws(MeshError) -> Admission {
        guard state.phase == .open else {
            throw MeshError(
                .unavailable, "this node \(state.phase == .loading ? "is starting" : "is shutting down")",
                retryAfter: .seconds(1))
        }
        let target = try self.target(of: arrival.path)
        let message = arrival.message
        if let key = message.idempotency, let body,
            let original = try self.duplicate(of: key, body: body, at: arrival.path, state)
        {
            if replyTo.want == .outcome { try self.wait(for: original, replyTo, &state) }
            return .duplicate(original)
        }
        try self.checkLimits(of: target, arrival, state)
        if replyTo.want == .outcome { state.waiters[message.id] = [replyTo] }
        state.depth += 1
        self.metrics.depth.record(state.depth)
        var slot = state.slots.removeValue(forKey: arrival.path) ?? ActorSlot(mailbox: Mailbox())
        let bytesBefore = slot.mailbox.byteCount
        if arrival.isEphemeral {
            slot.mailbox.append(ephemeral: message)
        } else {
            self.append(arrival, body: body, of: target, replyTo: replyTo, to: &slot, &state)
        }
        state.hotBytes += slot.mailbox.byteCount - bytesBefore
        state.slots[arrival.path] = slot
        return .queued
    }

    /// The message that a key stands for already.
    private func duplicate(
        of key: Fingerprint, body: Fingerprint, at path: ActorPath, _ state: State
    ) throws(MeshError) -> MessageID? {
        switch state.idempotency.check(key, body: body, at: self.configuration.wallClock()) {
        case .fresh: return nil
        case .duplicate(let original): return original
        case .conflict:
            throw MeshError(
                .conflict, "this idempotency key was used at \(path) with another body",
                hint: "use a new key for a new message")
        case .full:
            throw MeshError(
                .overloaded, "\(state.idempotency.limit) idempotency keys are remembered, no more fit",
                hint: "send without a key, or wait until older ones expire", retryAfter: .seconds(60))
        }
    }

    private func wait(for original: MessageID, _ replyTo: ReplyTo, _ state: inout State) throws(MeshError) {
        guard state.waiters[original]?.count ?? 0 < Self.waitersMax else {
            throw MeshError(
                .overloaded, "\(Self.waitersMax) calls wait for this message already", accepted: .yes,
                retryAfter: .seconds(5))
        }
        state.waiters[original, default: []].append(replyTo)
    }

    /// A client that repeats a call while its message is stuck leaves a waiter behind each time.
    private static let waitersMax = 64

    private func checkLimits(of target: ActorTarget, _ arrival: Arrival, _ state: State) throws(MeshError) {
        // Those that stay in memory need nothing of what is short.
        if let refusal = state.refusal, !arrival.isEphemeral { throw refusal }
        let depth = state.slots[arrival.path]?.mailbox.depth ?? 0
        guard depth < target.mailboxLimit else {
            throw MeshError(
                .overloaded, "\(depth) messages wait at \(arrival.path), its limit", hint: "send more slowly",
                retryAfter: .seconds(1))
        }
        guard state.depth < self.configuration.messagesMax else {
            throw MeshError(
                .overloaded, "\(state.depth) messages wait on this node, its limit", retryAfter: .seconds(5))
        }
        guard state.slots[arrival.path] != nil || state.slots.count < self.configuration.actorsMax else {
            throw MeshError(.overloaded, "\(state.slots.count) actors are busy on this node", retryAfter: .seconds(5))
        }
        guard state.unsyncedBytes < self.configuration.unsyncedBytesMax,
            !arrival.isEphemeral || state.hotBytes < 2 * self.configuration.hotBytesMax
        else {
            throw MeshError(.overloaded, "this node has more messages in hand than it keeps", retryAfter: .seconds(1))
        }
    }

    private func append(
        _ arrival: Arrival, body: Fingerprint?, of target: ActorTarget, replyTo: ReplyTo, to slot: inout ActorSlot,
        _ state: inout State
    ) {
        let message = arrival.message
        let sequence = slot.mailbox.append(message, keep: state.hotBytes < self.configuration.hotBytesMax)
        var batch = StorageBatch()
        batch.put(.messages, MailboxKeys.message(arrival.path, sequence), message.encoded())
        batch.put(.mailboxes, MailboxKeys.mailbox(arrival.path), slot.mailbox.record.encoded())
        if let key = message.idempotency, let body {
            let retention = UInt64(self.configuration.idempotencyRetention.nanoseconds / 1_000_000)
            let entry = IdempotencyTable.Entry(
                body: body, id: message.id, expiresAt: self.configuration.wallClock() + retention)
            if let expired = state.idempotency.insert(key, entry) {
                batch.delete(.outcomes, MailboxKeys.id(expired.id))
            }
            batch.put(.idempotency, MailboxKeys.fingerprint(key), entry.encoded())
        }
        let bytes = batch.byteCount
        state.unsyncedBytes += bytes
        // Whoever waits elsewhere for the outcome hears of the acceptance too, unless the outcome is about to come.
        let isTold = replyTo.want == .acceptance || replyTo.node == nil || target.isWorker
        self.storage.commit(batch) {
            let woken = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
                state.unsyncedBytes -= bytes
                state.slots[arrival.path]?.syncedEnd = sequence + 1
                return target.isWorker ? state.slots[arrival.path]?.sleeper.take() : nil
            }
            if isTold { self.answer(replyTo, .accepted(message.id)) }
            woken?.resume()
        }
    }

    /// Batches become durable in order, so behind an empty one the original is durable too. Its outcome may be known
    /// already; if it is not, its turn will tell.
    private func answerDuplicate(of original: MessageID, replyTo: ReplyTo) {
        self.storage.commit(StorageBatch()) {
            guard replyTo.want == .outcome else { return self.answer(replyTo, .accepted(original)) }
            self.storage.get(.outcomes, MailboxKeys.id(original)) { result in
                guard case .success(let found) = result, let found else { return }
                var reader = WireReader(found.raw)
                guard let outcome = try? Outcome.read(from: &reader) else { return }
                let waits = self.state.withLock { state -> Bool in
                    guard let index = state.waiters[original]?.firstIndex(of: replyTo) else { return false }
                    state.waiters[original]?.remove(at: index)
                    if state.waiters[original]?.isEmpty == true { state.waiters[original] = nil }
                    return true
                }
                if waits { self.answer(replyTo, .outcome(original, outcome)) }
            }
        }
    }
}
