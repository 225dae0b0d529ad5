import MeshCore
import MeshRuntime
import Testing

/// The state of a meta group that applies at once what its keeper wants.
private struct Mesh {
    static func node(_ number: UInt64) -> NodeID { NodeID(high: 0, low: number) }
    static let placement = Placement(cluster: ClusterID(high: 1, low: 2), partitions: 4)

    var keeper = MetaKeeper(local: Self.node(1), placement: Self.placement)
    var state = MetaState()
    var members: [MeshMember] = []
    var voters: [NodeID] = [Self.node(1)]
    var now = Instant(nanoseconds: 1_000_000_000_000)
    private var index: LogIndex = 0

    init(members count: UInt64) {
        for number in 1...count { self.join(number) }
    }

    mutating func join(_ number: UInt64) {
        self.members.append(
            MeshMember(
                id: Self.node(number), name: "node\(number)", endpoint: Endpoint(ipv4: 1, port: UInt16(number)),
                health: .alive(since: self.now)))
    }

    /// One look of the keeper, and what comes of it.
    @discardableResult
    mutating func look() -> MetaKeeper.Duties {
        let duties = self.keeper.duties(self.state, members: self.members, voters: self.voters, at: self.now)
        if !duties.commands.isEmpty { self.apply(duties.commands) }
        if !duties.metaVoters.isEmpty { self.voters = duties.metaVoters }
        return duties
    }

    mutating func apply(_ command: MetaCommand) { self.apply([command]) }

    private mutating func apply(_ commands: [MetaCommand]) {
        self.index += 1
        var batch = StateBatch()
        let entry = LogEntry(index: self.index, term: 1, kind: .command, payload: MetaEntry(at: 0, commands).encoded())
        let outcomes = self.state.apply([entry], into: &batch)
        for case .refused(let error) in outcomes.joined() { Issue.record("refused: \(error)") }
    }

    /// Leaders say that their groups are where they shall be.
    mutating func report(ledBy leader: UInt64 = 1) {
        let reports = self.state.placement.enumerated().map { index, placed in
            GroupReport(
                partition: Partition(index: UInt16(index)), leader: ReplicaID(node: Self.node(leader), addedAt: 0),
                replicas: ReplicaSet(voters: placed.replicas.map { ReplicaID(node: $0, addedAt: 0) }), caughtUp: [],
                byteCount: 0)
        }
        self.keeper.received(reports, at: self.now)
    }

    mutating func settle() {
        for _ in 0..<6 {
            self.look()
            self.report()
        }
    }
}

@Suite("The keeper of a mesh") struct MetaKeeperTests {
    @Test("founds it with itself, and admits who is there") func founds() {
        var mesh = Mesh(members: 3)
        mesh.look()
        #expect(mesh.state.isFounded)
        #expect(mesh.state.partitions == 4)
        #expect(mesh.state.members.map(\.id) == [Mesh.node(1)])
        mesh.look()
        #expect(mesh.state.members.map(\.id) == (1...3).map(Mesh.node))
    }

    @Test("gives every partition three voters once there are three members, and the meta group too") func grows() {
        var mesh = Mesh(members: 3)
        mesh.settle()
        #expect(mesh.state.placement.allSatisfy { $0.replicas == (1...3).map(Mesh.node) })
        #expect(mesh.voters == (1...3).map(Mesh.node))
        let duties = mesh.look()
        #expect(duties.commands.isEmpty)
    }

    @Test(
        "keeps the meta group's voters odd, and at most five",
        arguments: [(1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (9, 5)])
    func metaVoters(_ members: Int, _ voters: Int) {
        var mesh = Mesh(members: UInt64(members))
        mesh.settle()
        #expect(mesh.voters.count == voters)
        #expect(mesh.voters.contains(Mesh.node(1)))
    }

    @Test("does not take a member that it has not met since its start for dead") func notMet() {
        var mesh = Mesh(members: 4)
        mesh.settle()
        let placed = mesh.state.placement.map(\.replicas)
        // Started again: gossip knows nobody yet.
        mesh.keeper = MetaKeeper(local: Mesh.node(1), placement: Mesh.placement)
        mesh.members = Array(mesh.members.prefix(1))
        mesh.settle()
        #expect(mesh.state.placement.map(\.replicas) == placed)
        #expect(mesh.voters.count == 3)
    }

    @Test("plans nothing for groups whose leaders do not report") func silence() {
        var mesh = Mesh(members: 3)
        mesh.look()
        mesh.look()
        let duties = mesh.look()
        #expect(duties.commands.isEmpty)
        #expect(mesh.state.placement.allSatisfy { $0.replicas == [Mesh.node(1)] })
    }

    /// Standing, leads, replicas, wanted, settled.
    private func progress(_ mesh: Mesh, of node: UInt64) -> DrainProgress? {
        mesh.keeper.progress(of: Mesh.node(node), mesh.state, voters: mesh.voters, at: mesh.now)
    }

    @Test("a member that says it leaves loses everything, the meta group's vote too, and gets it back when it returns")
    func leaving() throws {
        var mesh = Mesh(members: 2)
        mesh.settle()
        #expect(mesh.voters.count == 2)
        mesh.members[1].isLeaving = true
        mesh.settle()
        #expect(mesh.state.member(Mesh.node(2))?.standing == .leaving)
        #expect(mesh.state.placement.allSatisfy { $0.replicas == [Mesh.node(1)] } && mesh.voters == [Mesh.node(1)])
        #expect(self.progress(mesh, of: 2)?.replicas == 0)
        // Gone for a while, and back.
        mesh.members[1].health = .dead(since: mesh.now)
        mesh.members[1].isLeaving = false
        mesh.settle()
        #expect(mesh.state.member(Mesh.node(2))?.standing == .leaving, "being gone is not being back")
        mesh.members[1].health = .alive(since: mesh.now)
        mesh.settle()
        #expect(mesh.state.member(Mesh.node(2))?.standing == .active)
        #expect(mesh.state.placement.allSatisfy { $0.replicas.count == 2 } && mesh.voters.count == 2)
    }

    @Test("a drained member keeps what nobody else can take, and the meta group's leader hands over")
    func draining() throws {
        var mesh = Mesh(members: 3)
        mesh.settle()
        mesh.apply(.drain(Mesh.node(1), reason: "new disk"))
        let duties = mesh.look()
        #expect(duties.heir == Mesh.node(2))
        let before = try #require(self.progress(mesh, of: 1))
        #expect(before.leads == 4 && !before.isSettled && before.standing == .draining(reason: "new disk"))
        mesh.report(ledBy: 2)
        mesh.look()
        let after = try #require(self.progress(mesh, of: 1))
        #expect((after.leads, after.replicas, after.wanted) == (0, 4, 4))
        #expect(after.isSettled && after.isVoterOfMeta)
        #expect(self.progress(mesh, of: 9) == nil)
        mesh.join(4)
        mesh.settle()
        #expect(mesh.voters == [2, 3, 4].map(Mesh.node), "another takes its place")
        #expect(self.progress(mesh, of: 1)?.wanted == 0)
    }

    @Test("a leader of the meta group that has heard of no group yet takes no drain for done")
    func drainingUnheard() throws {
        var mesh = Mesh(members: 3)
        mesh.settle()
        mesh.apply(.drain(Mesh.node(1), reason: ""))
        mesh.keeper = MetaKeeper(local: Mesh.node(2), placement: Mesh.placement)
        mesh.look()
        #expect(try #require(self.progress(mesh, of: 1)).isSettled == false)
        mesh.report(ledBy: 2)
        mesh.look()
        #expect(try #require(self.progress(mesh, of: 1)).isSettled)
    }

    @Test("tells leaders what is new without being asked")
    func news() throws {
        var mesh = Mesh(members: 3)
        mesh.look()
        mesh.look()
        mesh.report()
        mesh.look()
        let orders = try #require(mesh.keeper.news(mesh.state, at: mesh.now)[Mesh.node(1)])
        #expect(!orders.isEmpty && orders.allSatisfy { $0.voters.count == 3 })
        mesh.settle()
        #expect(mesh.keeper.news(mesh.state, at: mesh.now + .seconds(60)).isEmpty, "of those that report no more")
    }

    @Test("orders of a partition what the state says") func orders() throws {
        var mesh = Mesh(members: 3)
        mesh.settle()
        let report = GroupReport(
            partition: Partition(index: 2), leader: ReplicaID(node: Mesh.node(1), addedAt: 0), replicas: .empty,
            caughtUp: [], byteCount: 0)
        let order = try #require(mesh.keeper.orders(for: [report], mesh.state).first)
        #expect(order.voters == (1...3).map(Mesh.node))
        let stranger = GroupReport(
            partition: Partition(index: 400), leader: report.leader, replicas: .empty, caughtUp: [], byteCount: 0)
        #expect(mesh.keeper.orders(for: [stranger], mesh.state).isEmpty)
    }
}
