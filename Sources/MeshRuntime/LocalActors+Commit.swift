internal import Logging
internal import MeshCore
internal import Metrics
internal import Synchronization

// The end of a message: one batch takes it out of its mailbox, keeps what its turn changed, and records its outcome for
// its idempotency key.

extension LocalActors {
    func consume(
        _ message: Message, of path: ActorPath, isDurable: Bool, outcome: Outcome, _ batch: inout StorageBatch
    ) {
        self.metrics.processed.increment()
        if case .failed = outcome { self.metrics.failed.increment() }
        self.state.withLock { state in
            state.slots[path]?.processed += 1
            state.slots[path]?.crashes = 0
            state.slots[path]?.failures = 0
            // A key that has expired meanwhile has nobody to delete its outcome.
            if let key = message.idempotency, state.idempotency[key]?.id == message.id {
                batch.put(.outcomes, MailboxKeys.id(message.id), self.kept(outcome))
            }
            self.remove(message, of: path, isDurable: isDurable, outcome: outcome, &batch, &state)
        }
    }

    /// A message whose deadline has passed is not run. Its idempotency key is forgotten, so that a retry is.
    func expire(_ message: Message, of path: ActorPath, isDurable: Bool, _ state: inout State) {
        self.metrics.expired.increment()
        var batch = StorageBatch()
        if let key = message.idempotency {
            state.idempotency.remove(key)
            batch.delete(.idempotency, MailboxKeys.fingerprint(key))
        }
        let reason = state.slots[path]?.failure.map { "; it cannot run: \($0)" } ?? ""
        let error = MeshError(
            .deadlineExceeded, "the deadline of the message to \(path) passed before its turn\(reason)", accepted: .yes)
        self.remove(message, of: path, isDurable: isDurable, outcome: .failed(error), &batch, &state)
    }

    private func remove(
        _ message: Message, of path: ActorPath, isDurable: Bool, outcome: Outcome, _ batch: inout StorageBatch,
        _ state: inout State
    ) {
        guard var slot = state.slots.removeValue(forKey: path) else { return }
        let bytesBefore = slot.mailbox.byteCount
        if isDurable {
            let sequence = slot.mailbox.consumeDurable()
            slot.attempts = 0
            batch.delete(.messages, MailboxKeys.message(path, sequence))
            batch.put(.mailboxes, MailboxKeys.mailbox(path), slot.mailbox.record.encoded())
        } else {
            slot.mailbox.consumeEphemeral()
        }
        state.hotBytes += slot.mailbox.byteCount - bytesBefore
        state.depth -= 1
        self.metrics.depth.record(state.depth)
        slot.unsyncedTurns += 1
        state.slots[path] = slot
        self.storage.commit(batch) { self.synced(message.id, of: path, outcome: outcome) }
    }

    /// On disk: now, and not before, others may know.
    private func synced(_ id: MessageID, of path: ActorPath, outcome: Outcome) {
        let waiters = self.state.withLock { $0.waiters.removeValue(forKey: id) ?? [] }
        for waiter in waiters { self.answer(waiter, .outcome(id, outcome)) }
        // Last, for an activation may end, and the node with it, when nothing of it is under way.
        let woken = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let unsynced = state.slots[path]?.unsyncedTurns else { return nil }
            state.slots[path]?.unsyncedTurns = unsynced - 1
            let matters = unsynced == self.configuration.unsyncedTurnsMax || unsynced == 1
            return matters ? state.slots[path]?.sleeper.take() : nil
        }
        woken?.resume()
    }

    private func kept(_ outcome: Outcome) -> [UInt8] {
        var writer = WireWriter()
        if case .reply(let body) = outcome, body.count > self.configuration.keptReplyBytesMax {
            let limit = self.configuration.keptReplyBytesMax
            Outcome.failed(
                MeshError(
                    .tooLarge,
                    "the message with this idempotency key was processed; its reply of \(body.count) bytes is over "
                        + "the \(limit) that are kept",
                    accepted: .yes)
            ).write(to: &writer)
        } else {
            outcome.write(to: &writer)
        }
        return writer.bytes
    }
}
