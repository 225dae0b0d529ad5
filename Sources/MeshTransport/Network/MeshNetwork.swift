package import Logging
package import MeshCore
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// This node's side of the mesh: sealed gossip, sealed streams, and who is there.
///
/// `start` binds and begins to answer, `run` lives as long as the node, `join` finds the others. Gossip has one event
/// loop and streams have another, so that sealing a megabyte does not delay a heartbeat.
package final class MeshNetwork: PeerNetwork, MemberDirectory {
    package struct Configuration: Sendable {
        package var identity: NodeIdentity
        package var boot: Boot
        package var cluster: ClusterID
        package var keys: MeshKeys
        package var name: String
        package var zone = ""
        package var tags: [Label] = []
        package var version = ""
        /// UDP and TCP; port 0 lets the system choose.
        package var bind: HostAndPort
        /// What others are told; port 0 is the bound one. nil: the bound address or, if that is all, a fitting one.
        package var advertise: HostAndPort?
        package var membership: Membership.Configuration
        /// Of the membership's random decisions.
        package var seed: UInt64
        /// Makes changed keys durable; they are used when it has returned.
        package var keepKeys: @Sendable (MeshKeys) throws -> Void = { _ in }

        package init(
            identity: NodeIdentity, boot: Boot, cluster: ClusterID, keys: MeshKeys, name: String, bind: HostAndPort,
            membership: Membership.Configuration = .lan, seed: UInt64 = randomUInt64()
        ) {
            self.identity = identity
            self.boot = boot
            self.cluster = cluster
            self.keys = keys
            self.name = name
            self.bind = bind
            self.membership = membership
            self.seed = seed
        }
    }

    package struct Addresses: Sendable {
        package var bound: Endpoint
        package var advertised: Endpoint
    }

    /// What exists between `start` and the end of `run`.
    struct Running: Sendable {
        var group: MultiThreadedEventLoopGroup
        var gossipLoop: any EventLoop
        var streamLoop: any EventLoop
        var gossip: NIOLoopBound<Gossip>
        var streams: NIOLoopBound<Streams>
        var binding: Binding
        var addresses: Addresses
    }

    struct State {
        var running: Running?
        var keys: MeshKeys
    }

    private static let leaveTimeout = TimeAmount.seconds(10)

    package let localID: NodeID
    let configuration: Configuration
    let directory = Directory()
    let logger: Logger
    let admission: any Admission
    let outboxes = Outboxes()
    let hub = EventHub()
    let refusals: Refusals
    let state: Mutex<State>
    let keyFrames: AsyncStream<(PeerFrame, NodeID)>
    let keyFrameCame: AsyncStream<(PeerFrame, NodeID)>.Continuation
    static let lockedOutMax = 1024
    let lockedOut = Mutex<Set<NodeID>>([])
    /// Made by `init`, when there is a network that it can work with.
    private let exchange = Mutex<KeyExchange?>(nil)

    package init(_ configuration: Configuration, admission: any Admission = OpenAdmission(), logger: Logger) {
        self.configuration = configuration
        self.localID = configuration.identity.id
        self.admission = admission
        self.logger = logger
        self.refusals = Refusals(logger: logger)
        self.state = Mutex(State(keys: configuration.keys))
        (self.keyFrames, self.keyFrameCame) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(Self.keyFramesMax))
        let exchange = self.makeKeyExchange()
        self.exchange.withLock { $0 = exchange }
    }

    // MARK: life

    /// Binds UDP and TCP and begins to answer. Frames for the layer above go to `handler`, on the streams' loop.
    package func start(handler: any PeerHandler) async throws -> Addresses {
        precondition(self.running == nil, "started twice")
        try self.description(at: .nowhere, tags: self.configuration.tags).validate()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        do {
            let running = try await self.start(handler: handler, on: group)
            self.state.withLock { state in
                state.running = running
                // Keys may have changed since the loops were given theirs.
                self.hand(state.keys, to: running)
            }
            try await running.binding.datagrams.setOption(.autoRead, value: true).get()
            return running.addresses
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Returns when its task is cancelled or the sockets are gone; then everything is closed.
    package func run() async {
        guard let running = self.running else { return }
        let datagrams = running.binding.datagrams
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepKeysEqual() }
            await withTaskCancellationHandler {
                try? await datagrams.closeFuture.get()
            } onCancel: {
                datagrams.close(promise: nil)
            }
            group.cancelAll()
        }
        await self.stop(sayingGoodbye: true)
    }

    /// Tells the mesh that this node goes, and returns when it knows or a bounded time is over.
    package func leave() async {
        guard let loop = self.running?.gossipLoop else { return }
        let promise = loop.makePromise(of: Void.self)
        let isRunning = self.onGossip { gossip in
            gossip.leave { promise.succeed() }
            loop.scheduleTask(in: Self.leaveTimeout) { promise.succeed() }
        }
        if !isRunning { promise.succeed() }
        try? await promise.futureResult.get()
        self.onStreams { $0.closeAll(sayingGoodbye: true) }
    }

    /// Without goodbyes others see what they see when a process is killed.
    package func stop(sayingGoodbye: Bool) async {
        let running = self.state.withLock { state in
            defer { state.running = nil }
            return state.running
        }
        guard let running else { return }
        // Each loop is told to be still before either ends, so that none hands work to one that is gone.
        try? await running.binding.listener.close()
        try? await running.gossipLoop.submit { running.gossip.value.stop() }.get()
        try? await running.streamLoop.submit { running.streams.value.closeAll(sayingGoodbye: sayingGoodbye) }.get()
        try? await running.gossipLoop.submit {}.get()
        self.hub.finish()
        try? await running.group.shutdownGracefully()
    }

    // MARK: members

    package var placeable: [NodeID] { self.directory.placeable }
    package func name(of node: NodeID) -> String? { self.directory.name(of: node) }

    /// Everyone known, this node included, ordered by id.
    package func members() async -> [Member] { await self.askMembership { $0.members } ?? [] }
    package func member(_ id: NodeID) async -> Member? { await self.askMembership { $0.member(id) } ?? nil }
    /// The last changes of a member, oldest first.
    package func why(_ id: NodeID) async -> [MemberChange] { await self.askMembership { $0.history(of: id) } ?? [] }
    package func localHealth() async -> UInt8 { await self.askMembership { $0.localHealth } ?? 0 }
    /// Whether another member has answered since the start.
    package func isJoined() async -> Bool { await self.askMembership { $0.isJoined } ?? false }

    /// Changes and events from now on; a listener that falls 1,024 behind loses the oldest.
    package func events() -> AsyncStream<NetworkEvent> { self.hub.listen() }

    package func advertise(_ labels: [Label]) throws(MeshError) {
        try Membership.validate(capabilities: labels)
        self.step(.advertise(labels))
    }

    /// Whether they fit; `retag` refuses the same.
    package func check(tags: [Label]) throws(MeshError) { try self.description(at: .nowhere, tags: tags).validate() }

    package func retag(_ tags: [Label]) throws(MeshError) {
        try self.check(tags: tags)
        self.step(.retag(tags))
    }

    package func raise(event name: String, payload: [UInt8]) throws(MeshError) {
        try UserEvent.validate(name: name, payload: payload)
        self.step(.raise(name: name, payload: payload))
    }

    /// Members of an earlier boot: contacted, not believed.
    package func rejoin(_ remembered: [MemberDescription]) { self.step(.remember(remembered)) }

    /// What was refused since the start, by reason.
    package var refused: [String: UInt64] { self.refusals.counts }

    // MARK: frames

    package func send(_ frames: [PeerFrame], to node: NodeID) -> PeerSend {
        guard node != self.localID, self.directory.reachable(node) != nil else { return .unknown }
        switch self.outboxes.offer(frames, to: node) {
        case .full: return .full
        case .tooLarge: return .tooLarge
        case .alreadyScheduled: return .queued
        case .schedule: return self.onStreams { $0.flush(node, at: nil) } ? .queued : .unknown
        }
    }

    // MARK: keys

    var keys: MeshKeys { self.state.withLock { $0.keys } }

    var keyExchange: KeyExchange {
        guard let exchange = self.exchange.withLock({ $0 }) else { preconditionFailure("used before it was made") }
        return exchange
    }

    func apply(_ keys: MeshKeys) {
        self.state.withLock { state in
            state.keys = keys
            // Who refused the old ones may know the new.
            self.lockedOut.withLock { $0 = [] }
            if let running = state.running { self.hand(keys, to: running) }
        }
    }

    private func hand(_ keys: MeshKeys, to running: Running) {
        running.gossipLoop.execute { running.gossip.value.replace(keys: keys) }
        running.streamLoop.execute { running.streams.value.replace(keys: keys) }
    }

    // MARK: loops

    var running: Running? { self.state.withLock { $0.running } }

    /// Hands work to a loop under the lock that ends the run too, so that no loop gets work after its end.
    @discardableResult
    func onGossip(_ body: @escaping @Sendable (Gossip) -> Void) -> Bool {
        self.state.withLock { state in
            guard let running = state.running else { return false }
            running.gossipLoop.execute { body(running.gossip.value) }
            return true
        }
    }

    @discardableResult
    func onStreams(_ body: @escaping @Sendable (Streams) -> Void) -> Bool {
        self.state.withLock { state in
            guard let running = state.running else { return false }
            running.streamLoop.execute { body(running.streams.value) }
            return true
        }
    }

    func step(_ input: Membership.Input) { self.onGossip { $0.step(input) } }

    /// Calls back from the gossip loop, if that still does its work on time.
    package func signOfGossip(_ answer: @escaping @Sendable () -> Void) { self.onGossip { $0.whenOnTime(answer) } }
    package func signOfStreams(_ answer: @escaping @Sendable () -> Void) { self.onStreams { _ in answer() } }

    func askMembership<T: Sendable>(_ question: @escaping @Sendable (Membership) -> T) async -> T? {
        await self.askGossip { question($0.membership) }
    }

    /// Nil if the network does not run.
    func askGossip<T: Sendable>(_ question: @escaping @Sendable (Gossip) -> T) async -> T? {
        let answer = self.state.withLock { state in
            state.running.map { running in running.gossipLoop.submit { question(running.gossip.value) } }
        }
        return try? await answer?.get()
    }

    func askStreams<T: Sendable>(_ question: @escaping @Sendable (Streams) -> T) async -> T? {
        let answer = self.state.withLock { state in
            state.running.map { running in running.streamLoop.submit { question(running.streams.value) } }
        }
        return try? await answer?.get()
    }
}
