import MeshCore
import Testing

@Suite("Forgetting members")
struct ForgettingTests {
    private static let fields = (0..<10).map {
        Label("field.\($0)", String(repeating: "x", count: 200))
    }

    /// Node 0 is alone, after all others left with their fields hardly told.
    private func deserted() -> TestMesh {
        var mesh = TestMesh.joined(4)
        for node in 1..<4 { mesh.step(node, .advertise(Self.fields)) }
        mesh.run(for: .milliseconds(500))
        for node in 1..<4 { mesh.step(node, .leave) }
        mesh.run(for: .seconds(20))
        for node in 1..<4 { mesh.nodes[node] = nil }
        return mesh
    }

    @Test("what a lonely node owes about forgotten members is dropped, and a newcomer is told the rest")
    func newcomer() {
        var mesh = self.deserted()
        let owed = mesh.nodes[0]?.rumorCount ?? 0
        mesh.run(for: .seconds(2 * 3600))
        #expect(mesh.nodes[0]?.memberCount == 1)
        #expect(mesh.nodes[0]?.rumorCount ?? 0 < max(1, owed))
        // Changes of one length take another's place: growing ones leave waste behind until the store is compacted.
        for length in 1..<60 {
            mesh.step(0, .advertise([Label("load", String(repeating: "9", count: length))]))
        }
        let late = mesh.boot()
        mesh.join(late, through: 0)
        mesh.run(for: .seconds(30))
        #expect(mesh.nodes[late]?.state(of: TestMesh.id(0)) == .alive)
        #expect(mesh.nodes[late]?.memberCount == 2)
        #expect(mesh.nodes[late]?.member(TestMesh.id(0))?.capabilities.first?.value.count == 59)
    }
}
