import MeshCore
import MeshTransport
import Synchronization
import Testing

@Suite("keys of a running mesh", .timeLimit(.minutes(10)))
struct KeyRotationTests {
    private let mesh = TestMesh()

    /// Nodes that run, so that they compare keys too; ended when `body` is over.
    private func withNodes(_ count: Int, _ body: ([TestNode]) async throws -> Void) async throws {
        var nodes: [TestNode] = []
        for index in 0..<count { nodes.append(try await .start(self.mesh, name: "node-\(index)")) }
        let lives = nodes.map { node in Task { await node.network.run() } }
        for node in nodes.dropFirst() { try await node.network.join(seeds: [nodes[0].seed]) }
        let all = nodes
        try await eventually("all know all") { all.allSatisfy { $0.network.placeable.count == count } }
        try await body(nodes)
        for life in lives {
            life.cancel()
            await life.value
        }
    }

    @Test("three steps, each answered by every member; then the old token is void and the new one lets in")
    func rotation() async throws {
        try await self.withNodes(3) { nodes in
            let (first, others) = (nodes[0].network, nodes.dropFirst().map(\.id))
            let old = first.keyring.primary
            let new = try await first.install()
            var answers = await first.askKeys(of: others, within: .seconds(60))
            #expect(others.allSatisfy { answers[$0]?.keys == [old, new].sorted() && answers[$0]?.primary == old })
            try await first.use(key: new)
            answers = await first.askKeys(of: others, within: .seconds(60))
            #expect(others.allSatisfy { answers[$0]?.primary == new })
            await #expect(throws: KeyringError.primary(new)) { try await first.remove(key: new) }
            try await first.remove(key: old)
            answers = await first.askKeys(of: others, within: .seconds(60))
            #expect(others.allSatisfy { answers[$0]?.keys == [new] })
            #expect(Set(nodes.map { $0.network.keyring }).count == 1)

            let outsider = try await TestNode.start(self.mesh)
            await #expect(throws: TransportError.self) { try await outsider.network.join(seeds: [nodes[0].seed]) }
            let token = nodes[2].network.token
            let insider = try await TestNode.start(TestMesh(cluster: token.cluster, keys: MeshKeys(token)))
            try await insider.network.join(seeds: [nodes[0].seed])
            try await eventually("all know all") { nodes[1].network.placeable.count == 4 }
            await outsider.stop()
            await insider.stop()
        }
    }

    @Test("a member that was not asked learns of a change by itself")
    func spreading() async throws {
        try await self.withNodes(3) { nodes in
            for node in nodes {
                try node.network.advertise([Label(KeySummary.field, KeySummary(node.network.keyring).text)])
            }
            let new = try await nodes[0].network.install()
            try nodes[0].network.advertise([Label(KeySummary.field, KeySummary(nodes[0].network.keyring).text)])
            try await eventually("all have it") { nodes.allSatisfy { $0.network.keyring.contains(new) } }
        }
    }

    @Test("two operators at once: both keys are kept, and one is the primary everywhere")
    func conflict() async throws {
        try await self.withNodes(2) { nodes in
            let (one, other) = (nodes[0].network, nodes[1].network)
            let (first, second) = (try await one.install(), try await other.install())
            try await one.use(key: first)
            try await other.use(key: second)
            _ = await one.askKeys(of: [nodes[1].id], within: .seconds(60))
            try await eventually("they agree") { one.keyring == other.keyring }
            #expect(one.keyring.keys.count == 3)
            #expect([first, second].contains(one.keyring.primary))
        }
    }

    @Test("who holds a key that the mesh does not know gets in under one that it does")
    func fallback() async throws {
        try await self.withNodes(1) { nodes in
            let known = nodes[0].network.token.keys[0]
            let stranger = MeshKeys.generate().token(cluster: self.mesh.cluster).keys[0]
            let keys = MeshKeys(JoinToken(cluster: self.mesh.cluster, keys: [stranger, known]))
            let late = try await TestNode.start(TestMesh(cluster: self.mesh.cluster, keys: keys))
            try await late.network.join(seeds: [nodes[0].seed])
            #expect(late.network.placeable.count == 2)
            await late.stop()
        }
    }

    @Test("keys that the disk does not take are neither used nor told")
    func unkept() async throws {
        try await self.withNodes(1) { nodes in
            let full = try await TestNode.start(self.mesh, name: "full", keepKeys: { _ in throw DiskFull() })
            let life = Task { await full.network.run() }
            try await full.network.join(seeds: [nodes[0].seed])
            let before = full.network.keyring
            await #expect(throws: DiskFull.self) { try await full.network.install() }
            try await nodes[0].network.install()
            let answers = await nodes[0].network.askKeys(of: [full.id], within: .seconds(60))
            #expect(answers[full.id]?.keys == before.keys)
            #expect(full.network.keyring == before)
            life.cancel()
            await life.value
        }
    }
}

private struct DiskFull: Error {}
