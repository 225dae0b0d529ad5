import MeshCore
import MeshTransport
import Testing

@Suite("Noise against another implementation", .serialized)
struct NoiseInteropTests {
    private let identity = NodeIdentity.generate()
    private let secret = randomBytes(32)
    private let preShared = randomBytes(32)
    private let prologue = Array("a prologue".utf8)

    private var other: NodeIdentity {
        get throws { try #require(NodeIdentity(checking: SecretBytes(copying: self.secret))) }
    }

    private func peer(_ role: String, preShared: [UInt8]? = nil, prologue: [UInt8]? = nil) throws -> NoisePeer {
        try NoisePeer(
            role: role, secret: self.secret, preShared: preShared ?? self.preShared,
            prologue: prologue ?? self.prologue)
    }

    private func handshake(_ role: NoiseHandshake.Role) -> NoiseHandshake {
        NoiseHandshake(
            role: role, identity: self.identity, preShared: SecretBytes(copying: self.preShared),
            prologue: self.prologue)
    }

    @Test("as initiator: payloads, static keys and both directions agree, also after a re-key")
    func initiator() throws {
        let peer = try self.peer("responder")
        var noise = self.handshake(.initiator)
        #expect(try peer.ask("read", noise.write(payload: [])) == [])
        #expect(try noise.read(peer.ask("write", Array("hello from python".utf8))) == Array("hello from python".utf8))
        #expect(
            try peer.ask("read", noise.write(payload: Array("hello from swift".utf8))) == Array("hello from swift".utf8)
        )
        #expect(noise.isComplete)
        #expect(try noise.remoteStatic == self.other.publicKey)
        try self.exchange(noise.split(), with: peer)
    }

    @Test("as responder: payloads, static keys and both directions agree, also after a re-key")
    func responder() throws {
        let peer = try self.peer("initiator")
        var noise = self.handshake(.responder)
        #expect(try noise.read(peer.ask("write", [1])) == [1])
        #expect(try peer.ask("read", noise.write(payload: [2, 3])) == [2, 3])
        #expect(try noise.read(peer.ask("write", [4, 5, 6])) == [4, 5, 6])
        #expect(noise.isComplete)
        #expect(try noise.remoteStatic == self.other.publicKey)
        try self.exchange(noise.split(), with: peer)
    }

    @Test("another pre-shared key fails at the third message")
    func wrongKey() throws {
        let peer = try self.peer("initiator", preShared: randomBytes(32))
        var noise = self.handshake(.responder)
        _ = try noise.read(peer.ask("write"))
        try peer.ask("read", noise.write(payload: []))
        let third = try peer.ask("write")
        #expect(throws: NoiseError.decryption) { try noise.read(third) }
    }

    @Test("another prologue, hence another mesh, fails at the first message")
    func wrongPrologue() throws {
        let peer = try self.peer("initiator", prologue: [9])
        var noise = self.handshake(.responder)
        let first = try peer.ask("write")
        #expect(throws: NoiseError.decryption) { try noise.read(first) }
    }

    private func exchange(_ ciphers: (send: CipherState, receive: CipherState), with peer: NoisePeer) throws {
        var (send, receive) = ciphers
        for round in 0..<3 {
            let out = randomBytes(round * 1000)
            #expect(try peer.ask("decrypt", self.seal(out, &send)) == out)
            let back = randomBytes(round * 700 + 1)
            #expect(try self.open(peer.ask("encrypt", back), &receive) == back)
            send.rekey()
            try peer.ask("rekey-receive")
            receive.rekey()
            try peer.ask("rekey-send")
        }
    }

    private func seal(_ bytes: [UInt8], _ cipher: inout CipherState) -> [UInt8] {
        var sealed = bytes + [UInt8](repeating: 0, count: CipherState.tagBytes)
        unsafe sealed.withUnsafeMutableBufferPointer { buffer in
            if let start = buffer.baseAddress { unsafe cipher.seal(start, count: bytes.count) }
        }
        return sealed
    }

    private func open(_ bytes: [UInt8], _ cipher: inout CipherState) throws -> [UInt8] {
        var opened = bytes
        let isGood = unsafe opened.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return false }
            return unsafe cipher.open(start, count: buffer.count)
        }
        try #require(isGood)
        return Array(opened.dropLast(CipherState.tagBytes))
    }
}
