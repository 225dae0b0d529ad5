internal import CSodium
package import MeshCore

/// Seals and opens datagrams with XChaCha20-Poly1305. `docs/protocol.md`, section 2, has the bytes.
///
/// Both directions work in buffers that live as long as the sealer, so a packet costs no allocation.
package struct DatagramSealer: ~Copyable {
    package static let version: UInt8 = 1
    /// Passes unfragmented through every path in common use, tunnels included.
    package static let sealedBytesMax = 1400
    package static let plaintextBytesMax = sealedBytesMax - bodyOffset - tagBytes

    /// Version, flags, key id; authenticated, in the clear.
    private static let headerBytes = 6
    private static let bodyOffset = headerBytes + NonceSource.nonceBytes
    private static let tagBytes = 16
    package static let compressedFlag: UInt8 = 1
    /// A number and padding, sent to learn what comes through; never compressed.
    package static let probeFlag: UInt8 = 2
    /// What a compressed packet may grow to.
    private static let inflatedBytesMax = 4096
    private static let inflatedLengthBytes = 2
    /// Below it the attempt costs more than the bytes it saves.
    private static let compressFrom = 256

    /// Of the keyring only what datagrams need, so that a packet touches no more references than it must.
    private var primary: (id: KeyID, key: SecretBytes)
    private var others: [(id: KeyID, key: SecretBytes)]
    /// Cluster id, then the header of the packet at hand.
    private let associated = Scratch(count: 16 + headerBytes)
    private let packet = Scratch(count: sealedBytesMax)
    private let deflated = Scratch(count: sealedBytesMax)
    private let opened = Scratch(count: sealedBytesMax)
    private let inflated = Scratch(count: inflatedBytesMax)
    private var nonces = NonceSource()
    private let compressor = LZ4()
    private var compression = CompressionBackoff()

    package init(cluster: ClusterID, keys: MeshKeys) {
        var writer = WireWriter()
        writer.write(cluster)
        for (index, byte) in writer.bytes.enumerated() { unsafe self.associated.start[index] = byte }
        (self.primary, self.others) = Self.datagramKeys(keys)
    }

    package mutating func replace(keys: MeshKeys) { (self.primary, self.others) = Self.datagramKeys(keys) }

    private typealias Key = (id: KeyID, key: SecretBytes)

    private static func datagramKeys(_ keys: MeshKeys) -> (Key, [Key]) {
        let others = keys.ring.keys.filter { $0 != keys.ring.primary }.compactMap { id in
            keys.key(id).map { (id, $0.datagram) }
        }
        return ((keys.primary.id, keys.primary.datagram), others)
    }

    private func key(_ id: KeyID) -> SecretBytes? {
        id == self.primary.id ? self.primary.key : self.others.first { $0.id == id }?.key
    }

    // MARK: sealing

    /// Seals with the primary key. The packet is `sealed(count)`, until the next call.
    package mutating func seal(_ plaintext: RawSpan) -> Int {
        precondition(plaintext.byteCount <= Self.plaintextBytesMax, "\(plaintext.byteCount) bytes in one datagram")
        return unsafe plaintext.withUnsafeBytes { plaintext in
            guard let start = plaintext.baseAddress else {
                return unsafe self.encrypt(self.deflated.start, count: 0, flags: 0)
            }
            let bytes = unsafe start.assumingMemoryBound(to: UInt8.self)
            if let count = unsafe self.deflate(bytes, count: plaintext.count) {
                return unsafe self.encrypt(self.deflated.start, count: count, flags: Self.compressedFlag)
            }
            return unsafe self.encrypt(bytes, count: plaintext.count, flags: 0)
        }
    }

    /// A probe of exactly that size on the wire.
    package mutating func sealProbe(_ number: UInt64, sealedBytes: Int) -> Int {
        precondition(
            Self.bodyOffset + Self.tagBytes + 8...Self.sealedBytesMax ~= sealedBytes, "a probe of \(sealedBytes) bytes")
        let body = unsafe self.deflated.start
        let count = sealedBytes - Self.bodyOffset - Self.tagBytes
        unsafe body.update(repeating: 0, count: count)
        unsafe UnsafeMutableRawPointer(body).storeBytes(of: number.bigEndian, as: UInt64.self)
        return unsafe self.encrypt(body, count: count, flags: Self.probeFlag)
    }

    @_lifetime(borrow self)
    package borrowing func sealed(_ count: Int) -> RawSpan { self.packet.prefix(count) }

    /// Not private, so that tests can seal what no sealer would.
    package mutating func encrypt(_ body: UnsafePointer<UInt8>, count: Int, flags: UInt8) -> Int {
        let out = unsafe self.packet.start
        let nonce = unsafe out + Self.headerBytes
        unsafe out[0] = Self.version
        unsafe out[1] = flags
        unsafe UnsafeMutableRawPointer(out).storeBytes(
            of: self.primary.id.value.bigEndian, toByteOffset: 2, as: UInt32.self)
        unsafe self.nonces.fill(nonce, sealing: body, count: count)
        unsafe self.authenticate(header: out)
        unsafe self.primary.key.withUnsafeBytes { key in
            _ = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                out + Self.bodyOffset, nil, body, UInt64(count), self.associated.start, UInt64(self.associated.count),
                nil, nonce, key)
        }
        return Self.bodyOffset + count + Self.tagBytes
    }

    /// Length and block in `deflated`, or nil where that is not smaller by an eighth: less is not worth its time.
    private mutating func deflate(_ plaintext: UnsafePointer<UInt8>, count: Int) -> Int? {
        guard count >= Self.compressFrom, self.compression.shouldTry() else { return nil }
        let out = unsafe self.deflated.start
        let written = unsafe self.compressor.compress(
            plaintext, count: count, into: out + Self.inflatedLengthBytes,
            capacity: count - count / 8 - Self.inflatedLengthBytes)
        self.compression.tried(gained: written != nil)
        guard let written else { return nil }
        unsafe UnsafeMutableRawPointer(out).storeBytes(of: UInt16(count).bigEndian, as: UInt16.self)
        return written + Self.inflatedLengthBytes
    }

    // MARK: opening

    /// What a packet held: `plaintext(of:)` borrows it, until the next call.
    package struct Opened: Sendable {
        package fileprivate(set) var count: Int
        fileprivate var isInflated: Bool
        package fileprivate(set) var isProbe = false
    }

    package mutating func open(_ packet: RawSpan) throws(DatagramRefusal) -> Opened {
        guard packet.byteCount >= Self.bodyOffset + Self.tagBytes else { throw .tooShort }
        guard packet.byteCount <= Self.sealedBytesMax else { throw .tooLong }
        return try unsafe packet.withUnsafeBytes { packet throws(DatagramRefusal) in
            guard let base = packet.baseAddress else { throw .tooShort }
            let start = unsafe base.assumingMemoryBound(to: UInt8.self)
            guard unsafe start[0] == Self.version else { throw .unsupportedVersion }
            let flags = unsafe start[1]
            guard flags <= Self.probeFlag else { throw .unsupportedVersion }
            let id = unsafe KeyID(UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt32.self)))
            guard let key = self.key(id) else { throw .unknownKey }
            let count = try unsafe self.decrypt(start, count: packet.count, key: key)
            if flags == Self.probeFlag {
                guard count >= 8 else { throw .tooShort }
                return Opened(count: count, isInflated: false, isProbe: true)
            }
            guard flags == Self.compressedFlag else { return Opened(count: count, isInflated: false) }
            return Opened(count: try self.inflate(count), isInflated: true)
        }
    }

    @_lifetime(borrow self)
    package borrowing func plaintext(of opened: Opened) -> RawSpan {
        opened.isInflated ? self.inflated.prefix(opened.count) : self.opened.prefix(opened.count)
    }

    package borrowing func probeNumber(of opened: Opened) -> UInt64 {
        unsafe UInt64(bigEndian: UnsafeRawPointer(self.opened.start).loadUnaligned(as: UInt64.self))
    }

    private func decrypt(_ packet: UnsafePointer<UInt8>, count: Int, key: SecretBytes) throws(DatagramRefusal) -> Int {
        unsafe self.authenticate(header: packet)
        let sealed = count - Self.bodyOffset
        let isGood = unsafe key.withUnsafeBytes { key in
            unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                self.opened.start, nil, nil, packet + Self.bodyOffset, UInt64(sealed), self.associated.start,
                UInt64(self.associated.count), packet + Self.headerBytes, key) == 0
        }
        guard isGood else { throw .unauthentic }
        return sealed - Self.tagBytes
    }

    private func inflate(_ count: Int) throws(DatagramRefusal) -> Int {
        guard count > Self.inflatedLengthBytes else { throw .undecompressable }
        let block = unsafe self.opened.start + Self.inflatedLengthBytes
        let size = unsafe Int(self.opened.start[0]) << 8 | Int(self.opened.start[1])
        guard size <= Self.inflatedBytesMax,
            unsafe LZ4.decompress(
                block, count: count - Self.inflatedLengthBytes, into: self.inflated.start, size: size)
        else { throw .undecompressable }
        return size
    }

    private func authenticate(header: UnsafePointer<UInt8>) {
        unsafe (self.associated.start + 16).update(from: header, count: Self.headerBytes)
    }
}

/// Why a datagram was dropped before its plaintext was seen.
package enum DatagramRefusal: String, Error, Sendable, CaseIterable {
    case tooShort, tooLong, unsupportedVersion, unknownKey
    /// Another mesh, another key under the same id, or bytes changed on the way.
    case unauthentic
    case undecompressable
    /// A probe that nobody asked for, or that comes long after its round.
    case unexpected
}

/// Gossip compresses well for a while or badly for a while: after each failure twice as many packets go untried.
private struct CompressionBackoff {
    private static let skipMax = 256
    private var skip = 0
    private var skipNext = 1

    mutating func shouldTry() -> Bool {
        guard self.skip > 0 else { return true }
        self.skip -= 1
        return false
    }

    mutating func tried(gained: Bool) {
        self.skipNext = gained ? 1 : min(self.skipNext * 2, Self.skipMax)
        self.skip = gained ? 0 : self.skipNext
    }
}
