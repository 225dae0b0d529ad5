internal import Logging
internal import MeshCore
internal import Metrics
internal import NIOCore

/// Drives the membership on the event loop that owns the UDP socket: feeds inputs, performs effects, decides nothing.
final class Gossip: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// What a step wants done elsewhere; called on the gossip loop.
    struct Outlet: Sendable {
        var stream: @Sendable (NodeID, Endpoint, [UInt8]) -> Void
        var neighbours: @Sendable ([NodeID]) -> Void
        var event: @Sendable (NetworkEvent) -> Void
    }

    private var engine: GossipEngine
    private let channel: any Channel
    private var outgoing: OutgoingDatagrams
    private let directory: Directory
    private let outlet: Outlet
    private let refusals: Refusals
    private let received = Counter(label: "meshnode_datagrams_received_total")
    private let sent = Counter(label: "meshnode_datagrams_sent_total")
    /// Not taken by the system, for want of room or of a route: as good as lost on the way.
    private let dropped = Counter(label: "meshnode_datagrams_dropped_total")

    /// The earliest wake that is scheduled and has not come.
    private var armed = Instant.distantFuture
    private var onDeparture: [() -> Void] = []
    private var hasDeparted = false
    private var isStopped = false

    init(
        engine: consuming GossipEngine, channel: any Channel, family: NIOBSDSocket.ProtocolFamily,
        directory: Directory, outlet: Outlet, refusals: Refusals
    ) {
        self.engine = engine
        self.channel = channel
        self.outgoing = OutgoingDatagrams(isIPv4: family == .inet)
        self.directory = directory
        self.outlet = outlet
        self.refusals = refusals
        self.directory.update(
            self.engine.membership.local.id, self.engine.membership.member(self.engine.membership.local.id))
    }

    var membership: Membership { self.engine.membership }

    // MARK: inputs

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        guard !self.isStopped, let source = Endpoint(envelope.remoteAddress) else { return }
        self.received.increment()
        // The packet is taken: only now may the clock be read, or it could be older than what the packet tells.
        let now = Instant.now()
        let failure = unsafe envelope.data.withUnsafeReadableBytes { bytes -> DatagramRefusal? in
            let packet = unsafe RawSpan(_unsafeBytes: bytes)
            do throws(DatagramRefusal) {
                try self.engine.receive(packet: packet, from: source, at: now)
            } catch { return error }
            return nil
        }
        if let failure {
            self.refusals.count(.datagram(failure), at: now, "\(source)")
        } else {
            if source.isLinkLocal { LinkScopes.shared.note(envelope.remoteAddress) }
            self.perform(from: source, at: now)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { self.flush() }

    /// A packet that could not be read is one more lost packet.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.dropped.increment() }

    func receive(frame: [UInt8], from sender: NodeID) {
        guard !self.isStopped else { return }
        let now = Instant.now()
        self.engine.receive(frame: frame, from: sender, at: now)
        self.perform(from: nil, at: now)
        self.flush()
    }

    func step(_ input: Membership.Input) {
        guard !self.isStopped else { return }
        let now = Instant.now()
        self.engine.step(input, at: now)
        self.perform(from: nil, at: now)
        self.flush()
    }

    func replace(keys: MeshKeys) { self.engine.replace(keys: keys) }

    /// From now on nothing comes in and nothing goes out.
    func stop() {
        self.isStopped = true
        self.channel.close(promise: nil)
    }

    /// Tells everyone that this node goes; `done` is called when they were told.
    func leave(_ done: @escaping () -> Void) {
        guard !self.hasDeparted, !self.isStopped else { return done() }
        self.onDeparture.append(done)
        self.step(.leave)
    }

    /// Timers come late on a busy machine; one that is this late has been lost, and with it failure detection.
    private static let overdueMax = Duration.seconds(5)

    /// Calls at once if the membership gets its wakes, otherwise never: nobody would wake it then.
    func whenOnTime(_ body: () -> Void) {
        let wake = self.engine.membership.nextWake
        if self.isStopped || wake == .distantFuture || .now() < wake + Self.overdueMax { body() }
    }

    // MARK: effects

    private func perform(from source: Endpoint?, at now: Instant) {
        for effect in self.engine.effects.list {
            switch effect {
            case .datagram(let target, let range): self.send(range, to: target)
            case .stream(let node, let endpoint, let range):
                self.outlet.stream(node, endpoint, Array(self.engine.effects.bytes[range]))
            case .neighbours(let nodes): self.outlet.neighbours(nodes)
            case .changed(let change):
                let member = self.engine.membership.member(change.id)
                self.directory.update(change.id, member)
                self.outlet.event(.changed(change, member))
            case .advertised(let node):
                if let member = self.engine.membership.member(node) { self.outlet.event(.advertised(member)) }
            case .event(let event): self.outlet.event(.event(event))
            case .refused(let reason):
                self.refusals.count(.membership(reason), at: now, source.map { "\($0)" } ?? "a stream")
            case .departed:
                self.hasDeparted = true
                for done in self.onDeparture { done() }
                self.onDeparture = []
            }
        }
        self.arm()
    }

    private func send(_ range: Range<Int>, to target: Endpoint) {
        guard self.outgoing.canReach(target) else { return self.dropped.increment() }
        if self.outgoing.isFull { self.flush() }
        self.engine.seal(range) { packet in self.outgoing.append(packet, to: target) }
    }

    /// One system call for all packets of a batch.
    private func flush() {
        let count = self.outgoing.count
        guard count > 0 else { return }
        let taken = try? self.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { socket in self.outgoing.send(over: socket) }
        self.sent.increment(by: taken ?? 0)
        if taken ?? 0 < count { self.dropped.increment(by: count - (taken ?? 0)) }
    }

    /// Schedules only what comes earlier than anything scheduled; a wake that comes too early arms anew.
    private func arm() {
        let wake = self.engine.membership.nextWake
        guard wake < self.armed, wake != .distantFuture else { return }
        self.armed = wake
        self.channel.eventLoop.assumeIsolated().scheduleTask(deadline: NIODeadline(wake)) {
            guard self.armed == wake else { return }
            self.armed = .distantFuture
            self.step(.wake)
        }
    }
}
