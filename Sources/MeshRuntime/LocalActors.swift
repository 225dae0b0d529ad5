internal import Logging
internal import MeshCore
internal import Metrics
internal import Synchronization

/// The actors whose mailboxes are on this node: accepts messages, keeps activations, commits turns.
///
/// Every change of a mailbox is made under one lock, and its batch is given to storage under the same lock, so what is
/// on disk follows memory in order. Memory runs ahead: a turn may run before its message is on disk, because their
/// batches are ordered; only what is told to others waits for the disk.
final class LocalActors: Sendable {
    /// Where an answer goes.
    struct ReplyTo: Hashable, Sendable {
        /// Nil for this node.
        var node: NodeID?
        var request: UInt64
        var want: Requests.Want
    }

    /// What arrives for a path.
    struct Arrival: Sendable {
        var path: ActorPath
        var message: Message
        var isEphemeral: Bool
    }

    enum Phase: Sendable { case loading, open, draining, closed }

    struct State: Sendable {
        var phase = Phase.loading
        var slots: [ActorPath: ActorSlot] = [:]
        var idempotency: IdempotencyTable
        /// Who waits for the outcome of a message.
        var waiters: [MessageID: [ReplyTo]] = [:]
        var depth = 0
        var hotBytes = 0
        var unsyncedBytes = 0
        var places: ActivationPlaces
        /// Activations that pause before another attempt, and those that may have been idle for long.
        var pauses = DeadlineQueue<ActorPath>()
        var idle = DeadlineQueue<ActorPath>()
    }

    let state: Mutex<State>
    let storage: any Storage
    let handlers: any ActorHandlers
    let definitions: any DefinitionRegistry
    let configuration: RuntimeConfiguration
    let metrics: RuntimeMetrics
    let logger: Logger
    let alarm: Alarm
    /// Paths that need an activation; `run` gives each a task.
    let starts: AsyncStream<ActorPath>
    let startContinuation: AsyncStream<ActorPath>.Continuation
    /// Tells an answer to whoever asked.
    let answer: @Sendable (ReplyTo, Answer) -> Void

    init(
        storage: any Storage, handlers: any ActorHandlers, definitions: any DefinitionRegistry,
        configuration: RuntimeConfiguration, alarm: Alarm, logger: Logger,
        answer: @escaping @Sendable (ReplyTo, Answer) -> Void
    ) {
        self.storage = storage
        self.handlers = handlers
        self.definitions = definitions
        self.configuration = configuration
        self.metrics = RuntimeMetrics()
        self.logger = logger
        self.alarm = alarm
        self.answer = answer
        self.state = Mutex(
            State(
                idempotency: IdempotencyTable(limit: configuration.idempotencyKeysMax),
                places: ActivationPlaces(
                    limit: configuration.activationsMax, workerLimit: configuration.workersMax)))
        // Bounded by the number of places, which are taken before a path goes in.
        (self.starts, self.startContinuation) = AsyncStream.makeStream()
    }

    /// Reads which messages wait and which idempotency keys are taken.
    func load() async throws {
        var waiting: [(ActorPath, MailboxRecord)] = []
        try await self.storage.read(StorageRange(.mailboxes)) { entry in
            let path = try ActorPath(String(decoding: entry.key, as: UTF8.self))
            let record = try MailboxRecord(decoding: entry.value)
            if record.head < record.next { waiting.append((path, record)) }
        }
        var keys: [(Fingerprint, IdempotencyTable.Entry)] = []
        try await self.storage.read(StorageRange(.idempotency)) { entry in
            var reader = WireReader(entry.key.raw)
            keys.append((try reader.fingerprint(), try IdempotencyTable.Entry(decoding: entry.value)))
        }
        // The table forgets in the order of insertion.
        keys.sort { $0.1.expiresAt < $1.1.expiresAt }
        self.state.withLock { state in
            for (path, record) in waiting {
                state.slots[path] = ActorSlot(mailbox: Mailbox(record: record))
                state.depth += Int(record.next - record.head)
            }
            for (key, entry) in keys { state.idempotency.insert(key, entry) }
            state.phase = .open
        }
        if !waiting.isEmpty { self.logger.info("messages wait", metadata: ["actors": "\(waiting.count)"]) }
        self.definitionsChanged()
    }

    /// Live activations and waiting messages.
    var load: (actors: Int, depth: Int) { self.state.withLock { ($0.places.count, $0.depth) } }
}

// MARK: accepting

extension LocalActors {
    /// Takes a message, in the order of calls, and answers later: `.accepted` once it is durable, the outcome to those
    /// who want it, or at once why it was refused.
    func accept(_ arrival: Arrival, replyTo: ReplyTo) {
        let id = arrival.message.id
        var woken: CheckedContinuation<Void, Never>?
        do throws(MeshError) {
            switch try self.state.withLock({ state throws(MeshError) in
                let verdict = try self.admit(arrival, replyTo: replyTo, &state)
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
        _ arrival: Arrival, replyTo: ReplyTo, _ state: inout State
    ) throws(MeshError) -> Admission {
        guard state.phase == .open else {
            throw MeshError(
                .unavailable, "this node \(state.phase == .loading ? "is starting" : "is shutting down")",
                retryAfter: .seconds(1))
        }
        let target = try self.target(of: arrival.path)
        let message = arrival.message
        if let key = message.idempotency {
            switch state.idempotency.check(key, body: Fingerprint(of: message.body), at: self.configuration.wallClock())
            {
            case .fresh: break
            case .duplicate(let original):
                if replyTo.want == .outcome { state.waiters[original, default: []].append(replyTo) }
                return .duplicate(original)
            case .conflict:
                throw MeshError(
                    .conflict, "this idempotency key was used at \(arrival.path) with another body",
                    hint: "use a new key for a new message")
            case .full:
                throw MeshError(
                    .overloaded, "\(state.idempotency.limit) idempotency keys are remembered, no more fit",
                    hint: "send without a key, or wait until older ones expire", retryAfter: .seconds(60))
            }
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
            self.append(arrival, of: target, replyTo: replyTo, to: &slot, &state)
        }
        state.hotBytes += slot.mailbox.byteCount - bytesBefore
        state.slots[arrival.path] = slot
        return .queued
    }

    private func checkLimits(of target: ActorTarget, _ arrival: Arrival, _ state: State) throws(MeshError) {
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
        _ arrival: Arrival, of target: ActorTarget, replyTo: ReplyTo, to slot: inout ActorSlot, _ state: inout State
    ) {
        let message = arrival.message
        let sequence = slot.mailbox.append(message, keep: state.hotBytes < self.configuration.hotBytesMax)
        var batch = StorageBatch()
        batch.put(.messages, MailboxKeys.message(arrival.path, sequence), message.encoded())
        batch.put(.mailboxes, MailboxKeys.mailbox(arrival.path), slot.mailbox.record.encoded())
        if let key = message.idempotency {
            let retention = UInt64(self.configuration.idempotencyRetention.nanoseconds / 1_000_000)
            let entry = IdempotencyTable.Entry(
                body: Fingerprint(of: message.body), id: message.id,
                expiresAt: self.configuration.wallClock() + retention)
            state.idempotency.insert(key, entry)
            batch.put(.idempotency, MailboxKeys.fingerprint(key), entry.encoded())
        }
        let bytes = batch.byteCount
        state.unsyncedBytes += bytes
        // Whoever waits elsewhere for the outcome hears of the acceptance too, unless the outcome is about to come.
        let isTold = replyTo.want == .acceptance || replyTo.node == nil || target.isWorker
        self.storage.commit(batch) {
            self.state.withLock { $0.unsyncedBytes -= bytes }
            if isTold { self.answer(replyTo, .accepted(message.id)) }
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

    /// Forgets who waits at a node that is gone.
    func forgetWaiters(at node: NodeID) {
        self.state.withLock { state in
            for id in state.waiters.filter({ $0.value.contains { $0.node == node } }).keys {
                state.waiters[id]?.removeAll { $0.node == node }
                if state.waiters[id]?.isEmpty == true { state.waiters[id] = nil }
            }
        }
    }
}
