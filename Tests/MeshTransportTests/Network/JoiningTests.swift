import MeshCore
import MeshTransport
import Testing

@Suite("joining and binding", .timeLimit(.minutes(2)))
struct JoiningTests {
    private let mesh = TestMesh()

    @Test("a token of another mesh is refused by the seed, and the refusal is told apart from silence")
    func wrongMesh() async throws {
        let seed = try await TestNode.start(self.mesh)
        for other in [TestMesh(), TestMesh(cluster: .random(), keys: self.mesh.keys)] {
            let stranger = try await TestNode.start(other)
            let error = await #expect(throws: TransportError.self) {
                try await stranger.network.join(seeds: [seed.seed])
            }
            #expect(error?.code == .refusedBySeed)
            await stranger.stop()
        }
        #expect(seed.network.placeable == [seed.id])
        #expect(seed.network.refused["stream.unknownKey"] == 1)
        #expect(seed.network.refused["stream.wrongMesh"] == 1)
        await seed.stop()
    }

    @Test("a node that is not admitted is told so")
    func notAdmitted() async throws {
        struct Nobody: Admission { func admits(_ node: NodeID, boot: Boot) -> Bool { false } }
        let seed = try await TestNode.start(self.mesh, admission: Nobody())
        let guest = try await TestNode.start(self.mesh)
        let error = await #expect(throws: TransportError.self) { try await guest.network.join(seeds: [seed.seed]) }
        #expect(error?.code == .refusedBySeed)
        #expect(seed.network.placeable.count == 1)
        for node in [seed, guest] { await node.stop() }
    }

    @Test("an unreachable, an unresolvable and one's own address are passed over for one that answers")
    func otherSeeds() async throws {
        let gone = try await TestNode.start(self.mesh)
        await gone.stop()
        let seed = try await TestNode.start(self.mesh)
        let node = try await TestNode.start(self.mesh)
        try await node.network.join(seeds: [
            gone.seed, HostAndPort(host: "no-such-host.invalid", port: 7946), node.seed, seed.seed,
        ])
        try await eventually("they know each other") { seed.network.placeable.count == 2 }
        for node in [seed, node] { await node.stop() }
    }

    @Test("joining goes on until the seed is there")
    func lateSeed() async throws {
        let early = try await TestNode.start(self.mesh)
        let address = early.seed
        await early.stop()
        let node = try await TestNode.start(self.mesh)
        async let joined: Void = node.network.join(seeds: [address])
        let seed = try await TestNode.start(self.mesh, port: address.port)
        try await joined
        #expect(node.network.placeable.count == 2)
        for node in [seed, node] { await node.stop() }
    }

    @Test("cancelling ends joining")
    func cancellation() async throws {
        let gone = try await TestNode.start(self.mesh)
        await gone.stop()
        let node = try await TestNode.start(self.mesh)
        let task = Task { try await node.network.join(seeds: [gone.seed]) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await node.stop()
    }

    @Test("what cannot be bound is told with its reason")
    func binding() async throws {
        let first = try await TestNode.start(self.mesh)
        let port = first.addresses.bound.port
        await self.expect(.portTaken) { try await TestNode.start(self.mesh, port: port) }
        await self.expect(.cannotBind) { try await TestNode.start(self.mesh, host: "192.0.2.7") }
        await self.expect(.cannotResolve) { try await TestNode.start(self.mesh, host: "no-such-host.invalid") }
        await self.expect(.cannotAdvertise) {
            try await TestNode.start(self.mesh, advertise: HostAndPort(host: "0.0.0.0", port: 0))
        }
        await first.stop()
    }

    private func expect(_ code: TransportError.Code, _ body: () async throws -> TestNode) async {
        let error = await #expect(throws: TransportError.self) { _ = try await body() }
        #expect(error?.code == code)
    }

    @Test("a node that listens on all addresses advertises one that others can use")
    func advertised() async throws {
        let node = try await TestNode.start(self.mesh, host: "0.0.0.0")
        #expect(node.addresses.bound.isUnspecified)
        #expect(!node.addresses.advertised.isUnspecified)
        #expect(node.addresses.advertised.port == node.addresses.bound.port)
        await node.stop()
        let named = try await TestNode.start(
            self.mesh, host: "0.0.0.0", advertise: HostAndPort(host: "localhost", port: 4711))
        #expect(named.addresses.advertised == Endpoint(ipv4: 0x7F00_0001, port: 4711))
        await named.stop()
    }
}
