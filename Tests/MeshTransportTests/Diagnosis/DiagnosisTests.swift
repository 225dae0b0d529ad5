import MeshCore
import MeshTransport
import Testing

@Suite("Looking into the ways between two nodes", .timeLimit(.minutes(10)))
struct DiagnosisTests {
    private let mesh = TestMesh()

    /// Two nodes that know each other.
    private func pair() async throws -> (TestNode, TestNode) {
        let alpha = try await TestNode.start(self.mesh, name: "alpha")
        let beta = try await TestNode.start(self.mesh, name: "beta")
        try await beta.network.join(seeds: [alpha.seed])
        try await eventually("alpha knows beta") { alpha.network.placeable.count == 2 }
        return (alpha, beta)
    }

    @Test("two nodes on one machine find every way open and their clocks alike")
    func examine() async throws {
        let (alpha, beta) = try await self.pair()
        let report = await alpha.network.examine(beta.id)
        #expect(report.roundTrip != nil)
        #expect(try #require(report.clockAhead) < .seconds(1) && #require(report.clockAhead) > .seconds(-1))
        #expect(report.arrivedThere == [.small, .full] && report.arrivedHere == [.small, .full])
        #expect(report.dial?.outcome == .reached && report.dial?.endpoint == alpha.addresses.advertised)
        let neighbours = await alpha.network.neighbours()
        #expect(neighbours.map(\.node) == [beta.id] && neighbours.allSatisfy(\.isOpen))
        #expect(alpha.network.refused.keys.allSatisfy { !$0.contains("unexpected") })
        await alpha.stop()
        await beta.stop()
    }

    @Test("a hundred members are examined within seconds, and none is wrongly said to be cut off")
    func many() async throws {
        let (alpha, beta) = try await self.pair()
        let reports = await withTaskGroup(of: PathReport.self) { group in
            for _ in 0..<140 { group.addTask { await alpha.network.examine(beta.id) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(reports.allSatisfy { $0.arrivedThere.map { $0.contains(.small) } ?? true })
        #expect(reports.count { $0.arrivedThere != nil } > 100)
        await alpha.stop()
        await beta.stop()
    }

    @Test("a probe that nobody asked for is counted and not answered")
    func unexpected() async throws {
        let (alpha, beta) = try await self.pair()
        var sealer = DatagramSealer(cluster: self.mesh.cluster, keys: self.mesh.keys)
        let count = sealer.sealProbe(42, sealedBytes: 64)
        let packet = [UInt8](copying: sealer.sealed(count))
        #expect(packet.count == 64)
        let socket = try RawSocket(to: alpha.addresses.bound, isStream: false)
        try await eventually("it is counted") {
            socket.send(packet)
            return alpha.network.refused["datagram.unexpected"] ?? 0 > 0
        }
        await alpha.stop()
        await beta.stop()
    }

    @Test("who is unknown is not waited for")
    func unknown() async throws {
        let alpha = try await TestNode.start(self.mesh, name: "alpha")
        let report = await alpha.network.examine(NodeID(high: 1, low: 2))
        #expect(report.roundTrip == nil && report.arrivedThere == nil && report.dial == nil)
        await alpha.stop()
    }
}
