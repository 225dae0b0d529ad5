import MeshCore

@testable import MeshTransport

private struct Sealers: ~Copyable {
    var own: DatagramSealer
    var stranger: DatagramSealer

    init() {
        let keys = MeshKeys.generate()
        let cluster = ClusterID.random()
        self.own = DatagramSealer(cluster: cluster, keys: keys)
        self.stranger = DatagramSealer(cluster: .random(), keys: keys)
    }
}

// libFuzzer calls from one thread.
nonisolated(unsafe) private var sealers = Sealers()

/// A packet from the wire: raw, of another mesh, damaged, and rightly sealed with anything inside.
@Sendable func fuzzDatagrams(_ bytes: [UInt8]) {
    var input = FuzzInput(bytes)
    switch input.byte() % 4 {
    case 0:
        // Whoever does not hold the key gets nothing opened.
        require(open(input.rest()) == nil, "opened what nobody sealed")
    case 1:
        let flags = input.byte() & DatagramSealer.compressedFlag
        let body = Array(input.rest().prefix(DatagramSealer.plaintextBytesMax))
        let packet = unsafe seal(body, flags: flags, with: &sealers.own)
        let plaintext = open(packet)
        if flags == 0 { require(plaintext == body, "a sealed packet opens to what was sealed") }
        require(plaintext?.count ?? 0 <= 4096, "a packet grew to \(plaintext?.count ?? 0) bytes")
        let foreign = unsafe seal(body, flags: flags, with: &sealers.stranger)
        require(open(foreign) == nil, "opened a packet of another mesh")
    case 2:
        let body = Array(input.rest().prefix(DatagramSealer.plaintextBytesMax))
        let count = unsafe sealers.own.seal(body.raw)
        let packet = unsafe [UInt8](copying: sealers.own.sealed(count))
        require(packet.count <= DatagramSealer.sealedBytesMax, "a packet of \(packet.count) bytes")
        require(open(packet) == body, "what compresses opens to what was sealed")
    default:
        let (place, flip) = (Int(input.number() & 0xFFFF), input.byte())
        let body = Array(input.rest().prefix(DatagramSealer.plaintextBytesMax))
        var packet = unsafe seal(body, flags: 0, with: &sealers.own)
        packet[place % packet.count] ^= flip
        require((open(packet) != nil) == (flip == 0), "a changed packet opened")
        require(open(Array(packet.dropLast(1 + place % 40))) == nil, "a packet that was cut opened")
    }
}

private func seal(_ body: [UInt8], flags: UInt8, with sealer: inout DatagramSealer) -> [UInt8] {
    let count = unsafe body.withUnsafeBufferPointer { body in
        guard let start = body.baseAddress else { return sealer.seal(RawSpan()) }
        return unsafe sealer.encrypt(start, count: body.count, flags: flags)
    }
    return [UInt8](copying: sealer.sealed(count))
}

private func open(_ packet: [UInt8]) -> [UInt8]? {
    do {
        let opened = try unsafe sealers.own.open(packet.raw)
        return unsafe [UInt8](copying: sealers.own.plaintext(of: opened))
    } catch { return nil }
}
