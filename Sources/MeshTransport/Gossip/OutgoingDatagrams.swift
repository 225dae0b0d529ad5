internal import CDatagrams
internal import MeshCore

/// Packets on their way out, for one system call together.
///
/// Not NIO's way of writing: that closes the channel on most errors of a send, and to a node a route that is gone for a
/// moment, or one member's strange address, is a lost packet and no more.
struct OutgoingDatagrams: ~Copyable {
    private let isIPv4: Bool
    private let bytes = Scratch(count: Int(meshnode_datagrams_max) * DatagramSealer.sealedBytesMax)
    private var datagrams: [meshnode_datagram] = []

    init(isIPv4: Bool) {
        self.isIPv4 = isIPv4
        self.datagrams.reserveCapacity(Int(meshnode_datagrams_max))
    }

    var count: Int { self.datagrams.count }
    var byteCount: Int { self.datagrams.reduce(0) { $0 + Int($1.length) } }
    var isFull: Bool { self.datagrams.count == Int(meshnode_datagrams_max) }

    /// Whether the socket's family has the address.
    func canReach(_ endpoint: Endpoint) -> Bool { !self.isIPv4 || endpoint.ipv4 != nil }

    /// `packet` is no longer than a sealed datagram, and the batch is not full.
    mutating func append(_ packet: RawSpan, to endpoint: Endpoint) {
        precondition(!self.isFull && packet.byteCount <= DatagramSealer.sealedBytesMax, "\(packet.byteCount) bytes")
        let offset = self.datagrams.count * DatagramSealer.sealedBytesMax
        unsafe packet.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe UnsafeMutableRawPointer(self.bytes.start + offset).copyMemory(from: start, byteCount: source.count)
        }
        var datagram = meshnode_datagram()
        unsafe withUnsafeMutableBytes(of: &datagram.address) { address in
            unsafe address.storeBytes(of: endpoint.high.bigEndian, as: UInt64.self)
            unsafe address.storeBytes(of: endpoint.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        datagram.port = endpoint.port
        if endpoint.isLinkLocal { datagram.scope = LinkScopes.shared.scope(of: endpoint) }
        datagram.offset = UInt32(offset)
        datagram.length = UInt32(packet.byteCount)
        self.datagrams.append(datagram)
    }

    /// Empties the batch; says how many packets the system took.
    mutating func send(over socket: CInt) -> Int {
        defer { self.datagrams.removeAll(keepingCapacity: true) }
        return unsafe Int(
            meshnode_send_datagrams(
                socket, self.isIPv4 ? 1 : 0, self.bytes.start, self.datagrams, CInt(self.datagrams.count)))
    }
}
