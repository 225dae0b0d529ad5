import MeshCore
import MeshRuntime
import Testing

/// Three nodes as the daemon makes them, but for the sockets.
@Suite("Driven shards", .serialized)
struct ShardDriverTests {
    private static let groups = [GroupID(1), GroupID(2)]
    private static let ids = (0..<3).map(ShardMesh.node)

    private func leader(of group: GroupID, among nodes: [DrivenNode]) -> DrivenNode? {
        nodes.first { $0.raft(of: group)?.isReady == true }
    }

    private func anyLeader(of group: GroupID, among nodes: [DrivenNode]) async throws -> DrivenNode {
        var leader: DrivenNode?
        try await eventually("somebody leads") {
            leader = self.leader(of: group, among: nodes)
            return leader != nil
        }
        return try #require(leader)
    }

    private func found(_ nodes: [DrivenNode]) async throws {
        for group in Self.groups {
            nodes[0].driver(of: group).submit(
                .command(UInt64(group.number), group, .create(GroupIncarnation(counter: 1, id: 5))))
            for node in nodes { node.driver(of: group).submit(.place(group, Self.ids)) }
        }
        for group in Self.groups {
            try await eventually("\(group) has three voters") {
                self.leader(of: group, among: nodes)?.raft(of: group)?.replicas.voters.count == 3
            }
            #expect(nodes[0].answers.result(UInt64(group.number)) == .done)
        }
    }

    /// To whoever leads; what is refused did not happen, and is sent again. Returns how many of them are in doubt: on a
    /// busy machine another leader may be elected meanwhile.
    private func add(_ ids: Range<UInt64>, to group: GroupID, among nodes: [DrivenNode]) async throws -> UInt64 {
        var sent: [UInt64: DrivenNode] = [:]
        try await eventually("\(ids.count) are answered") {
            guard let leader = self.leader(of: group, among: nodes) else { return false }
            for id in ids where sent[id]?.answers.takeRefusal(id) ?? true {
                leader.driver(of: group).submit(.request(group, .command(id, TallyState.payload(UInt8(id % 7), 1))))
                sent[id] = leader
            }
            return ids.allSatisfy { sent[$0]?.answers.sum($0) != nil || sent[$0]?.answers.isDoubtful($0) == true }
        }
        return UInt64(ids.count { sent[$0]?.answers.sum($0) == nil })
    }

    private func sums(of group: GroupID, among nodes: [DrivenNode]) async throws -> [Int] {
        let reads: [StateRead] = [.range(prefix: [1], start: [1], limit: 100, bytesMax: 1 << 20)]
        var asked: DrivenNode?
        try await eventually("the state is read") {
            if asked.map({ $0.answers.takeRefusal(3_000) || $0.answers.takeDoubt(3_000) }) ?? true {
                asked = self.leader(of: group, among: nodes)
                asked?.driver(of: group).submit(.request(group, .read(3_000, reads)))
            }
            return asked?.answers.values(3_000) != nil
        }
        return asked?.answers.values(3_000)?.first?.compactMap(\.value.last).map(Int.init) ?? []
    }

    @Test("keep what they acknowledged when a leader is killed, and the killed one catches up from its disk")
    func survives() async throws {
        try await withFolder { folder in
            let mesh = TestMesh()
            var nodes: [DrivenNode] = []
            for (place, id) in Self.ids.enumerated() {
                nodes.append(try await DrivenNode(id, life: 1, folder: "\(folder)/\(place)", mesh: mesh))
            }
            try await self.found(nodes)
            let group = Self.groups[0]
            var doubtful = try await self.add(1_000..<1_300, to: group, among: nodes)
            let first = try await self.anyLeader(of: group, among: nodes)

            let place = try #require(nodes.firstIndex { $0.id == first.id })
            first.kill()
            mesh.remove(first.id)
            let rest = nodes.filter { $0.id != first.id }
            doubtful += try await self.add(2_000..<2_100, to: group, among: rest)
            let count = try #require(try await self.anyLeader(of: group, among: rest).commands(of: group))
            #expect((400 - doubtful...400).contains(count))

            nodes[place] = try await DrivenNode(first.id, life: 2, folder: "\(folder)/\(place)", mesh: mesh)
            try await eventually("all have applied all") { nodes.allSatisfy { $0.commands(of: group) == count } }
            let sums = try await self.sums(of: group, among: nodes)
            #expect(sums.count == 7)
            #expect(UInt64(sums.reduce(0, +)) == count)
            for node in nodes { node.kill() }
        }
    }

    @Test("hand over before they stop, and send requests for groups elsewhere back")
    func stops() async throws {
        try await withFolder { folder in
            let mesh = TestMesh()
            var nodes: [DrivenNode] = []
            for (place, id) in Self.ids.enumerated() {
                nodes.append(try await DrivenNode(id, life: 1, folder: "\(folder)/\(place)", mesh: mesh))
            }
            try await self.found(nodes)
            let group = Self.groups[1]
            let first = try await self.anyLeader(of: group, among: nodes)
            for driver in first.drivers { driver.drain() }
            try await eventually("nothing is led there") { first.drivers.allSatisfy(\.isDrained) }
            let rest = nodes.filter { $0.id != first.id }
            _ = try await self.anyLeader(of: group, among: rest)
            first.driver(of: GroupID(3)).submit(.request(GroupID(3), .command(9, [])))
            try await eventually("a stray request comes back") { first.answers.strays == 1 }
            for driver in first.drivers { driver.stop() }
            if case .taken = first.driver(of: group).submit(.request(group, .command(10, []))) {
                Issue.record("a stopped shard took a request")
            }
            for node in nodes { node.kill() }
        }
    }
}
