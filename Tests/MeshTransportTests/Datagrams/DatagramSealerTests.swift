import MeshCore
import MeshTransport
import Testing

@Suite("sealed datagrams")
struct DatagramSealerTests {
    private let mesh = TestMesh()

    /// Seals with one sealer and opens with another, as two nodes would.
    private func seal(_ plaintext: [UInt8], mesh: TestMesh? = nil) -> [UInt8] {
        let mesh = mesh ?? self.mesh
        var sealer = DatagramSealer(cluster: mesh.cluster, keys: mesh.keys)
        return sealed(plaintext, by: &sealer)
    }

    private func open(_ packet: [UInt8], mesh: TestMesh? = nil) throws(DatagramRefusal) -> [UInt8] {
        let mesh = mesh ?? self.mesh
        var sealer = DatagramSealer(cluster: mesh.cluster, keys: mesh.keys)
        let opened = try sealer.open(packet.raw)
        return [UInt8](copying: sealer.plaintext(of: opened))
    }

    @Test(
        "what was sealed is opened, whatever its size",
        arguments: [0, 1, 120, 255, 256, 1336, DatagramSealer.plaintextBytesMax])
    func roundTrip(size: Int) throws {
        let plaintext = randomBytes(size)
        let packet = self.seal(plaintext)
        #expect(packet.count <= DatagramSealer.sealedBytesMax)
        #expect(try self.open(packet) == plaintext)
    }

    @Test(
        "a probe has its size on the wire and its number inside, and is never taken for gossip", arguments: [64, 1400])
    func probe(bytes: Int) throws {
        var sealer = DatagramSealer(cluster: self.mesh.cluster, keys: self.mesh.keys)
        let count = sealer.sealProbe(0x0102_0304_0506_0708, sealedBytes: bytes)
        let packet = [UInt8](copying: sealer.sealed(count))
        #expect(packet.count == bytes)
        let opened = try sealer.open(packet.raw)
        #expect(opened.isProbe && sealer.probeNumber(of: opened) == 0x0102_0304_0506_0708)
        // Flags are authenticated: gossip does not become a probe on the way, nor a probe gossip.
        var changed = packet
        changed[1] = 0
        #expect(throws: DatagramRefusal.unauthentic) { try self.open(changed) }
        changed[1] = 3
        #expect(throws: DatagramRefusal.unsupportedVersion) { try self.open(changed) }
    }

    @Test("the largest plaintext that the membership makes fits")
    func fits() {
        #expect(Membership.Configuration.lan.datagramBytesMax <= DatagramSealer.plaintextBytesMax)
    }

    @Test("what compresses becomes smaller, what does not stays as it is")
    func compression() throws {
        let repetitive = [UInt8](repeating: 7, count: 1000)
        let packet = self.seal(repetitive)
        #expect(packet.count < 100)
        #expect(try self.open(packet) == repetitive)
        #expect(self.seal(randomBytes(1000)).count == 1046)
    }

    @Test("after packets that did not compress, ones that do are compressed again")
    func compressionComesBack() {
        var sealer = DatagramSealer(cluster: self.mesh.cluster, keys: self.mesh.keys)
        for _ in 0..<100 { _ = sealed(randomBytes(1000), by: &sealer) }
        let sizes = (0..<300).map { _ in sealed([UInt8](repeating: 1, count: 1000), by: &sealer).count }
        #expect(sizes.last.map { $0 < 100 } == true)
    }

    @Test("every changed byte is noticed")
    func tampering() {
        let packet = self.seal(Array("a rumor".utf8))
        for index in packet.indices {
            var changed = packet
            changed[index] ^= 0x40
            #expect(throws: DatagramRefusal.self, "byte \(index)") { try self.open(changed) }
        }
    }

    @Test("every truncation and every lengthening is noticed")
    func lengths() {
        let packet = self.seal(Array("a rumor".utf8))
        for count in 0..<packet.count {
            #expect(throws: DatagramRefusal.self) { try self.open(Array(packet.prefix(count))) }
        }
        #expect(throws: DatagramRefusal.unauthentic) { try self.open(packet + [0]) }
        #expect(throws: DatagramRefusal.tooLong) { try self.open(packet + [UInt8](repeating: 0, count: 1400)) }
    }

    @Test("another key, another mesh and another version each have their reason")
    func reasons() {
        let packet = self.seal([1, 2, 3])
        #expect(throws: DatagramRefusal.unknownKey) { try self.open(packet, mesh: TestMesh()) }
        let otherMesh = TestMesh(cluster: .random(), keys: self.mesh.keys)
        #expect(throws: DatagramRefusal.unauthentic) { try self.open(packet, mesh: otherMesh) }
        var newer = packet
        newer[0] = 2
        #expect(throws: DatagramRefusal.unsupportedVersion) { try self.open(newer) }
        #expect(throws: DatagramRefusal.tooShort) { try self.open([1]) }
    }

    @Test("a block that claims to grow beyond the bound is refused")
    func bomb() throws {
        var sealer = DatagramSealer(cluster: self.mesh.cluster, keys: self.mesh.keys)
        // 4,097 bytes claimed, by one who holds the key.
        for block: [UInt8] in [[0x10, 0x01, 0x1F, 0x00, 0x01, 0x00, 0xFF, 0xFF], [0x00, 0x10, 0xFF], [0x01], []] {
            let packet = sealed(block, by: &sealer, flags: DatagramSealer.compressedFlag)
            #expect(throws: DatagramRefusal.undecompressable) { try self.open(packet) }
        }
    }

    @Test("an image that is resumed twice seals different packets under different nonces")
    func resumed() {
        var first = NonceSource()
        for byte in 0..<10 as Range<UInt8> { _ = nonce(&first, [byte]) }
        var second = first.resumed()
        #expect(nonce(&first, [1, 2, 3]) == nonce(&second, [1, 2, 3]))
        #expect(nonce(&first, [1, 2, 3]) != nonce(&second, [1, 2, 4]))
    }

    private func nonce(_ source: inout NonceSource, _ body: [UInt8]) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: NonceSource.nonceBytes) { out, count in
            guard let start = out.baseAddress else { return }
            unsafe source.fill(start, sealing: body, count: body.count)
            count = NonceSource.nonceBytes
        }
    }

    @Test("nonces repeat neither within nor across prefixes, nor between two sealers")
    func nonces() {
        var nonces: Set<[UInt8]> = []
        var prefixes: Set<[UInt8]> = []
        for _ in 0..<2 {
            var sealer = DatagramSealer(cluster: self.mesh.cluster, keys: self.mesh.keys)
            for _ in 0..<3000 {
                let packet = sealed([1], by: &sealer)
                nonces.insert(Array(packet[6..<30]))
                prefixes.insert(Array(packet[6..<22]))
            }
        }
        #expect(nonces.count == 6000)
        #expect(prefixes.count == 6)
    }

    @Test("a rotation step by step never refuses")
    func rotation() throws {
        var (old, new) = (self.mesh.keys, self.mesh.keys)
        let (key, node) = (MeshKey.generate(), NodeID(high: 1, low: 1))
        try new.install(key, by: node)
        // Installed on one: it opens the old.
        #expect(try self.open(self.seal([1]), mesh: TestMesh(cluster: self.mesh.cluster, keys: new)) == [1])
        // Used on one, installed on the other.
        old = new
        try new.use(key.id, by: node)
        let packet = self.seal([2], mesh: TestMesh(cluster: self.mesh.cluster, keys: new))
        #expect(try self.open(packet, mesh: TestMesh(cluster: self.mesh.cluster, keys: old)) == [2])
        // Removed: the old is refused.
        try new.remove(self.mesh.keys.ring.primary, by: node)
        #expect(throws: DatagramRefusal.unknownKey) {
            try self.open(self.seal([3]), mesh: TestMesh(cluster: self.mesh.cluster, keys: new))
        }
    }
}

/// With `flags`, sealed as it is under these.
func sealed(_ plaintext: [UInt8], by sealer: inout DatagramSealer, flags: UInt8? = nil) -> [UInt8] {
    let count: Int
    if let flags {
        var body = plaintext
        count = unsafe sealer.encrypt(&body, count: plaintext.count, flags: flags)
    } else {
        count = sealer.seal(plaintext.raw)
    }
    return [UInt8](copying: sealer.sealed(count))
}
