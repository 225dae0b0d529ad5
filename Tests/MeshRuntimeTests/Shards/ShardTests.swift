import MeshCore
import MeshRuntime
import Testing

@Suite("A shard")
struct ShardTests {
    static let group = GroupID(7)
    static let incarnation = GroupIncarnation(counter: 1, id: 99)

    private func founded(_ count: Int, groups: [GroupID] = [Self.group]) -> ShardMesh {
        var mesh = ShardMesh(count)
        for group in groups { mesh.step(0, .command(1, group, .create(Self.incarnation))) }
        mesh.pass(.seconds(1))
        return mesh
    }

    private func grown(_ count: Int = 3) -> ShardMesh {
        var mesh = self.founded(count)
        for index in mesh.nodes.indices { mesh.step(index, .place(Self.group, mesh.nodes.prefix(3).map(\.id))) }
        mesh.pass(.seconds(3))
        return mesh
    }

    private func add(_ number: UInt64, to key: UInt8 = 1, id: UInt64) -> TallyShard.Input {
        .request(Self.group, .command(id, TallyState.payload(key, number)))
    }

    @Test("serves a group that it was told to create, alone")
    func alone() {
        var mesh = self.founded(1)
        #expect(mesh.nodes[0].results[1] == .done)
        mesh.step(0, self.add(5, id: 10), self.add(2, id: 11))
        #expect(mesh.sum(10, on: 0) == 5)
        #expect(mesh.sum(11, on: 0) == 7)
    }

    @Test("wakes each group once, also one that wants to be woken again at once")
    func wakeEnds() {
        let shard = Shard<RestlessLead>(
            node: ShardMesh.node(0), life: 1, settings: ShardSettings(),
            makers: .init(state: { _ in TallyState() }, lead: { _, _ in RestlessLead() }), seed: 1)
        let moment = Moment(now: Instant(nanoseconds: 1_000_000_000), wall: 1)
        shard.step(.command(1, Self.group, .create(Self.incarnation)), at: moment)
        _ = shard.finish(at: moment)
        shard.step(.wake, at: moment)
        #expect(shard.takeOutputs().count == 1)
        // And it is due again for the next turn.
        #expect(shard.nextWake <= moment.now)
        _ = shard.finish(at: moment)
        shard.step(.wake, at: moment)
        #expect(shard.takeOutputs().count == 1)
    }

    @Test("creates a group once")
    func createdOnce() {
        var mesh = self.founded(1)
        mesh.step(0, .command(2, Self.group, .create(Self.incarnation)))
        #expect(mesh.nodes[0].results[2] == .exists)
    }

    @Test("gathers what one turn proposes in one batch for the disk")
    func batches() {
        var mesh = self.founded(1)
        let before = mesh.nodes[0].disk.batches
        for id in 10..<110 as Range<UInt64> { mesh.nodes[0].shard.step(self.add(1, id: id), at: mesh.moment) }
        mesh.step(0)
        #expect(mesh.sum(109, on: 0) == 100)
        // One for the entries, then what they lead to: a read of the key, the state.
        #expect(mesh.nodes[0].disk.batches - before <= 4)
    }

    @Test("grows its groups from one voter to those wanted: a learner first, then a voter")
    func grows() throws {
        var mesh = self.grown()
        let leader = try #require(mesh.leader(of: Self.group))
        let raft = try #require(mesh.nodes[leader].shard.raft(of: Self.group))
        #expect(raft.replicas.voters.map(\.node) == mesh.nodes.map(\.id))
        #expect(raft.replicas.learners.isEmpty)
        mesh.step(leader, self.add(4, id: 10))
        mesh.pass(.milliseconds(500))
        #expect(mesh.sum(10, on: leader) == 4)
        for node in mesh.nodes { #expect(node.shard.state(of: Self.group)?.commands == 1) }
    }

    @Test("moves a replica, also that of the leader, without losing a word")
    func moves() throws {
        var mesh = self.grown(4)
        mesh.step(0, self.add(4, id: 10))
        let wanted = [1, 2, 3].map(ShardMesh.node)
        for index in mesh.nodes.indices { mesh.step(index, .place(Self.group, wanted)) }
        mesh.pass(.seconds(5))
        let leader = try #require(mesh.leader(of: Self.group))
        #expect(mesh.nodes[leader].shard.raft(of: Self.group)?.replicas.voters.map(\.node) == wanted)
        #expect(mesh.nodes[0].shard.raft(of: Self.group) == nil)
        #expect(mesh.nodes[0].disk.groups.isEmpty)
        mesh.step(leader, self.add(1, id: 11))
        mesh.pass(.milliseconds(100))
        #expect(mesh.sum(11, on: leader) == 5)
    }

    @Test("elects another leader when one is gone, and goes on with its state")
    func failsOver() throws {
        var mesh = self.grown()
        let first = try #require(mesh.leader(of: Self.group))
        mesh.step(first, self.add(4, id: 10))
        mesh.pass(.milliseconds(200))
        mesh.cut = [first]
        mesh.pass(.seconds(3))
        let second = try #require(mesh.leader(of: Self.group))
        mesh.step(second, self.add(1, id: 11))
        mesh.pass(.milliseconds(200))
        #expect(mesh.sum(11, on: second) == 5)
    }

    @Test("lets groups sleep through heartbeats that keep their leader, and tells them when they wake")
    func sleepers() throws {
        var mesh = self.grown()
        mesh.pass(.seconds(5))
        let leader = try #require(mesh.leader(of: Self.group))
        let before = try #require(mesh.nodes[leader].shard.raft(of: Self.group))
        for index in mesh.nodes.indices where index != leader {
            #expect(mesh.nodes[index].shard.raft(of: Self.group)?.isAsleep == true)
        }
        mesh.pass(.seconds(60))
        let after = try #require(mesh.nodes[leader].shard.raft(of: Self.group))
        // Nobody campaigned, nothing was written, and the lease is as young as the last heartbeat.
        #expect(after.term == before.term)
        #expect(after.log.last == before.log.last)
        #expect(try #require(after.leaseEnd(at: mesh.now)) > mesh.now)
        mesh.step(leader, self.add(5, id: 10))
        #expect(mesh.sum(10, on: leader) == 5)
        mesh.pass(.seconds(5))
        // What sleeps under a node that fell silent wakes.
        mesh.cut = [leader]
        mesh.pass(.seconds(3))
        let next = try #require(mesh.leader(of: Self.group))
        #expect(mesh.nodes[next].shard.raft(of: Self.group)?.term ?? 0 > before.term)
    }

    @Test("answers for a proposal that another leader's entry took the place of")
    func lost() throws {
        var mesh = self.grown()
        let first = try #require(mesh.leader(of: Self.group))
        mesh.cut = [first]
        mesh.step(first, self.add(4, id: 10))
        mesh.pass(.seconds(3))
        let second = try #require(mesh.leader(of: Self.group))
        mesh.step(second, self.add(1, id: 11))
        mesh.cut = []
        mesh.pass(.seconds(2))
        let isLost = mesh.nodes[first].outputs.contains {
            if case .unresolved(10, isLost: true) = $0 { true } else { false }
        }
        #expect(isLost)
        #expect(mesh.sum(11, on: second) == 1)
    }

    @Test("reads the state only when it leads, and after what it was told before")
    func reads() throws {
        var mesh = self.grown()
        let leader = try #require(mesh.leader(of: Self.group))
        mesh.step(leader, self.add(4, id: 10))
        mesh.pass(.milliseconds(50))
        for index in mesh.nodes.indices {
            mesh.step(index, .request(Self.group, .read(20, [.key(TallyState.diskKey(1))])))
        }
        mesh.pass(.milliseconds(200))
        for index in mesh.nodes.indices {
            var values: [[StorageEntry]]?
            var refusal: Raft.Rejection?
            for output in mesh.nodes[index].outputs {
                if case .values(20, let lists) = output { values = lists }
                if case .refused(20, let reason) = output { refusal = reason }
            }
            if index == leader {
                #expect(values?.first?.first?.value.last == 4)
            } else {
                #expect(values == nil)
                #expect(refusal == .notLeader(mesh.nodes[leader].shard.raft(of: Self.group)?.id))
            }
        }
    }

    @Test("finds its groups again after a restart, and applies what its state lacks")
    func restarts() throws {
        var mesh = self.founded(1)
        mesh.step(0, self.add(4, id: 10))
        // The state as of the beginning: the log makes it again.
        mesh.nodes[0].disk.groups[Self.group]?.applied = 0
        mesh.nodes[0].disk.groups[Self.group]?.values = [:]
        mesh.restart(0)
        mesh.pass(.seconds(1))
        mesh.step(0, self.add(1, id: 11))
        #expect(mesh.sum(11, on: 0) == 5)
        #expect(mesh.nodes[0].shard.state(of: Self.group)?.commands == 2)
    }

    @Test("reads what a state wants in memory before it applies anything")
    func resident() {
        var mesh = self.founded(1)
        mesh.step(0, self.add(4, id: 10))
        mesh.restart(0)
        mesh.pass(.seconds(1))
        #expect(mesh.nodes[0].shard.state(of: Self.group)?.commands == 1)
        mesh.step(0, self.add(4, id: 11))
        #expect(mesh.nodes[0].shard.state(of: Self.group)?.commands == 2)
    }

    @Test("brings up a replica that lacks what the log no longer has, by a snapshot")
    func snapshot() throws {
        var settings = ShardSettings()
        settings.raft.logBytesMax = 512
        settings.raft.dropEntriesMin = 8
        settings.raft.chunkBytesMax = 16
        var mesh = ShardMesh(3, settings: settings)
        mesh.step(0, .command(1, Self.group, .create(Self.incarnation)))
        mesh.pass(.seconds(1))
        for id in 10..<60 as Range<UInt64> { mesh.step(0, self.add(1, to: UInt8(id % 5), id: id)) }
        mesh.pass(.milliseconds(300))
        let base = try #require(mesh.nodes[0].shard.raft(of: Self.group)?.log.base.index)
        #expect(base > 8)
        for index in mesh.nodes.indices { mesh.step(index, .place(Self.group, mesh.nodes.map(\.id))) }
        mesh.pass(.seconds(5))
        #expect(mesh.nodes[2].shard.counters.snapshotsInstalled == 1)
        #expect(mesh.nodes[2].disk.groups[Self.group]?.values == mesh.nodes[0].disk.groups[Self.group]?.values)
        #expect(mesh.nodes[2].shard.state(of: Self.group)?.commands == 50)
    }

    // MARK: Refusals

    @Test("sends a request for a group that is not here back")
    func strays() {
        var mesh = self.founded(1)
        mesh.step(0, .request(GroupID(8), .command(10, [])))
        #expect(mesh.nodes[0].strays == 1)
        #expect(mesh.nodes[0].outputs.isEmpty)
    }

    private func append(to id: ReplicaID, group: GroupID = Self.group) -> RaftMessage {
        let leader = ReplicaID(node: ShardMesh.node(5), addedAt: 0)
        let body = Append(
            previous: .zero, commit: 0, stamp: Instant(nanoseconds: 1), acknowledged: 0, heldByAll: 0, entries: [])
        return RaftMessage(
            group: group, incarnation: Self.incarnation, from: leader, to: id, term: 1, body: .append(body))
    }

    private func begins(_ message: RaftMessage, in mesh: inout ShardMesh) -> Bool {
        mesh.step(0, .messages([message], from: message.from.node))
        return mesh.nodes[0].shard.raft(of: message.group)?.id == message.to
    }

    @Test("begins a replica when a leader speaks to it, but none that was there before")
    func begins() {
        var mesh = ShardMesh(1)
        #expect(self.begins(self.append(to: ReplicaID(node: ShardMesh.node(0), addedAt: 9)), in: &mesh))
        mesh.nodes[0].shard.step(.stop, at: mesh.moment)
        mesh = ShardMesh(1)
        mesh.nodes[0].shard.recover([.removed(Self.group, Self.incarnation, addedAt: 9)], at: mesh.moment)
        #expect(!self.begins(self.append(to: ReplicaID(node: ShardMesh.node(0), addedAt: 9)), in: &mesh))
        #expect(mesh.nodes[0].shard.counters.unhosted == 1)
        #expect(self.begins(self.append(to: ReplicaID(node: ShardMesh.node(0), addedAt: 10)), in: &mesh))
    }

    @Test("begins none that the group began with, none of a damaged group, none beyond the groups there are")
    func beginsNone() {
        var mesh = ShardMesh(1)
        #expect(!self.begins(self.append(to: ReplicaID(node: ShardMesh.node(0), addedAt: 0)), in: &mesh))
        let beyond = GroupID(UInt32(mesh.settings.groups))
        #expect(!self.begins(self.append(to: ReplicaID(node: ShardMesh.node(0), addedAt: 3), group: beyond), in: &mesh))
        let damage = StorageError(.corrupt, operation: "read the log", detail: "a checksum")
        mesh.nodes[0].shard.recover([.damaged(Self.group, damage)], at: mesh.moment)
        #expect(!self.begins(self.append(to: ReplicaID(node: ShardMesh.node(0), addedAt: 3)), in: &mesh))
        #expect(mesh.nodes[0].shard.counters.unhosted == 3)
        let status = mesh.nodes[0].shard.status
        #expect(status.map(\.group) == [Self.group])
        if case .damaged(let text)? = status.first?.condition {
            #expect(text.contains("a checksum"))
        } else {
            Issue.record("\(status)")
        }
    }

    @Test("hears nobody who speaks for another node")
    func forged() {
        var mesh = ShardMesh(1)
        mesh.step(
            0, .messages([self.append(to: ReplicaID(node: ShardMesh.node(0), addedAt: 3))], from: ShardMesh.node(4)))
        #expect(mesh.nodes[0].shard.counters.forged == 1)
        #expect(mesh.nodes[0].shard.raft(of: Self.group) == nil)
    }

    @Test("takes a group down whose data cannot be read, tells who waits, and keeps its others")
    func damaged() {
        let other = GroupID(8)
        var mesh = self.founded(1, groups: [Self.group, other])
        mesh.nodes[0].shard.step(self.add(4, id: 10), at: mesh.moment)
        let damage = StorageError(.corrupt, operation: "read the log", detail: "a checksum")
        mesh.step(0, .answers([GroupAnswer(Self.group, .damaged(damage))]))
        let isTold = mesh.nodes[0].outputs.contains {
            if case .unresolved(10, isLost: false) = $0 { true } else { false }
        }
        #expect(isTold)
        #expect(mesh.nodes[0].shard.raft(of: Self.group) == nil)
        mesh.step(0, .request(other, .command(11, TallyState.payload(1, 3))))
        #expect(mesh.sum(11, on: 0) == 3)
    }

    // MARK: Ending

    @Test("hands over what it leads when it is drained, and tells everybody when it stops")
    func drains() throws {
        var mesh = self.grown()
        let first = try #require(mesh.leader(of: Self.group))
        #expect(mesh.nodes[first].shard.ledWithOthers() == 1)
        mesh.step(first, .drain)
        mesh.pass(.milliseconds(500))
        #expect(mesh.nodes[first].shard.ledWithOthers() == 0)
        let second = try #require(mesh.leader(of: Self.group))
        #expect(second != first)
        mesh.cut = Set(mesh.nodes.indices).subtracting([second])
        mesh.step(second, self.add(1, id: 12))
        mesh.step(second, .stop)
        let isTold = mesh.nodes[second].outputs.contains {
            if case .unresolved(12, isLost: false) = $0 { true } else { false }
        }
        #expect(isTold)
    }
}

/// Always wants to be woken at once, up to a number of times, so that a test ends that finds it woken for ever.
private struct RestlessLead: GroupLead {
    typealias State = TallyState
    enum Request: Sendable {}
    enum Output: Sendable { case woken }

    private var wakes = 0

    var nextWake: Instant { self.wakes < 1_000 ? Instant(nanoseconds: 0) : .distantFuture }

    mutating func step(
        _ input: LeadInput<UInt64?, Request>, over state: TallyState, in context: LeadContext,
        into effects: inout LeadEffects<Output>
    ) {
        guard case .wake = input else { return }
        self.wakes += 1
        effects.put(.woken)
    }

    mutating func flush(over state: TallyState, in context: LeadContext, into effects: inout LeadEffects<Output>) {}
}
