import MeshCore
import Testing

@Suite("Large deltas")
struct LargeDeltaTests {
    /// Members whose ids all fall into one bucket of the digest, as anybody can choose them.
    private static let crowd: [NodeID] = {
        var random = RandomSource(seed: 1)
        var ids: [NodeID] = []
        while ids.count < 1200 {
            let id = NodeID(high: random.next(), low: random.next())
            if mix(id.high, id.low) >> 56 == 7 { ids.append(id) }
        }
        return ids
    }()

    private func tell(_ ids: ArraySlice<NodeID>) -> [UInt8] {
        var writer = WireWriter()
        writer.write(ProtocolVersion.current)
        for (place, id) in ids.enumerated() {
            let labels = [UInt8](repeating: 0, count: 4)
            writer.write(MessageKind.alive)
            writer.write(id)
            writer.write(UInt64(1))
            writer.write(UInt64(1))
            writer.write(UInt32(0))
            writer.write(TestMesh.endpoint(1000 + place))
            writer.write(ProtocolVersion.current)
            writer.write(ProtocolVersion.current)
            writer.write(UInt16(labels.count))
            writer.bytes.append(contentsOf: labels)
            for field in 0..<8 {
                let key = "field.\(field)"
                writer.write(
                    CapabilityField(key: key, value: String(repeating: "x", count: 200), version: 1 + UInt32(field)),
                    of: id, epoch: 1)
            }
        }
        return writer.bytes
    }

    @Test("a bucket that fits into no frame is told in several, whole, and by no frame above 1 MiB")
    func crowdedBucket() {
        var mesh = TestMesh.joined(2)
        mesh.isCut = { _, _ in true }
        mesh.receive(0, frame: self.tell(Self.crowd[...]), from: TestMesh.id(1))
        #expect(mesh.nodes[0]?.memberCount == 2 + Self.crowd.count)
        mesh.isCut = { _, _ in false }
        let before = mesh.arrivals.count
        let late = mesh.boot()
        mesh.join(late, through: 0)
        mesh.run(for: .milliseconds(100))
        let frames = mesh.arrivals[before...].compactMap { arrival -> Int? in
            guard case .frame(let bytes, _, let to) = arrival.delivery, to == TestMesh.id(late) else { return nil }
            return bytes.count
        }
        #expect(frames.count > 8)
        #expect(frames.allSatisfy { $0 <= 1 << 20 })
        #expect(mesh.nodes[late]?.memberCount == 3 + Self.crowd.count)
        #expect(mesh.refusals.isEmpty)
        let last = Self.crowd[Self.crowd.count - 1]
        #expect(mesh.nodes[late]?.member(last)?.capabilities.count == 8)
    }
}
