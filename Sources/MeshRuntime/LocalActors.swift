internal import Logging
internal import MeshCore
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
        /// Why no message is taken at present, if none is.
        var refusal: MeshError?
        var slots: [ActorPath: ActorSlot] = [:]
        var idempotency: IdempotencyTable
        /// Who waits for the outcome of a message.
        var waiters: [MessageID: [ReplyTo]] = [:]
        var deadLetters: DeadLetterIndex
        var depth = 0
        var hotBytes = 0
        var unsyncedBytes = 0
        var places: ActivationPlaces
        /// Activations that pause before another attempt, and those that may have been idle for long.
        var pauses = DeadlineQueue<ActorPath>()
        var idle = DeadlineQueue<ActorPath>()
        /// For the jitter of retries.
        var random = RandomSource(seed: .random(in: 0 ... .max))
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
                deadLetters: DeadLetterIndex(
                    countMax: configuration.deadLettersMax, bytesMax: configuration.deadLetterBytesMax),
                places: ActivationPlaces(
                    limit: configuration.activationsMax, workerLimit: configuration.workersMax)))
        // Bounded by the number of places, which are taken before a path goes in.
        (self.starts, self.startContinuation) = AsyncStream.makeStream()
    }

    /// Reads which messages wait and which idempotency keys are taken.
    func recover() async throws {
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
        var letters: [(MessageID, wallClock: UInt64, byteCount: Int)] = []
        try await self.storage.read(StorageRange(.deadLetters)) { entry in
            let letter = try DeadLetter(decoding: entry.value)
            letters.append((letter.message.id, letter.wallClock, entry.value.count))
        }
        letters.sort { $0.wallClock < $1.wallClock }
        // The table forgets in the order of insertion.
        keys.sort { $0.1.expiresAt < $1.1.expiresAt }
        self.state.withLock { state in
            for (path, record) in waiting {
                state.slots[path] = ActorSlot(mailbox: Mailbox(record: record))
                state.depth += Int(record.next - record.head)
            }
            for (key, entry) in keys { state.idempotency.insert(key, entry) }
            // Dropped only if a limit was lowered since.
            var batch = StorageBatch()
            for letter in letters {
                for id in state.deadLetters.add(letter.0, byteCount: letter.byteCount) {
                    batch.delete(.deadLetters, MailboxKeys.id(id))
                }
            }
            if !batch.isEmpty { self.storage.commit(batch) {} }
            state.phase = .open
        }
        if !waiting.isEmpty { self.logger.info("messages wait", metadata: ["actors": "\(waiting.count)"]) }
        self.definitionsChanged()
    }

    /// Live activations and waiting messages.
    var load: (actors: Int, depth: Int) { self.state.withLock { ($0.places.count, $0.depth) } }
}
