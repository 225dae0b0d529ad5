internal import Glibc
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
    let diagnosis: Diagnosis
    private let refusals: Refusals
    private let received = Counter(label: "meshnode_datagrams_received_total")
    private let sent = Counter(label: "meshnode_datagrams_sent_total")
    private let receivedBytes = Counter(label: "meshnode_datagram_bytes_received_total")
    private let sentBytes = Counter(label: "meshnode_datagram_bytes_sent_total")
    /// Not taken by the system, for want of room or of a route: as good as lost on the way.
    private let dropped = Counter(label: "meshnode_datagrams_dropped_total")

    /// The earliest wake that is scheduled and has not come.
    private var armed = Instant.distantFuture
    private var onDeparture: [() -> Void] = []
    private var hasDeparted = false
    private var isStopped = false

    init(
        engine: consuming GossipEngine, channel: any Channel, family: NIOBSDSocket.ProtocolFamily,
        directory: Directory, outlet: Outlet, diagnosis: Diagnosis, refusals: Refusals
    ) {
        self.engine = engine
        self.channel = channel
        self.outgoing = OutgoingDatagrams(isIPv4: family == .inet)
        self.directory = directory
        self.outlet = outlet
        self.diagnosis = diagnosis
        self.refusals = refusals
        self.directory.update(
            self.engine.membership.local.id, self.engine.membership.member(self.engine.membership.local.id))
        diagnosis.sendProbes = { [weak self] in self?.sendProbes($0, to: $1) }
    }

    var membership: Membership { self.engine.membership }

    // MARK: inputs

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        guard !self.isStopped, let source = Endpoint(envelope.remoteAddress) else { return }
        self.received.increment()
        self.receivedBytes.increment(by: envelope.data.readableBytes)
        // The packet is taken: only now may the clock be read, or it could be older than what the packet tells.
        let now = Instant.now()
        let failure = unsafe envelope.data.withUnsafeReadableBytes { bytes -> DatagramRefusal? in
            let packet = unsafe RawSpan(_unsafeBytes: bytes)
            do throws(DatagramRefusal) {
                guard let probe = try self.engine.receive(packet: packet, from: source, at: now) else { return nil }
                return self.diagnosis.received(probe: probe, bytes: bytes.count) ? nil : .unexpected
            } catch { return error }
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

    func receive(_ frame: PeerFrame, from sender: NodeID) {
        guard !self.isStopped else { return }
        guard frame.kind == .membership else { return self.receive(diagnosis: frame, from: sender) }
        let now = Instant.now()
        self.engine.receive(frame: frame.body, from: sender, at: now)
        self.perform(from: nil, at: now)
        self.flush()
    }

    private func receive(diagnosis frame: PeerFrame, from sender: NodeID) {
        do throws(WireError) { try self.diagnosis.received(frame, from: sender) } catch {
            self.refusals.count(.stream(.malformed), at: .now(), "\(sender)")
        }
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
        self.diagnosis.close()
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
        self.sentBytes.increment(by: self.outgoing.byteCount)
        let taken = self.onSocket { self.outgoing.send(over: $0) }
        self.sent.increment(by: taken ?? 0)
        if taken ?? 0 < count { self.dropped.increment(by: count - (taken ?? 0)) }
    }

    /// Of a diagnosis: whole or not at all, for whether large packets pass is what it asks.
    private func sendProbes(_ number: UInt64, to target: Endpoint) {
        guard !self.isStopped, self.outgoing.canReach(target) else { return }
        self.flush()
        for size in DatagramSizes.each {
            self.engine.sealProbe(number, bytes: size.sealedBytes) { packet in self.outgoing.append(packet, to: target)
            }
        }
        self.onSocket { setFragmentation(of: $0, isAllowed: false) }
        self.flush()
        self.onSocket { setFragmentation(of: $0, isAllowed: true) }
    }

    private func onSocket<T>(_ body: (CInt) -> T) -> T? {
        try? self.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self, body)
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

/// Whether the kernel may send a datagram in pieces. Not allowed: it carries DF whatever the kernel believes of the path,
/// so that whoever cannot pass it on drops it.
private func setFragmentation(of socket: CInt, isAllowed: Bool) {
    // Of both families, since a socket of IPv6 sends to mapped addresses too; the one that does not apply fails.
    var value = isAllowed ? CInt(IP_PMTUDISC_WANT) : CInt(IP_PMTUDISC_PROBE)
    let size = socklen_t(MemoryLayout<CInt>.size)
    _ = unsafe setsockopt(socket, CInt(IPPROTO_IP), IP_MTU_DISCOVER, &value, size)
    _ = unsafe setsockopt(socket, CInt(IPPROTO_IPV6), IPV6_MTU_DISCOVER, &value, size)
}
