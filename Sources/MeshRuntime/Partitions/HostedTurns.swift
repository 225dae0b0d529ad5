internal import Logging
internal import MeshCore
internal import Synchronization

/// The programs of this node that run actors' turns. What they are for and when they end `Residences` decides; this performs
/// it, under one lock, and `HostedTurns+Living.swift` has the tasks in which programs live.
final class HostedTurns: Sendable {
    typealias Key = Residences.Key

    /// What a program's task does next.
    enum Command: Sendable {
        case run(TurnOrder, ActorState)
        case end
    }

    struct State: Sendable {
        var residences: Residences
        var commands: [Key: Command] = [:]
        /// Tasks that wait for a command.
        var sleepers: [Key: CheckedContinuation<Void, Never>] = [:]
    }

    private struct News: Sendable {
        var frame: HostFrame
        var group: GroupID
        var lead: NodeID
    }

    let state: Mutex<State>
    let kinds: RegisteredKinds
    let handlers: any ActorHandlers
    let configuration: RuntimeConfiguration
    let metrics: RuntimeMetrics
    let logger: Logger
    let clock: @Sendable () -> Moment
    /// To the leader of a group, on whichever node.
    private let tell: @Sendable (HostFrame, GroupID, NodeID) -> Void
    let starts: AsyncStream<Key>
    private let start: AsyncStream<Key>.Continuation

    init(
        host: Host, kinds: RegisteredKinds, handlers: any ActorHandlers, configuration: RuntimeConfiguration,
        metrics: RuntimeMetrics, logger: Logger, clock: @escaping @Sendable () -> Moment,
        tell: @escaping @Sendable (HostFrame, GroupID, NodeID) -> Void
    ) {
        self.state = Mutex(State(residences: Residences(host: host, configuration: configuration)))
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
    /// A turn is under way.
    var isBusy: Bool { self.state.withLock { $0.residences.isBusy } }

    func step(_ input: Residences.Input, of key: Key) {
        // The next program of this actor shall not find what was meant for the one before.
        if case .ended = input { self.state.withLock { $0.commands[key] = nil } }
        self.change { $0.step(input, of: key, at: self.clock().now, into: &$1) }
    }

    private func change(_ body: (inout Residences, inout [Residences.Effect]) -> Void) {
        let news = self.state.withLock { state in
            var effects: [Residences.Effect] = []
            body(&state.residences, &effects)
            return self.perform(effects, &state)
        }
        for news in news { self.tell(news.frame, news.group, news.lead) }
    }

    private func perform(_ effects: [Residences.Effect], _ state: inout State) -> [News] {
        var news: [News] = []
        for effect in effects {
            switch effect {
            case .start(let key): self.start.yield(key)
            case .turn(let key, let order, let values): Self.command(.run(order, values), key, &state)
            case .end(let key): Self.command(.end, key, &state)
            case .tell(let frame, let group, let lead): news.append(News(frame: frame, group: group, lead: lead))
            }
        }
        return news
    }

    private static func command(_ command: Command, _ key: Key, _ state: inout State) {
        state.commands[key] = command
        state.sleepers.removeValue(forKey: key)?.resume()
    }

    /// What could not be started may be able to now.
    func definitionsChanged() { self.state.withLock { $0.residences.definitionsChanged() } }

    /// Begins nothing more for anybody; turns that are under way may end.
    func retire() { self.change { $0.retire(into: &$1) } }

    func close() {
        self.change { $0.close(into: &$1) }
        self.start.finish()
    }
}
