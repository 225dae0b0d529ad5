import MeshCore
import MeshRuntime
import Testing

@Suite("The plan of a group's replicas")
struct ReplicaPlanTests {
    private func replica(_ node: Int, _ addedAt: LogIndex = 0) -> ReplicaID {
        ReplicaID(node: ShardMesh.node(node), addedAt: addedAt)
    }

    private func next(
        _ voters: [Int], learners: [Int] = [], leader: Int = 0, wanted: [Int], dead: Set<Int> = [],
        caughtUp: Bool = true
    ) -> ReplicaPlan.Step? {
        ReplicaPlan.next(
            in: ReplicaSet(voters: voters.map { self.replica($0) }, learners: learners.map { self.replica($0, 5) }),
            ledBy: self.replica(leader), wanted: wanted.map(ShardMesh.node),
            isReachable: { node in !dead.contains { ShardMesh.node($0) == node } }, hasCaughtUp: { _ in caughtUp })
    }

    @Test("changes nothing where all is as wanted, or nothing is known")
    func rests() {
        #expect(self.next([0, 1, 2], wanted: [0, 1, 2]) == nil)
        #expect(self.next([0, 1, 2], wanted: []) == nil)
    }

    @Test("grows by a learner, waits for it, and promotes it")
    func grows() {
        #expect(self.next([0], wanted: [0, 1, 2]) == .change(.addLearner(ShardMesh.node(1))))
        #expect(self.next([0], learners: [1], wanted: [0, 1, 2], caughtUp: false) == nil)
        #expect(self.next([0], learners: [1], wanted: [0, 1, 2]) == .change(.promote(self.replica(1, 5))))
        #expect(self.next([0, 1], wanted: [0, 1, 2]) == .change(.addLearner(ShardMesh.node(2))))
    }

    @Test("lets a living voter go after the new one is one, a dead one before")
    func replaces() {
        #expect(self.next([0, 1, 2], learners: [3], wanted: [0, 1, 3]) == .change(.promote(self.replica(3, 5))))
        #expect(self.next([0, 1, 2, 3], wanted: [0, 1, 3]) == .change(.remove(self.replica(2))))
        #expect(
            self.next([0, 1, 2], learners: [3], wanted: [0, 1, 3], dead: [2]) == .change(.remove(self.replica(2))))
        #expect(self.next([0, 1], learners: [3], wanted: [0, 1, 3]) == .change(.promote(self.replica(3, 5))))
    }

    @Test("removes nobody while a wanted one is missing")
    func keeps() {
        #expect(self.next([0, 1, 2], wanted: [0, 1, 3], dead: [3]) == nil)
        #expect(self.next([0, 1], wanted: [0, 3], dead: [3]) == nil)
    }

    @Test("removes nobody without whom the others could not go on")
    func quorum() {
        #expect(self.next([0, 1, 2], wanted: [0, 2], dead: [2]) == nil)
        #expect(self.next([0, 1, 2], wanted: [0, 1], dead: [2]) == .change(.remove(self.replica(2))))
        #expect(self.next([0, 1], wanted: [0]) == .change(.remove(self.replica(1))))
        #expect(self.next([0, 1, 2, 3, 4], wanted: [0, 1, 2, 3], dead: [2]) == .change(.remove(self.replica(4))))
        #expect(self.next([0, 1, 2, 3, 4], wanted: [0, 1, 2, 3], dead: [1, 2]) == nil)
    }

    @Test("passes a learner over that cannot be reached, and drops one that nobody wants")
    func passesOver() {
        #expect(self.next([0], learners: [1], wanted: [0, 1, 2], dead: [1]) == .change(.addLearner(ShardMesh.node(2))))
        #expect(self.next([0], learners: [4], wanted: [0, 1, 2]) == .change(.remove(self.replica(4, 5))))
    }

    @Test("hands over before the leader goes")
    func leaderLeaves() {
        #expect(self.next([0, 1, 2, 3], wanted: [1, 2, 3]) == .transfer(to: self.replica(1)))
        #expect(self.next([0, 1, 2, 3], wanted: [1, 2, 3], dead: [1]) == .transfer(to: self.replica(2)))
    }

    @Test("ends, wherever it begins, with exactly the voters that are wanted", arguments: 0..<64 as Range<UInt64>)
    func ends(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var replicas = ReplicaSet(voters: [self.replica(0)])
        var leader = self.replica(0)
        var wanted: [NodeID] = []
        for _ in 0..<4 {
            let all = (0..<6).shuffled(using: &random).prefix(1 + Int.random(in: 0..<5, using: &random))
            wanted = all.map(ShardMesh.node)
            var steps: LogIndex = 0
            while let step = ReplicaPlan.next(
                in: replicas, ledBy: leader, wanted: wanted, isReachable: { _ in true }, hasCaughtUp: { _ in true })
            {
                steps += 1
                #expect(steps < 32, "seed \(seed)")
                guard steps < 32 else { return }
                switch step {
                case .transfer(let to): leader = to
                case .change(let change):
                    guard let next = replicas.applying(change, at: steps * 10) else {
                        Issue.record("seed \(seed): \(change) makes no sense in \(replicas)")
                        return
                    }
                    replicas = next
                }
            }
            #expect(Set(replicas.voters.map(\.node)) == Set(wanted), "seed \(seed)")
            #expect(replicas.learners.isEmpty, "seed \(seed)")
        }
    }
}

@Suite("The first groups of a mesh")
struct FirstGroupsTests {
    @Test("are the partitions, then the meta group, and nothing after that")
    func order() {
        let first = FirstGroups.missing(isFounder: true, partitions: 3, known: [])
        #expect(first == [GroupID(1), GroupID(2), GroupID(3)])
        #expect(FirstGroups.missing(isFounder: true, partitions: 3, known: Set(first)) == [FirstGroups.meta])
        #expect(FirstGroups.missing(isFounder: true, partitions: 3, known: Set(first + [FirstGroups.meta])).isEmpty)
    }

    @Test("go on where a first start was cut short")
    func resumed() {
        #expect(
            FirstGroups.missing(isFounder: true, partitions: 3, known: [GroupID(2)]) == [GroupID(1), GroupID(3)])
    }

    @Test("are never created again once the mesh was founded, or by anybody else")
    func once() {
        #expect(FirstGroups.missing(isFounder: true, partitions: 3, known: [FirstGroups.meta]).isEmpty)
        #expect(FirstGroups.missing(isFounder: false, partitions: 3, known: []).isEmpty)
    }
}
