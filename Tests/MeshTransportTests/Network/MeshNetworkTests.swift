import Logging
import MeshCore
import MeshTransport
import Testing

@Suite("real nodes on loopback", .timeLimit(.minutes(10)))
struct MeshNetworkTests {
    private let mesh = TestMesh()

    /// `count` nodes that all know each other.
    private func form(
        _ count: Int, host: String? = nil, membership: Membership.Configuration = .patient
    ) async throws -> [TestNode] {
        var nodes: [TestNode] = []
        for index in 0..<count {
            nodes.append(try await .start(self.mesh, name: "node-\(index)", host: host, membership: membership))
        }
        for node in nodes.dropFirst() { try await node.network.join(seeds: [nodes[0].seed]) }
        let all = nodes
        try await eventually("all know all") { all.allSatisfy { $0.network.placeable.count == count } }
        return nodes
    }

    private func stop(_ nodes: [TestNode]) async { for node in nodes { await node.stop() } }

    private func state(of node: TestNode, at observer: TestNode) async -> MemberState? {
        await observer.network.member(node.id)?.state
    }

    @Test("two nodes become one mesh and know each other by name", arguments: ["127.0.0.1", "::1", "localhost"])
    func pair(host: String) async throws {
        let nodes = try await self.form(2, host: host)
        #expect(nodes[0].network.name(of: nodes[1].id) == "node-1")
        #expect(nodes[1].network.name(of: nodes[0].id) == "node-0")
        #expect(await nodes[0].network.members().map(\.state) == [.alive, .alive])
        await self.stop(nodes)
    }

    @Test("a node on :: is reached over IPv4 and over IPv6")
    func dualStack() async throws {
        let open = try await TestNode.start(self.mesh, host: "::", advertise: HostAndPort(host: "127.0.0.1", port: 0))
        let port = open.addresses.bound.port
        let four = try await TestNode.start(self.mesh, host: "127.0.0.1")
        let six = try await TestNode.start(self.mesh, host: "::", advertise: HostAndPort(host: "::1", port: 0))
        try await four.network.join(seeds: [HostAndPort(host: "127.0.0.1", port: port)])
        try await six.network.join(seeds: [HostAndPort(host: "::1", port: port)])
        try await eventually("all know all") { open.network.placeable.count == 3 && six.network.placeable.count == 3 }
        await self.stop([open, four, six])
    }

    @Test("a member at an address that cannot be sent to costs packets, not the node")
    func unsendable() async throws {
        let nodes = try await self.form(2, host: "::1")
        // Link-local without a scope: every send fails with EINVAL, and nothing leaves the machine.
        let stray = try await TestNode.start(
            self.mesh, name: "stray", host: "::1", advertise: HostAndPort(host: "fe80::1", port: 9))
        try await stray.network.join(seeds: [nodes[0].seed])
        for node in nodes {
            try await eventually("the stray is known") { await self.state(of: stray, at: node) != nil }
        }
        // Each round is told to all, the stray included; the second shows that the first did no harm.
        for round in ["one", "two"] {
            try nodes[0].network.retag([Label("round", round)])
            try await eventually("gossip goes on") {
                await nodes[1].network.member(nodes[0].id)?.description.tags == [Label("round", round)]
            }
        }
        await self.stop(nodes + [stray])
    }

    @Test("frames of every kind and size arrive in order, both ways")
    func frames() async throws {
        let nodes = try await self.form(2)
        let sent = (0..<200).map { index in
            PeerFrame(
                kind: [.partition, .snapshot, .query, .answer, .definitions][index % 5], correlation: UInt64(index),
                body: randomBytes(index * 97))
        }
        for (from, to) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
            for frame in sent { #expect(from.network.send([frame], to: to.id) == .queued) }
            try await eventually("all frames arrive") { to.frames.frames(from: from.id).count == sent.count }
            #expect(to.frames.frames(from: from.id) == sent)
        }
        await self.stop(nodes)
    }

    @Test("a node that sends much to one that reads slowly is told that the queue is full, and loses nothing")
    func backpressure() async throws {
        let nodes = try await self.form(2)
        let frame = PeerFrame(kind: .partition, body: randomBytes(1 << 20))
        var queued = 0
        for _ in 0..<200 where nodes[0].network.send([frame], to: nodes[1].id) == .queued { queued += 1 }
        #expect(queued > 0)
        let expected = queued
        try await eventually("all that was queued arrives") {
            nodes[1].frames.frames(from: nodes[0].id).count == expected
        }
        await self.stop(nodes)
    }

    @Test("both nodes connect to each other at once, again and again, and nothing is lost")
    func simultaneousOpens() async throws {
        for _ in 0..<10 {
            let nodes = try await self.form(2)
            let frame = PeerFrame(kind: .partition, body: [1])
            let pair = zip(nodes, nodes.reversed())
            await withTaskGroup { group in
                for (from, to) in pair {
                    group.addTask { for _ in 0..<20 { _ = from.network.send([frame], to: to.id) } }
                }
            }
            try await eventually("all frames arrive") {
                pair.allSatisfy { $1.frames.frames(from: $0.id).count == 20 }
            }
            await self.stop(nodes)
        }
    }

    @Test("nobody, oneself and the dead are no peers")
    func unknownPeers() async throws {
        let nodes = try await self.form(2, membership: .quick)
        let frame = PeerFrame(kind: .partition, body: [])
        #expect(nodes[0].network.send([frame], to: nodes[0].id) == .unknown)
        #expect(nodes[0].network.send([frame], to: NodeID(high: 1, low: 2)) == .unknown)
        await nodes[1].stop()
        try await eventually("the dead one is called dead") { await self.state(of: nodes[1], at: nodes[0]) == .dead }
        #expect(nodes[0].network.send([frame], to: nodes[1].id) == .unknown)
        await nodes[0].stop()
    }

    @Test("a stopped node is found dead by hard evidence, and its return is noticed")
    func deathAndReturn() async throws {
        let nodes = try await self.form(3, membership: .thorough)
        let events = nodes[0].network.events()
        let identity = nodes[2].identity
        let port = nodes[2].addresses.bound.port
        await nodes[2].crash()
        try await eventually("both call it dead") {
            for node in nodes.dropLast() where await self.state(of: nodes[2], at: node) != .dead { return false }
            return true
        }
        var causes: [MemberChange.Cause] = []
        for node in nodes.dropLast() { causes += await node.network.why(nodes[2].id).map(\.cause) }
        #expect(causes.contains(.hardEvidence))
        let again = try await TestNode.start(
            self.mesh, name: "again", port: port, identity: identity, epoch: 2)
        again.network.rejoin(await nodes[0].network.members().map(\.description))
        try await eventually("it is alive again, in its second boot") {
            let member = await nodes[0].network.member(again.id)
            return member?.state == .alive && member?.description.boot.epoch == 2
        }
        try await eventually("it knows all") { again.network.placeable.count == 3 }
        for await event in events {
            if case .changed(let change, _) = event, change.id == nodes[2].id, change.to == .dead { break }
        }
        await self.stop([nodes[0], nodes[1], again])
    }

    @Test("a node that leaves is known to have left, and nobody suspects it")
    func leaving() async throws {
        let nodes = try await self.form(3)
        await nodes[2].network.leave()
        for node in nodes.dropLast() {
            try await eventually("it has left") { await self.state(of: nodes[2], at: node) == .left }
            #expect(await !node.network.why(nodes[2].id).contains { $0.to == .suspect || $0.to == .dead })
        }
        await self.stop(nodes)
    }

    @Test("events reach all members once")
    func events() async throws {
        let nodes = try await self.form(3)
        let streams = nodes.dropFirst().map { $0.network.events() }
        try nodes[0].network.raise(event: "deploy", payload: [1, 2])
        for stream in streams {
            for await event in stream {
                guard case .event(let event) = event else { continue }
                #expect(event.name == "deploy" && event.payload == [1, 2] && event.origin == nodes[0].id)
                break
            }
        }
        await self.stop(nodes)
    }

    @Test("what a node advertises is seen by others, and what does not fit is refused to the caller")
    func advertising() async throws {
        let nodes = try await self.form(2)
        try nodes[0].network.advertise([Label("gpu", "h200")])
        try await eventually("the other sees it") {
            await nodes[1].network.member(nodes[0].id)?.capabilities == [Label("gpu", "h200")]
        }
        try nodes[0].network.retag([Label("team", "vision")])
        try await eventually("the other sees the tag") {
            await nodes[1].network.member(nodes[0].id)?.description.tags == [Label("team", "vision")]
        }
        #expect(throws: MeshError.self) {
            try nodes[0].network.retag([Label("k", String(repeating: "v", count: 600))])
        }
        #expect(throws: MeshError.self) {
            try nodes[0].network.raise(event: "e", payload: [UInt8](repeating: 0, count: 513))
        }
        await self.stop(nodes)
    }
}
