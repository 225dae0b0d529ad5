import MeshCore
import Testing

@Suite("Malformed packets and frames")
struct MalformedTests {
    /// Everything that a busy mesh sends.
    private static let recorded: [TestMesh.Delivery] = {
        var mesh = TestMesh()
        for _ in 0..<6 { mesh.boot() }
        for node in 1..<6 { mesh.join(node, through: 0) }
        mesh.step(1, .advertise([Label("gpu.memory.free", "24GiB"), Label("load", "0.5")]))
        mesh.step(2, .raise(name: "deploy", payload: Array(0..<200)))
        mesh.run(for: .seconds(4))
        mesh.step(1, .advertise([Label("load", "0.7")]))
        mesh.kill(3)
        mesh.run(for: .seconds(4))
        mesh.step(4, .leave)
        mesh.run(for: .seconds(3))
        return mesh.arrivals.map(\.delivery)
    }()

    /// Node 0 of a fresh mesh that would accept what was recorded.
    private func receiver() -> TestMesh {
        var mesh = TestMesh()
        for _ in 0..<6 { mesh.boot() }
        for node in 1..<6 { mesh.join(node, through: 0) }
        mesh.run(for: .milliseconds(50))
        mesh.refusals.removeAll()
        return mesh
    }

    private func deliver(_ bytes: [UInt8], as delivery: TestMesh.Delivery, to mesh: inout TestMesh) {
        switch delivery {
        case .datagram(_, let from, _): mesh.receive(0, datagram: bytes, from: from)
        case .frame(_, let from, _): mesh.receive(0, frame: bytes, from: from == TestMesh.id(0) ? TestMesh.id(1) : from)
        }
    }

    private func bytes(of delivery: TestMesh.Delivery) -> [UInt8] {
        switch delivery {
        case .datagram(let bytes, _, _): bytes
        case .frame(let bytes, _, _): bytes
        }
    }

    @Test("what was recorded holds every kind of message that nodes exchange in peace and in trouble")
    func coverage() {
        let kinds = Set(
            Self.recorded.map { delivery -> UInt8 in
                switch delivery {
                case .datagram(let bytes, _, _): bytes[PacketHeader.byteCount]
                case .frame(let bytes, _, _): bytes[1]
                }
            })
        for kind in [MessageKind.ping, .ack, .nack, .pingRequest, .streamPing, .exchange, .delta] {
            #expect(kinds.contains(kind.rawValue))
        }
    }

    @Test("every truncation of what was recorded is survived; within a message it is refused")
    func truncations() {
        var mesh = self.receiver()
        var refused = 0
        for delivery in Self.recorded.prefix(60) {
            let whole = self.bytes(of: delivery)
            for count in stride(from: 0, to: min(whole.count, 200), by: 1) {
                mesh.refusals.removeAll()
                self.deliver(Array(whole.prefix(count)), as: delivery, to: &mesh)
                refused += mesh.refusals.isEmpty ? 0 : 1
            }
        }
        #expect(refused > 1000)
        #expect(mesh.nodes[0]?.state(of: TestMesh.id(0)) == .alive)
    }

    @Test("random damage is survived", arguments: 0..<8 as Range<UInt64>)
    func mutations(seed: UInt64) {
        var mesh = self.receiver()
        var random = RandomSource(seed: seed)
        for delivery in Self.recorded {
            var bytes = self.bytes(of: delivery)
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
            }
            self.deliver(bytes, as: delivery, to: &mesh)
        }
        mesh.run(for: .seconds(120))
        #expect(mesh.nodes[0]?.memberCounts.live ?? 0 >= 1)
        #expect(mesh.nodes[0]?.members.count == mesh.nodes[0]?.memberCount)
    }

    @Test("random bytes are refused", arguments: 0..<8 as Range<UInt64>)
    func noise(seed: UInt64) {
        var mesh = self.receiver()
        var random = RandomSource(seed: seed)
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0..<300, using: &random)).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            mesh.receive(0, datagram: bytes, from: TestMesh.endpoint(1))
            mesh.receive(0, frame: bytes, from: TestMesh.id(1))
        }
        #expect(mesh.refusals.count >= 990)
    }
}
