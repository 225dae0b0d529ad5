internal import MeshCore
internal import Metrics
internal import NIOCore

/// What a connection tells the streams it belongs to. Called on their event loop.
protocol StreamOwner: AnyObject {
    var context: StreamContext { get }
    var outboxes: Outboxes { get }
    var counters: StreamCounters { get }
    /// Somebody proved its key on a connection that it opened: nil lets it in.
    func judge(_ peer: SecuredPeer, on connection: StreamConnection) -> StreamRefusal?
    func opened(_ connection: StreamConnection)
    func received(_ frames: [PeerFrame], on connection: StreamConnection)
    /// Exactly once per connection, opened or not.
    func ended(_ connection: StreamConnection, because end: StreamEnd)
}

/// Bytes of all streams of a node together, handshakes included.
struct StreamCounters: Sendable {
    let received = Counter(label: "meshnode_stream_bytes_received_total")
    let sent = Counter(label: "meshnode_stream_bytes_sent_total")
    let opened = Counter(label: "meshnode_streams_opened_total")
    let broken = Counter(label: "meshnode_streams_broken_total")
}

enum StreamEnd: Error, Sendable {
    /// Refused, by the other side or by this one.
    case refused(StreamRefusal)
    /// The other side closed on purpose.
    case goodbye
    /// This side closed on purpose.
    case closedHere
    /// The connection broke: a reset, an end without goodbye, or silence.
    case broken
}

/// One TCP connection: handshake, then records. All of it runs on one event loop.
final class StreamConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static let handshakeTimeout = TimeAmount.seconds(5)
    /// Before a static key is proven nobody gets more memory than this.
    private static let handshakePacketMax = 1024
    /// For the first packet, which shows the key of the mesh: it is sent as soon as the connection stands.
    private static let strangerTimeout = TimeAmount.seconds(2)
    /// Membership frames of one peer that wait to be taken in; past it nothing more is read from the peer.
    private static let waitingBytesMax = 1 << 20

    private enum Phase {
        case initiating(InitiatorHandshake)
        case responding(ResponderHandshake)
        /// Initiator: everything is sent, the responder's verdict is awaited.
        case awaitingVerdict(SecuredPeer)
        case open
        case ended
    }

    let isInitiator: Bool
    private(set) var peer: (id: NodeID, hello: Hello)?
    private(set) var lastReceived: Instant
    private(set) var lastSent: Instant
    /// When frames, not mere keepalives, went either way.
    private(set) var lastUsed: Instant
    private(set) var isWantedByPeer = false

    private let owner: any StreamOwner
    private let counters: StreamCounters
    private var phase: Phase
    private var context: ChannelHandlerContext?
    private var inbound = ByteBuffer()
    private var opener: RecordOpener?
    private var sealer: RecordSealer?
    private var control = FrameSplitter()
    private var bulk = FrameSplitter()
    private let compressor = LZ4()
    private var timeout: Scheduled<Void>?
    private var waitingBytes = 0
    private var isPaused = false
    private var end: StreamEnd?

    /// The side that connects, under one key of the ring.
    convenience init(initiatingUnder key: MeshKey, owner: any StreamOwner) {
        self.init(.initiating(InitiatorHandshake(owner.context, key: key)), isInitiator: true, owner: owner)
    }

    /// The side that was connected to.
    convenience init(respondingFor owner: any StreamOwner) {
        self.init(.responding(ResponderHandshake(owner.context)), isInitiator: false, owner: owner)
    }

    private init(_ phase: Phase, isInitiator: Bool, owner: any StreamOwner) {
        self.isInitiator = isInitiator
        self.owner = owner
        self.counters = owner.counters
        self.phase = phase
        let now = Instant.now()
        (self.lastReceived, self.lastSent, self.lastUsed) = (now, now, now)
    }

    /// The other end of an accepted connection holds a key of the mesh.
    var hasShownKey: Bool { if case .responding(let handshake) = self.phase { handshake.hasBegun } else { true } }
    /// The network has taken us to the other end.
    var isConnected: Bool { self.context?.channel.isActive ?? false }
    var isOpen: Bool { if case .open = self.phase { true } else { false } }
    var remoteAddress: String { self.context?.remoteAddress.flatMap { Endpoint($0) }?.description ?? "?" }

    // MARK: channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // A connection that this node opens has the time that connecting takes.
        let patience = self.isInitiator ? Self.handshakeTimeout : Self.strangerTimeout
        self.expect(within: patience, on: context)
        if context.channel.isActive { self.begin() }
    }

    private func expect(within patience: TimeAmount, on context: ChannelHandlerContext) {
        self.timeout?.cancel()
        self.timeout = context.eventLoop.assumeIsolated().scheduleTask(in: patience) {
            self.close(.refused(.timedOut))
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.begin()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        self.counters.received.increment(by: buffer.readableBytes)
        self.inbound.writeBuffer(&buffer)
        self.read()
    }

    private func read() {
        do { try self.takePackets() } catch { self.refuse(error) }
        self.inbound.discardReadBytes()
    }

    /// A frame of the peer waits for another loop.
    func handedOn(_ bytes: Int) {
        self.waitingBytes += bytes
        guard self.waitingBytes > Self.waitingBytesMax, !self.isPaused else { return }
        self.isPaused = true
        self.context?.channel.setOption(.autoRead, value: false).whenFailure { _ in }
    }

    func takenIn(_ bytes: Int) {
        self.waitingBytes -= bytes
        guard self.isPaused, self.waitingBytes <= Self.waitingBytesMax / 2 else { return }
        self.isPaused = false
        self.read()
        if !self.isPaused { self.context?.channel.setOption(.autoRead, value: true).whenFailure { _ in } }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.drain()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.close(.broken) }

    func channelInactive(context: ChannelHandlerContext) { self.close(.broken) }

    // MARK: reading

    private func takePackets() throws(StreamRefusal) {
        while self.end == nil, !self.isPaused {
            guard let length = self.inbound.getInteger(at: self.inbound.readerIndex, as: UInt16.self) else { return }
            guard length > 0 else { throw .malformed }
            guard self.isOpen || Int(length) <= Self.handshakePacketMax else { throw .tooLong }
            guard self.inbound.readableBytes >= 2 + Int(length) else { return }
            self.inbound.moveReaderIndex(forwardBy: 2)
            self.lastReceived = .now()
            try self.take(length: Int(length))
        }
    }

    private func take(length: Int) throws(StreamRefusal) {
        switch self.phase {
        case .initiating(var handshake):
            let (reply, peer) = try handshake.second(self.packet(length))
            self.send(packet: reply)
            self.secure(peer)
            self.phase = .awaitingVerdict(peer)
        case .responding(var handshake):
            if handshake.hasBegun {
                try self.judge(handshake.third(self.packet(length)))
            } else {
                self.send(packet: try handshake.first(self.packet(length)))
                self.phase = .responding(handshake)
                if let context = self.context { self.expect(within: Self.handshakeTimeout, on: context) }
            }
        case .awaitingVerdict:
            guard case .verdict(let code) = try self.record(length) else { throw .unexpected }
            guard code == 0 else { throw StreamRefusal(code: code) }
            self.opened()
        case .open: try self.takeRecord(length)
        case .ended: self.inbound.moveReaderIndex(forwardBy: length)
        }
    }

    private func takeRecord(_ length: Int) throws(StreamRefusal) {
        switch try self.record(length) {
        case .frames(let frames):
            guard !frames.isEmpty else { return }
            self.lastUsed = self.lastReceived
            self.owner.received(frames, on: self)
        case .keepalive(let isWanted): self.isWantedByPeer = isWanted
        case .goodbye: self.close(.goodbye)
        case .nothing: break
        case .verdict: throw .unexpected
        }
    }

    private func packet(_ length: Int) -> [UInt8] { self.inbound.readBytes(length: length) ?? [] }

    private func record(_ length: Int) throws(StreamRefusal) -> RecordOpener.Content {
        defer { self.inbound.moveReaderIndex(forwardBy: length) }
        let result = unsafe self.inbound.withUnsafeMutableReadableBytes { bytes in
            Result { () throws(StreamRefusal) in
                guard
                    let content = try unsafe self.opener?.open(
                        UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]))
                else { throw .unexpected }
                return content
            }
        }
        return try result.get()
    }

    // MARK: handshake

    private func begin() {
        guard case .initiating(var handshake) = self.phase else { return }
        do {
            self.send(packet: try handshake.first())
            self.phase = .initiating(handshake)
        } catch { self.refuse(error) }
    }

    private func judge(_ peer: SecuredPeer) throws(StreamRefusal) {
        self.secure(peer)
        let refusal = self.owner.judge(peer, on: self)
        self.send(.verdict) { $0.writeInteger(refusal.map { $0.code ?? StreamRefusal.busy.code ?? 0 } ?? 0) }
        self.context?.flush()
        if let refusal { throw refusal }
        self.opened()
    }

    private func secure(_ peer: SecuredPeer) {
        self.peer = (peer.id, peer.hello)
        self.opener = RecordOpener(peer.receive)
        self.sealer = RecordSealer(peer.send, at: .now())
    }

    private func opened() {
        self.timeout?.cancel()
        self.phase = .open
        self.owner.opened(self)
        self.drain()
    }

    /// Tells the other side in the clear where nothing is secured yet, and closes.
    private func refuse(_ refusal: StreamRefusal) {
        if case .responding(let handshake) = self.phase, !handshake.hasBegun, let code = refusal.code {
            self.send(packet: [code])
        }
        self.close(.refused(refusal))
    }

    // MARK: writing

    /// Sends what waits for the peer, control first, until the socket is full.
    func drain() {
        guard self.isOpen, self.end == nil, let context = self.context, let node = self.peer?.id else { return }
        let outboxes = self.owner.outboxes
        outboxes.beginTaking(for: node)
        var hasWritten = false
        while context.channel.isWritable, let record = self.nextRecord(outboxes, node) {
            self.counters.sent.increment(by: record.readableBytes)
            context.write(self.wrapOutboundOut(record), promise: nil)
            hasWritten = true
        }
        guard hasWritten else { return }
        context.flush()
        self.lastSent = .now()
        self.lastUsed = self.lastSent
    }

    private func nextRecord(_ outboxes: Outboxes, _ node: NodeID) -> ByteBuffer? {
        let hasControl = !self.control.isEmpty || outboxes.hasFrames(.control, for: node)
        guard hasControl || !self.bulk.isEmpty || outboxes.hasFrames(.bulk, for: node) else { return nil }
        guard let channel = self.context?.channel else { return nil }
        var out = channel.allocator.buffer(capacity: 1024)
        self.sealer?.append(hasControl ? .control : .bulk, to: &out, at: .now()) { out in
            if hasControl {
                self.control.fill(&out, limit: RecordSealer.contentBytesMax, with: self.compressor) {
                    outboxes.take(.control, for: node)
                }
            } else {
                self.bulk.fill(&out, limit: RecordSealer.contentBytesMax, with: self.compressor) {
                    outboxes.take(.bulk, for: node)
                }
            }
        }
        return out
    }

    func keepAlive(isWanted: Bool) {
        self.send(.keepalive) { $0.writeInteger(isWanted ? 1 : 0 as UInt8) }
        self.context?.flush()
    }

    private func send(_ kind: RecordKind, content: (inout ByteBuffer) -> Void = { _ in }) {
        guard let context = self.context else { return }
        var out = context.channel.allocator.buffer(capacity: 64)
        self.lastSent = .now()
        self.sealer?.append(kind, to: &out, at: self.lastSent, content: content)
        self.counters.sent.increment(by: out.readableBytes)
        context.write(self.wrapOutboundOut(out), promise: nil)
    }

    private func send(packet: [UInt8]) {
        guard let context = self.context else { return }
        var out = context.channel.allocator.buffer(capacity: 2 + packet.count)
        out.writeInteger(UInt16(packet.count))
        out.writeBytes(packet)
        self.counters.sent.increment(by: out.readableBytes)
        context.writeAndFlush(self.wrapOutboundOut(out), promise: nil)
    }

    // MARK: ending

    /// Closes with a goodbye, so that the other side does not take it for a death.
    func closeOnPurpose() {
        if self.isOpen, self.end == nil {
            self.send(.goodbye)
            self.context?.flush()
        }
        self.close(.closedHere)
    }

    func close(_ end: StreamEnd) {
        guard self.end == nil else { return }
        self.end = end
        self.timeout?.cancel()
        self.owner.ended(self, because: end)
        self.phase = .ended
        self.context?.close(promise: nil)
        self.context = nil
    }
}
