internal import Logging
internal import MeshCore
internal import Metrics
internal import NIOCore
internal import NIOPosix

/// What the streams tell the membership; called on the streams' loop, so they hop.
struct StreamEvents: Sendable {
    var opened: @Sendable (NodeID, Boot, Endpoint) -> Void
    var closed: @Sendable (NodeID, Boot, _ refused: Bool) -> Void
    var released: @Sendable (NodeID, Boot) -> Void
    /// Of the membership, or of a diagnosis. The last is called, on any thread, when the frame has been taken in.
    var gossipFrame: @Sendable (NodeID, PeerFrame, @escaping @Sendable () -> Void) -> Void
    /// Of a member; strangers are told no keys and asked for none.
    var keyringFrame: @Sendable (NodeID, PeerFrame) -> Void
    /// A member refused every key of this node, or let it in.
    var lockedOut: @Sendable (NodeID, Bool) -> Void
}

/// Why nobody could be reached.
enum DialFailure: Error, Sendable {
    /// The host answered with a reset: it lives, nothing listens.
    case connectionRefused
    case unreachable(String)
    case refused(StreamRefusal)
    case ended
}

/// All streams of this node: at most one open per peer. Lives on one event loop.
///
/// When two nodes connect to each other at once, the connection that the lower id opened stays: both sides know both
/// ids, so both decide the same.
final class Streams: StreamOwner {
    private static let connectTimeout = TimeAmount.seconds(3)
    /// Streams are kept so that a reset is seen; that a peer fell silent is found by probes, much sooner. So keepalives
    /// have only to keep the path open (firewalls forget a connection after minutes) and to find out that it is not.
    private static let keepAliveAfter = Duration.seconds(20)
    /// Three keepalives missed.
    private static let silentAfter = Duration.seconds(60)
    private static let idleAfter = Duration.seconds(30)
    private static let redialMin = Duration.milliseconds(500)
    private static let redialMax = Duration.seconds(5)

    /// A peer whose stream broke: whether its process is gone is told by how its host answers the next connection.
    private struct Lost {
        var boot: Boot
        var attempts = 0
        let until: Instant
    }

    /// A dying process closes its streams before its listener, whose backlog may take a connection once more and then
    /// drop it. So a dial that neither succeeds nor is refused is repeated, well within the time of a probe.
    private static let lostRedials: [TimeAmount] = [.milliseconds(50), .milliseconds(100), .milliseconds(150)]
    private static let lostFor = Duration.seconds(10)

    private struct Redial {
        var attempts = 0
        var notBefore: Instant
    }

    private(set) var context: StreamContext
    let outboxes: Outboxes
    let counters = StreamCounters()
    private let loop: any EventLoop
    private let directory: Directory
    private let handler: any PeerHandler
    private let admission: any Admission
    private let events: StreamEvents
    private let refusals: Refusals
    private let logger: Logger

    private var open: [NodeID: StreamConnection] = [:]
    /// Accepted or dialled, key not yet proven.
    private var pending: [ObjectIdentifier: StreamConnection] = [:]
    private var dialling: [NodeID: StreamConnection] = [:]
    private var completions: [ObjectIdentifier: (Result<NodeID, DialFailure>) -> Void] = [:]
    private var kept: Set<NodeID> = []
    private var redials: [NodeID: Redial] = [:]
    private var lost: [NodeID: Lost] = [:]
    private var doorway = Doorway()
    private var lockedOutLog = LogLimiter<NodeID>(interval: .seconds(60))
    private var isClosing = false

    init(
        context: StreamContext, outboxes: Outboxes, loop: any EventLoop, directory: Directory, handler: any PeerHandler,
        admission: any Admission, events: StreamEvents, refusals: Refusals, logger: Logger
    ) {
        self.context = context
        self.outboxes = outboxes
        self.loop = loop
        self.directory = directory
        self.handler = handler
        self.admission = admission
        self.events = events
        self.refusals = refusals
        self.logger = logger
    }

    func replace(keys: MeshKeys) { self.context.keys = keys }

    // MARK: opening

    /// A connection that somebody opened to us; nil if there are too many unknown ones already.
    func accept(from address: SocketAddress?) -> StreamConnection? {
        let now = Instant.now()
        guard !self.isClosing, let source = address.flatMap({ Endpoint($0) }) else { return nil }
        let connection = StreamConnection(respondingFor: self)
        switch self.doorway.enter(connection, from: source, at: now) {
        case .admitted: break
        case .displacing(let stranger): stranger.close(.refused(.busy))
        case .refused:
            self.refusals.count(.stream(.busy), at: now, "\(source)")
            return nil
        }
        self.pending[ObjectIdentifier(connection)] = connection
        return connection
    }

    /// Sends what waits for `node`, over a new stream if there is none.
    ///
    /// Without an endpoint the frames are messages: after a failed dial they wait for the next, so that a caller who
    /// sends again at once does not become a flood of connections. The membership names the endpoint, and knows why.
    func flush(_ node: NodeID, at endpoint: Endpoint?) {
        if let connection = self.open[node] { return connection.drain() }
        if endpoint == nil, let redial = self.redials[node], .now() < redial.notBefore { return }
        guard let endpoint = endpoint ?? self.directory.endpoint(of: node) else { return self.discard(node) }
        self.dial(node, at: endpoint)
    }

    /// Streams to exactly these stay open though they are idle. They are dialled at the next tick: who joins learns of
    /// the members one by one, and of each it could seem to be a neighbour.
    func keep(_ nodes: [NodeID]) {
        let dropped = self.kept.subtracting(nodes)
        self.kept = Set(nodes)
        for node in dropped.sorted() { self.open[node]?.keepAlive(isWanted: false) }
    }

    var openCount: Int { self.open.count }

    var neighbours: [(node: NodeID, isOpen: Bool)] { self.kept.sorted().map { ($0, self.open[$0] != nil) } }

    private func dialKept(_ node: NodeID, at now: Instant) {
        guard self.open[node] == nil, now >= self.redials[node]?.notBefore ?? now,
            let endpoint = self.directory.reachable(node)
        else { return }
        self.dial(node, at: endpoint)
    }

    private func dial(_ node: NodeID, at endpoint: Endpoint) {
        guard !self.isClosing, node != self.context.identity.id, self.open[node] == nil, self.dialling[node] == nil
        else { return }
        self.connect(to: endpoint, of: node, under: self.context.keys.ring.byUse[...]) { result in
            self.dialling[node] = nil
            self.dialled(node, result)
        }
    }

    private func dialled(_ node: NodeID, _ result: Result<NodeID, DialFailure>) {
        guard !self.isClosing else { return }
        if case .success(node) = result {
            self.redials[node] = nil
            return
        }
        self.backOff(node)
        switch result {
        case .failure(.refused(.unknownKey)):
            self.lockedOut(by: node)
            self.redialLost(node)
        // The other side has, or is about to have, a stream of its own making to us: the frames wait for it.
        case .failure(.refused(.duplicate)): return
        case .failure(.connectionRefused):
            if let lost = self.lost.removeValue(forKey: node) { self.events.closed(node, lost.boot, true) }
        case .failure: self.redialLost(node)
        case .success(let found):
            self.logger.info("another node answers there", metadata: ["expected": "\(node)", "found": "\(found)"])
        }
        if self.open[node] == nil { self.discard(node) }
    }

    private func lockedOut(by node: NodeID) {
        self.events.lockedOut(node, true)
        guard self.lockedOutLog.admit(node, at: .now()) != nil else { return }
        self.logger.warning(
            "a member knows none of this node's keys: they were rotated out while this node was away",
            metadata: [
                "member": "\(self.directory.name(of: node) ?? node.description)",
                "mend":
                    "print a new token there with 'meshnode token', put it into the token file, send SIGHUP or restart",
            ])
    }

    private func backOff(_ node: NodeID) {
        var redial = self.redials[node] ?? Redial(notBefore: .now())
        let wait = min(Self.redialMax, Self.redialMin * (1 << min(redial.attempts, 10)))
        redial.attempts += 1
        redial.notBefore = .now() + wait
        self.redials[node] = redial
    }

    /// Connects and shakes hands; `completion` is called once, on the loop.
    ///
    /// Under the primary, and where that is not known under the other keys of the ring: whoever was away while keys
    /// were rotated is met under one that both still have, and is then told the others.
    func connect(to endpoint: Endpoint, completion: @escaping (Result<NodeID, DialFailure>) -> Void) {
        self.connect(to: endpoint, of: nil, under: self.context.keys.ring.byUse[...], completion: completion)
    }

    private func connect(
        to endpoint: Endpoint, of node: NodeID?, under ids: ArraySlice<KeyID>,
        completion: @escaping (Result<NodeID, DialFailure>) -> Void
    ) {
        guard let address = endpoint.socketAddress() else { return completion(.failure(.unreachable("no address"))) }
        guard let meshKey = ids.first.flatMap(self.context.keys.key) else {
            return completion(.failure(.refused(.unknownKey)))
        }
        let connection = StreamConnection(initiatingUnder: meshKey, owner: self)
        if let node { self.dialling[node] = connection }
        let key = ObjectIdentifier(connection)
        self.completions[key] = { result in
            guard case .failure(.refused(.unknownKey)) = result, ids.count > 1, !self.isClosing else {
                return completion(result)
            }
            self.connect(to: endpoint, of: node, under: ids.dropFirst(), completion: completion)
        }
        self.pending[key] = connection
        let bound = NIOLoopBound(connection, eventLoop: self.loop)
        ClientBootstrap(group: self.loop)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(StreamTimeout.option, value: StreamTimeout.milliseconds)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
            }
            .connect(to: address)
            .assumeIsolated()
            .whenFailure { error in
                let isRefused = (error as? IOError)?.errnoCode == ECONNREFUSED
                self.complete(key, .failure(isRefused ? .connectionRefused : .unreachable("\(error)")))
                bound.value.close(.broken)
            }
    }

    private func complete(_ key: ObjectIdentifier, _ result: Result<NodeID, DialFailure>) {
        self.pending[key] = nil
        self.completions.removeValue(forKey: key)?(result)
    }

    // MARK: connections

    func judge(_ peer: SecuredPeer, on connection: StreamConnection) -> StreamRefusal? {
        let own = self.context.identity.id
        guard peer.id != own else { return .isSelf }
        guard !self.isClosing else { return .busy }
        guard self.admission.admits(peer.id, boot: peer.hello.boot) else { return .notAdmitted }
        guard let existing = self.open[peer.id], let boot = existing.peer?.hello.boot else {
            // A dial that has not arrived may never arrive: only one that the other side knows of stands in the way.
            return own < peer.id && self.dialling[peer.id]?.isConnected == true ? .duplicate : nil
        }
        // Nobody goes back to an earlier boot but by restoring a copy of its data.
        if peer.hello.boot.epoch < boot.epoch { return .staleBoot }
        guard peer.hello.boot == boot else { return nil }
        if existing.isInitiator, own < peer.id {
            // Ours stays, unless it is dead without our knowing: writing to it finds out.
            existing.keepAlive(isWanted: self.kept.contains(peer.id))
            return .duplicate
        }
        return nil
    }

    func opened(_ connection: StreamConnection) {
        guard let (id, hello) = connection.peer else { return }
        let previous = self.open.updateValue(connection, forKey: id)
        self.doorway.leave(connection)
        self.redials[id] = nil
        self.lost[id] = nil
        self.events.lockedOut(id, false)
        previous?.closeOnPurpose()
        self.counters.opened.increment()
        self.events.opened(id, hello.boot, hello.endpoint)
        self.complete(ObjectIdentifier(connection), .success(id))
        if self.kept.contains(id) { connection.keepAlive(isWanted: true) }
    }

    func received(_ frames: [PeerFrame], on connection: StreamConnection) {
        guard !self.isClosing, let id = connection.peer?.id else { return }
        for frame in frames {
            switch frame.kind {
            case .membership, .diagnosis: self.handOn(frame, from: id, on: connection)
            case .keyring where self.directory.endpoint(of: id) != nil: self.events.keyringFrame(id, frame)
            case .keyring: self.refusals.count(.stream(.unexpected), at: connection.lastReceived, "\(id)")
            case .definitions, .query, .answer, .heartbeat, .consensus, .snapshot,
                .partition, .placement, .hosting:
                self.handler.received(frame, from: id)
            }
        }
    }

    /// The membership reads on another loop: what it has not taken in yet is counted, so that no peer can pile it up.
    private func handOn(_ frame: PeerFrame, from id: NodeID, on connection: StreamConnection) {
        let bytes = frame.body.count
        connection.handedOn(bytes)
        let bound = NIOLoopBound(connection, eventLoop: self.loop)
        self.events.gossipFrame(id, frame) { [loop] in loop.execute { bound.value.takenIn(bytes) } }
    }

    func ended(_ connection: StreamConnection, because end: StreamEnd) {
        let key = ObjectIdentifier(connection)
        self.doorway.leave(connection)
        // Two honest nodes that connect to each other at once are nothing to warn of.
        if case .refused(let refusal) = end, !connection.isInitiator || connection.isOpen, refusal != .duplicate {
            self.refusals.count(.stream(refusal), at: .now(), connection.remoteAddress)
        }
        self.complete(key, .failure(Self.failure(end)))
        guard let (id, hello) = connection.peer, connection.isOpen else { return }
        // A stream that another took the place of is not the end of the peer.
        guard self.open[id] === connection else { return self.handler.disconnected(id) }
        self.open[id] = nil
        self.handler.disconnected(id)
        guard !self.isClosing else { return }
        switch end {
        case .goodbye, .closedHere: self.events.released(id, hello.boot)
        case .broken, .refused: self.lost(id, hello)
        }
    }

    /// Tells of the break at once, then connects again: a host that refuses tells that the process is gone.
    private func lost(_ id: NodeID, _ hello: Hello) {
        self.counters.broken.increment()
        self.logger.info("a stream broke", metadata: ["peer": "\(id)", "address": "\(hello.endpoint)"])
        self.lost[id] = Lost(boot: hello.boot, until: .now() + Self.lostFor)
        self.events.closed(id, hello.boot, false)
        self.dial(id, at: self.directory.endpoint(of: id) ?? hello.endpoint)
    }

    private func redialLost(_ id: NodeID) {
        guard let lost = self.lost[id], lost.attempts < Self.lostRedials.count else { return }
        self.lost[id]?.attempts += 1
        self.loop.assumeIsolated().scheduleTask(in: Self.lostRedials[lost.attempts]) {
            guard self.lost[id]?.boot == lost.boot, let endpoint = self.directory.endpoint(of: id) else { return }
            self.dial(id, at: endpoint)
        }
    }

    private func discard(_ node: NodeID) {
        if self.outboxes.discard(for: node) { self.handler.disconnected(node) }
    }

    private static func failure(_ end: StreamEnd) -> DialFailure {
        if case .refused(let refusal) = end { .refused(refusal) } else { .ended }
    }

    // MARK: upkeep

    /// Looks after everything once a second until the streams are closed.
    func keepTicking() {
        guard !self.isClosing else { return }
        self.tick()
        self.loop.assumeIsolated().scheduleTask(in: .seconds(1)) { self.keepTicking() }
    }

    /// Keepalives, silence, idleness, and streams that should be there. Who wants a stream sends the keepalives: the
    /// kernel tells it whether they arrive (`TCP_USER_TIMEOUT`), and their absence tells the other side.
    private func tick() {
        let now = Instant.now()
        for (id, connection) in self.open.sorted(by: { $0.key < $1.key }) {
            let isKept = self.kept.contains(id)
            if connection.isWantedByPeer, now - connection.lastReceived >= Self.silentAfter {
                self.refusals.count(.stream(.silent), at: now, connection.remoteAddress)
                connection.close(.broken)
            } else if !isKept, !connection.isWantedByPeer, now - connection.lastUsed >= Self.idleAfter {
                connection.closeOnPurpose()
            } else if isKept, now - connection.lastSent >= Self.keepAliveAfter {
                connection.keepAlive(isWanted: true)
            }
        }
        for node in self.kept.sorted() { self.dialKept(node, at: now) }
        // After a refused duplicate the frames wait here for the other side's stream; do not wait for ever.
        for node in self.outboxes.peersWaiting
        where self.open[node] == nil && now >= self.redials[node]?.notBefore ?? now {
            self.flush(node, at: nil)
        }
        self.lost = self.lost.filter { now < $0.value.until }
        self.redials = self.redials.filter { self.kept.contains($0.key) || now < $0.value.notBefore + Self.redialMax }
    }

    func closeAll(sayingGoodbye: Bool) {
        self.isClosing = true
        for connection in self.open.values {
            if sayingGoodbye { connection.closeOnPurpose() } else { connection.close(.closedHere) }
        }
        for connection in self.pending.values { connection.close(.closedHere) }
    }
}
