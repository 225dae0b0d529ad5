import MeshCore
import MeshTransport
import Testing

@Suite("real nodes on loopback", .timeLimit(.minutes(2)))
struct MeshNetworkTests {
    private let mesh = TestMesh()

    @Test("two nodes become one mesh and know each other by name", arguments: ["127.0.0.1", "::1"])
    func pair(host: String) async throws {
        let first = try await TestNode.start(self.mesh, name: "one", host: host)
        let second = try await TestNode.start(self.mesh, name: "two", host: host)
        try await second.network.join(seeds: [first.seed])
        try await eventually("both know both") {
            first.network.placeable.count == 2 && second.network.placeable.count == 2
        }
        #expect(first.network.name(of: second.id) == "two")
        #expect(second.network.name(of: first.id) == "one")
        #expect(await first.network.members().map(\.state) == [.alive, .alive])
        await first.stop()
        await second.stop()
    }
}
