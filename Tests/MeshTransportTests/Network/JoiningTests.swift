import MeshCore
import MeshTransport
import NIOCore
import NIOPosix
import Testing

/// fe80::1%eth0, or nil where no interface has such an address.
private let linkLocalHost: String? = ((try? System.enumerateDevices()) ?? []).lazy
    .compactMap { device in device.address?.ipAddress.map { ($0, device.name) } }
    .first { $0.0.hasPrefix("fe80:") && $0.1 != "lo" }
    .map { $0.0.contains("%") ? $0.0 : $0.0 + "%" + $0.1 }

@Suite("joining and binding", .timeLimit(.minutes(10)))
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

    @Test(
        "nodes reach each other at link-local addresses, which need their interface named",
        .enabled(if: linkLocalHost != nil, "no interface has a link-local IPv6 address"))
    func linkLocal() async throws {
        let host = try #require(linkLocalHost)
        let seed = try await TestNode.start(self.mesh, host: host, membership: .quick)
        let node = try await TestNode.start(self.mesh, host: host, membership: .quick)
        try await node.network.join(seeds: [HostAndPort(host: host, port: seed.addresses.bound.port)])
        try await eventually("they know each other, and datagrams are answered") {
            let member = await seed.network.member(node.id)
            return member?.state == .alive && member?.roundTrip != nil && seed.network.placeable.count == 2
        }
        for node in [seed, node] { await node.stop() }
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

    @Test("nodes that only know each other's addresses make one mesh, whichever of them find each other first")
    func equals() async throws {
        var nodes: [TestNode] = []
        for _ in 0..<4 { nodes.append(try await TestNode.start(self.mesh, membership: .quick)) }
        // Two by two, as happens when they start together: neither pair has heard of the other.
        try await nodes[1].network.join(seeds: [nodes[0].seed])
        try await nodes[3].network.join(seeds: [nodes[2].seed])
        #expect(nodes.allSatisfy { $0.network.placeable.count == 2 })
        let (network, seeds) = (nodes[1].network, nodes.map(\.seed))
        let acquaintance = Task { try await network.stayAcquainted(with: seeds) { _ in } }
        try await eventually("one mesh") { nodes.allSatisfy { $0.network.placeable.count == 4 } }
        acquaintance.cancel()
        await #expect(throws: CancellationError.self) { try await acquaintance.value }
        for node in nodes { await node.stop() }
    }

    @Test("a seed of another mesh is told of and left alone, while the others are still looked for")
    func strangeSeed() async throws {
        let stranger = try await TestNode.start(TestMesh())
        let node = try await TestNode.start(self.mesh, membership: .quick)
        let friend = try await TestNode.start(self.mesh, membership: .quick)
        let (network, seeds) = (node.network, [stranger.seed, friend.seed])
        let (refusals, refused) = AsyncStream.makeStream(of: TransportError.self)
        let acquaintance = Task {
            try await network.stayAcquainted(with: seeds) { refused.yield($0) }
        }
        for await error in refusals.prefix(1) { #expect(error.code == .refusedBySeed) }
        try await eventually("it met the other") { network.placeable.count == 2 }
        await friend.crash()
        try await eventually("the other is gone") { network.placeable.count == 1 }
        let back = try await TestNode.start(self.mesh, port: friend.addresses.bound.port, membership: .quick)
        try await eventually("it met the other's successor") { network.placeable.contains(back.id) }
        acquaintance.cancel()
        #expect(stranger.network.refused["stream.unknownKey"] == 1)
        for node in [stranger, node, back] { await node.stop() }
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
