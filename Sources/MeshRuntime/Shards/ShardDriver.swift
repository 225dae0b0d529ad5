internal import DequeModule
package import MeshCore
internal import Synchronization

/// Gives a shard its turns on its executor, and does what they want. It decides nothing.
package final class ShardDriver<Lead: GroupLead>: Sendable {
    package typealias Input = ShardInput<Lead.Request>

    package enum Offer: Sendable { case taken, full }

    /// What may wait for a shard that is slow. Messages of other nodes beyond it are dropped, for Raft sends them again;
    /// requests are refused; answers of the disk and questions of the heartbeats are few and always taken.
    package struct Limits: Sendable {
        package var messagesMax = 16_384
        package var messageBytesMax = 64 << 20
        package var requestsMax = 65_536
        package init() {}
    }

    private struct Inbox: Sendable {
        var inputs: [Input] = []
        var messages = 0
        var messageBytes = 0
        var requests = 0
        var isScheduled = false
        var isClosed = false
    }

    private struct Owned {
        var shard: Shard<Lead>
        var wakeAt = Instant.distantFuture
    }

    /// Rounds of answers at once and what they lead to in one turn; then others have theirs.
    private static var inlineRoundsMax: Int { 64 }

    private let inbox = Mutex(Inbox())
    /// Locked by the executor only, and by whoever looks at the status.
    private let owned: Mutex<Owned>
    private let limits: Limits
    private let executor: any ShardExecutor
    private let storage: any GroupStorage
    private let service: any ShardService<Lead.Request, Lead.Output>
    private let network: any PeerNetwork
    private let clock: @Sendable () -> Moment
    private let heartbeats: @Sendable (HeartbeatAnswerOfShard) -> Void
    private let dropped = Atomic<Int>(0)

    /// - Parameters:
    ///   - makeShard: called once; the shard is this driver's alone.
    ///   - heartbeats: takes the shard's part of the node's heartbeats.
    package init(
        _ makeShard: () -> sending Shard<Lead>, executor: any ShardExecutor, storage: any GroupStorage,
        network: any PeerNetwork, service: any ShardService<Lead.Request, Lead.Output>, limits: Limits = Limits(),
        clock: @escaping @Sendable () -> Moment, heartbeats: @escaping @Sendable (HeartbeatAnswerOfShard) -> Void
    ) {
        self.owned = Mutex(Owned(shard: makeShard()))
        self.executor = executor
        self.storage = storage
        self.network = network
        self.service = service
        self.limits = limits
        self.clock = clock
        self.heartbeats = heartbeats
    }

    /// What storage found of this shard's groups; before anything else.
    package func recover(_ found: [RecoveredGroup]) {
        self.owned.withLock { $0.shard.recover(found, at: self.clock()) }
        _ = self.submit(.wake)
    }

    /// From any thread.
    @discardableResult
    package func submit(_ input: Input) -> Offer { self.submit(input, isOwed: false) }

    /// `isOwed`: an answer that the shard waits for, and that nobody would repeat. It is taken whatever else waits; there are
    /// no more of them than the shard has asked for.
    private func submit(_ input: Input, isOwed: Bool) -> Offer {
        let offer = self.inbox.withLock { inbox -> (Offer, mustSchedule: Bool) in
            guard !inbox.isClosed,
                isOwed || self.limits.admit(input, &inbox.messages, &inbox.messageBytes, &inbox.requests)
            else { return (.full, false) }
            inbox.inputs.append(input)
            defer { inbox.isScheduled = true }
            return (.taken, !inbox.isScheduled)
        }
        if case .full = offer.0 { self.dropped.add(1, ordering: .relaxed) }
        if offer.mustSchedule { self.executor.execute { self.takeTurn() } }
        return offer.0
    }

    /// Looks at the shard between two turns.
    package func inspect<Result: Sendable>(_ body: (borrowing Shard<Lead>) -> Result) -> Result {
        self.owned.withLock { body($0.shard) }
    }

    /// Nothing is taken any more.
    var isStopped: Bool { self.inbox.withLock { $0.isClosed } }

    /// Inputs that were not taken because too many waited.
    package var droppedCount: Int { self.dropped.load(ordering: .relaxed) }

    // MARK: Turns

    private func takeTurn() {
        let inputs = self.inbox.withLock { inbox in
            let inputs = inbox.inputs
            let isClosed = inbox.isClosed
            inbox = Inbox()
            inbox.isClosed = isClosed
            return inputs
        }
        let turn = self.owned.withLock { owned in
            // Sampled after the inputs were taken from their queue.
            let moment = self.clock()
            for input in inputs { owned.shard.step(input, at: moment) }
            for _ in 0..<Self.inlineRoundsMax {
                let outputs = owned.shard.takeOutputs()
                guard !outputs.isEmpty else { break }
                for input in self.service.perform(outputs) { owned.shard.step(input, at: moment) }
            }
            let turn = owned.shard.finish(at: moment)
            self.arm(&owned, at: moment)
            return turn
        }
        self.perform(turn)
    }

    private func arm(_ owned: inout Owned, at moment: Moment) {
        if owned.wakeAt <= moment.now { owned.wakeAt = .distantFuture }
        let due = owned.shard.nextWake
        guard due < owned.wakeAt else { return }
        owned.wakeAt = due
        if due <= moment.now {
            self.executor.execute { self.submit(.wake) }
        } else {
            self.executor.execute(at: due) { self.submit(.wake) }
        }
    }

    /// The disk first: what is written there others wait for.
    private func perform(_ turn: Shard<Lead>.Turn) {
        if !turn.jobs.isEmpty {
            self.storage.perform(turn.jobs) { [weak self] answers in _ = self?.submit(.answers(answers)) }
        }
        for (node, frame) in turn.frames { _ = self.network.send([frame], to: node) }
        for answer in turn.heartbeats { self.heartbeats(answer) }
        if !turn.roles.isEmpty { self.service.changed(turn.roles) }
        if !turn.results.isEmpty { self.service.done(turn.results) }
        if !turn.strays.isEmpty { self.service.strayed(turn.strays) }
        guard !turn.outputs.isEmpty else { return }
        for input in self.service.perform(turn.outputs) { _ = self.submit(input, isOwed: true) }
    }

    // MARK: Ending

    /// Hands over what is led here; `isDrained` tells when nothing is left that others could lead.
    package func drain() { _ = self.submit(.drain) }
    package var isDrained: Bool { self.owned.withLock { $0.shard.ledWithOthers() == 0 } }

    /// Everybody who waits is told, and nothing more is taken.
    package func stop() {
        _ = self.submit(.stop)
        self.inbox.withLock { $0.isClosed = true }
    }
}

extension ShardDriver.Limits {
    fileprivate func admit<Request>(
        _ input: ShardInput<Request>, _ messages: inout Int, _ bytes: inout Int, _ requests: inout Int
    ) -> Bool {
        switch input {
        case .messages(let batch, _):
            guard messages < self.messagesMax, bytes < self.messageBytesMax else { return false }
            messages += batch.count
            bytes += batch.reduce(0) { $0 + $1.weight }
        case .request:
            guard requests < self.requestsMax else { return false }
            requests += 1
        case .answers, .heartbeat, .suspected, .place, .command, .drain, .stop, .wake: break
        }
        return true
    }
}

extension RaftMessage {
    /// About what it takes in memory.
    fileprivate var weight: Int {
        switch self.body {
        case .append(let append): append.entries.reduce(64) { $0 + $1.byteCount }
        case .snapshotChunk(let chunk): chunk.bytes.count
        default: 64
        }
    }
}
