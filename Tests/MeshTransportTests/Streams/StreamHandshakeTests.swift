import MeshCore
import MeshTransport
import Testing

@Suite("stream handshakes")
struct StreamHandshakeTests {
    private let mesh = TestMesh()

    private func context(
        _ identity: NodeIdentity = .generate(), mesh: TestMesh? = nil, epoch: UInt64 = 1
    ) -> StreamContext {
        StreamContext(
            identity: identity, cluster: (mesh ?? self.mesh).cluster, keys: (mesh ?? self.mesh).keys,
            hello: Hello(boot: Boot(epoch: epoch, nonce: 9), endpoint: Endpoint(ipv4: 0x7F00_0001, port: 1)))
    }

    @Test("both sides learn who the other is and what it says of itself")
    func agreement() throws {
        let (one, two) = (NodeIdentity.generate(), NodeIdentity.generate())
        var initiator = InitiatorHandshake(self.context(one, epoch: 4))
        var responder = ResponderHandshake(self.context(two, epoch: 5))
        let (third, peer) = try initiator.second(responder.first(initiator.first()))
        let found = try responder.third(third)
        #expect(found.id == one.id && found.hello.boot.epoch == 4)
        #expect(peer.id == two.id && peer.hello.boot.epoch == 5)
    }

    @Test("a key installed here but not primary opens the stream of one who uses it")
    func rotation() throws {
        var rotated = self.mesh
        let (key, node) = (MeshKey.generate(), NodeID(high: 0, low: 1))
        try rotated.keys.install(key, by: node)
        try rotated.keys.use(key.id, by: node)
        var initiator = InitiatorHandshake(self.context())
        var responder = ResponderHandshake(self.context(mesh: rotated))
        let (third, _) = try initiator.second(responder.first(initiator.first()))
        #expect(throws: Never.self) { try responder.third(third) }
    }

    @Test("a wrong key, a wrong mesh and another version are refused at the first packet, each by its name")
    func refusals() throws {
        var initiator = InitiatorHandshake(self.context())
        let first = try initiator.first()
        var stranger = ResponderHandshake(self.context(mesh: TestMesh()))
        #expect(throws: StreamRefusal.unknownKey) { try stranger.first(first) }
        var other = ResponderHandshake(self.context(mesh: TestMesh(cluster: .random(), keys: self.mesh.keys)))
        #expect(throws: StreamRefusal.wrongMesh) { try other.first(first) }
        var responder = ResponderHandshake(self.context())
        #expect(throws: StreamRefusal.unsupportedVersion) { try responder.first([2] + first.dropFirst()) }
        #expect(throws: StreamRefusal.malformed) { try responder.first([]) }
    }

    @Test("the initiator understands every refusal", arguments: StreamRefusal.allCases)
    func codes(refusal: StreamRefusal) throws {
        guard let code = refusal.code else { return }
        var initiator = InitiatorHandshake(self.context())
        _ = try initiator.first()
        #expect(throws: refusal) { try initiator.second([code]) }
    }

    @Test("every changed or missing byte of every packet ends the handshake")
    func tampering() throws {
        var initiator = InitiatorHandshake(self.context())
        let first = try initiator.first()
        for changed in Self.damaged(first) {
            var responder = ResponderHandshake(self.context())
            #expect(throws: StreamRefusal.self) { try responder.first(changed) }
        }
        var responder = ResponderHandshake(self.context())
        let second = try responder.first(first)
        for changed in Self.damaged(second) {
            var copy = initiator
            #expect(throws: StreamRefusal.self) { try copy.second(changed) }
        }
        let third = try initiator.second(second).reply
        for changed in Self.damaged(third) {
            var copy = responder
            #expect(throws: StreamRefusal.self) { try copy.third(changed) }
        }
    }

    @Test("a replayed first packet gets an answer that nothing can be made of, and no further")
    func replay() throws {
        var initiator = InitiatorHandshake(self.context())
        var responder = ResponderHandshake(self.context())
        let first = try initiator.first()
        let third = try initiator.second(responder.first(first)).reply
        var again = ResponderHandshake(self.context())
        _ = try again.first(first)
        #expect(throws: StreamRefusal.handshakeFailed) { try again.third(third) }
    }

    private static func damaged(_ packet: [UInt8]) -> [[UInt8]] {
        packet.indices.map { index in
            var changed = packet
            changed[index] ^= 1
            return changed
        } + (0..<packet.count).map { Array(packet.prefix($0)) } + [packet + [0]]
    }
}
