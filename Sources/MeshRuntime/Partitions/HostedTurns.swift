internal import Logging
internal import MeshCore
internal import Synchronization

/// Programs of this node that run actors' turns: started when a lead looks for a place, ended when it releases the activation.
///
/// A lead hears of a place only when the program runs, so one that cannot be started is no failed turn. This type keeps the
/// order of things under one lock; `HostedTurns+Living.swift` has the tasks in which programs live.
final class HostedTurns: Sendable {
    struct Key: Hashable, Sendable {
        var group: GroupID
        var path: ActorPath
    }

    /// One program, from the question for a place to its end.
    struct Residence: Sendable {
        /// Questions that wait for it to run.
        var queries: [UInt64] = []
        var isRunning = false
        var activation: ActivationID?
        var state = ActorState()
        var order: TurnOrder?
        var isBusy = false
        var isEnding = false
        /// Where its task waits for something to do.
        var sleeper: CheckedContinuation<Void, Never>?
        var idleSince: Instant
        /// Came while this one was ending: another program is started after it.
        var later: [UInt64] = []
    }

    struct Failure: Sendable {
        var reason: String
        var count: Int
        var until: Instant
    }

    struct State: Sendable {
        var residences: [Key: Residence] = [:]
        var failures: [Key: Failure] = [:]
        var isClosed = false
    }

    /// Failures that are remembered: those that are past count as none.
    private static let failuresMax = 4_096
    /// A place that was asked for and is not used is given up.
    static let unusedAfter = Duration.seconds(10)

    let state = Mutex(State())
    let host: Host
    let kinds: RegisteredKinds
    let handlers: any ActorHandlers
    let configuration: RuntimeConfiguration
    let metrics: RuntimeMetrics
    let logger: Logger
    let clock: @Sendable () -> Moment
    /// To the lead of a group.
    let tell: @Sendable (PartitionRequest, GroupID) -> Void
    let starts: AsyncStream<Key>
    let start: AsyncStream<Key>.Continuation

    init(
        host: Host, kinds: RegisteredKinds, handlers: any ActorHandlers, configuration: RuntimeConfiguration,
        metrics: RuntimeMetrics, logger: Logger, clock: @escaping @Sendable () -> Moment,
        tell: @escaping @Sendable (PartitionRequest, GroupID) -> Void
    ) {
        self.host = host
        self.kinds = kinds
        self.handlers = handlers
        self.configuration = configuration
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        self.tell = tell
        // Bounded by the number of places, which are taken before a key goes in.
        (self.starts, self.start) = AsyncStream.makeStream()
    }

    /// Programs that run or start.
    var count: Int { self.state.withLock { $0.residences.count } }

    // MARK: What leads ask

    func place(_ query: PlacementQuery, of group: GroupID) {
        let key = Key(group: group, path: query.path)
        let now = self.clock().now
        let (refusal, evicted) = self.state.withLock { self.place(query.id, key, at: now, &$0) }
        if let (id, group) = evicted { self.tell(.disowned(id), group) }
        if let refusal { self.tell(.placed(query.id, refusal), group) }
    }

    private func place(
        _ query: UInt64, _ key: Key, at now: Instant, _ state: inout State
    ) -> (refusal: PartitionRequest.Placed?, evicted: (ActivationID, GroupID)?) {
        guard !state.isClosed else { return (.nowhere(missing: "this node is shutting down"), nil) }
        if let residence = state.residences[key] {
            if residence.isRunning, !residence.isEnding, residence.activation == nil {
                // It runs for a question whose lead has asked again.
                self.tell(.placed(query, .at(self.host)), key.group)
            } else if residence.isRunning || residence.isEnding {
                state.residences[key]?.later.append(query)
                state.residences[key]?.isEnding = true
                state.residences[key]?.sleeper.take()?.resume()
            } else {
                state.residences[key]?.queries.append(query)
            }
            return (nil, nil)
        }
        if let failure = state.failures[key], failure.until > now { return (.unstartable(failure.reason), nil) }
        guard state.residences.count < self.configuration.workersMax else {
            return (
                .nowhere(missing: "room: \(self.configuration.workersMax) programs run on this node, as many as may"),
                self.longestIdle(in: state)
            )
        }
        state.residences[key] = Residence(queries: [query], idleSince: now)
        self.start.yield(key)
        return (nil, nil)
    }

    /// Its lead ends it, and there is a place for another.
    private func longestIdle(in state: State) -> (ActivationID, GroupID)? {
        let idle = state.residences.filter { !$0.value.isBusy && !$0.value.isEnding && $0.value.activation != nil }
        guard let oldest = idle.min(by: { $0.value.idleSince < $1.value.idleSince }),
            let activation = oldest.value.activation
        else { return nil }
        return (activation, oldest.key.group)
    }

    func run(_ order: TurnOrder, of group: GroupID) {
        let key = Key(group: group, path: order.path)
        let isHere = self.state.withLock { state -> Bool in
            guard var residence = state.residences[key], residence.isRunning, !residence.isEnding,
                residence.activation == nil || residence.activation == order.activation, residence.order == nil
            else { return false }
            if let entries = order.state { residence.state = ActorState(entries: entries) }
            residence.activation = order.activation
            residence.order = order
            residence.isBusy = true
            let sleeper = residence.sleeper.take()
            state.residences[key] = residence
            sleeper?.resume()
            return true
        }
        if !isHere { self.tell(.disowned(order.activation), group) }
    }

    /// A turn that is under way goes on to its end, which comes to nothing; it is bounded by the timeout of its program.
    func release(_ activation: ActivationID, _ path: ActorPath, of group: GroupID) {
        let key = Key(group: group, path: path)
        self.state.withLock { state in
            guard state.residences[key]?.activation == activation else { return }
            state.residences[key]?.isEnding = true
            state.residences[key]?.sleeper.take()?.resume()
        }
    }

    /// What could not be started may be able to now.
    func definitionsChanged() { self.state.withLock { $0.failures = [:] } }

    func close() {
        self.state.withLock { state in
            state.isClosed = true
            for key in state.residences.keys {
                state.residences[key]?.isEnding = true
                state.residences[key]?.sleeper.take()?.resume()
            }
        }
        self.start.finish()
    }

    // MARK: What programs do

    func started(_ key: Key) {
        let queries = self.state.withLock { state in
            state.failures[key] = nil
            state.residences[key]?.isRunning = true
            return state.residences[key]?.queries.take() ?? []
        }
        for query in queries { self.tell(.placed(query, .at(self.host)), key.group) }
    }

    /// It could not be started, or ended before anything was asked of it.
    func failed(_ key: Key, because error: HandlerStartError) {
        let reason = error.hint.isEmpty ? error.message : "\(error.message); \(error.hint)"
        let now = self.clock().now
        let (queries, pause) = self.state.withLock { state -> ([UInt64], Duration) in
            let count = (state.failures[key]?.count ?? 0) + 1
            let pause = self.configuration.backoff(afterFailures: count)
            if state.failures.count >= Self.failuresMax {
                state.failures = state.failures.filter { $0.value.until > now }
            }
            if state.failures.count < Self.failuresMax {
                state.failures[key] = Failure(reason: reason, count: count, until: now + pause)
            }
            return (state.residences[key]?.queries.take() ?? [], pause)
        }
        self.logger.warning(
            "an actor cannot run; its messages wait",
            metadata: [
                "path": "\(key.path)", "reason": "\(error.message)", "hint": "\(error.hint)",
                "retry_after": "\(pause)",
            ])
        for query in queries { self.tell(.placed(query, .unstartable(reason)), key.group) }
    }

    /// The program is gone and reaped. Whoever asked meanwhile gets another.
    func ended(_ key: Key) {
        let now = self.clock().now
        let refused = self.state.withLock { state -> [UInt64] in
            guard let residence = state.residences.removeValue(forKey: key) else { return [] }
            let queries = residence.queries + residence.later
            guard !queries.isEmpty else { return [] }
            guard !state.isClosed else { return queries }
            state.residences[key] = Residence(queries: queries, idleSince: now)
            self.start.yield(key)
            return []
        }
        for query in refused {
            self.tell(.placed(query, .nowhere(missing: "this node is shutting down")), key.group)
        }
    }
}

extension Array {
    /// What it holds; afterwards it is empty.
    fileprivate mutating func take() -> Self {
        defer { self = [] }
        return self
    }
}
