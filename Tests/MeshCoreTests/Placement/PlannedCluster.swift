import MeshCore
import Testing

/// A cluster on paper, in which plans are carried out one round after the other: late, in part, and twice.
struct PlannedCluster {
    struct Node {
        var member: PlacementView.Member
        var isAdmitted = true
    }

    let planner: PlacementPlanner
    var random: RandomSource
    var nodes: [Node] = []
    var groups: [PlacementView.Group]
    var replicasWanted: Int
    var now = Instant(nanoseconds: 1_000_000_000_000)
    private var index: LogIndex = 1
    /// How long each learner has been one.
    private var rounds: [ReplicaID: Int] = [:]
    /// Replicas that were begun, by node.
    private(set) var gained: [NodeID: Int] = [:]
    private(set) var transfers = 0
    let note: String

    init(partitions: Int, replicas: Int, members: [PlacementView.Member], seed: UInt64, byteCount: Int = 0) {
        let placement = Placement(cluster: ClusterID(high: seed, low: 9), partitions: partitions)
        self.planner = PlacementPlanner(placement)
        self.random = RandomSource(seed: seed)
        self.replicasWanted = replicas
        self.note = "seed \(seed)"
        let first = ReplicaID(node: members[0].id, addedAt: 0)
        self.groups = (0..<partitions).map {
            PlacementView.Group(
                partition: Partition(index: UInt16($0)), desired: [first.node], replicas: ReplicaSet(voters: [first]),
                leader: first, byteCount: byteCount)
        }
        for member in members { self.admit(member) }
    }

    static func member(_ number: Int, zone: String = "", weight: Int = 100) -> PlacementView.Member {
        PlacementView.Member(
            id: NodeID(high: UInt64(number), low: UInt64(number) &* 0x9E37_79B9_7F4A_7C15), zone: zone, weight: weight,
            health: .alive(since: Instant(nanoseconds: 0)))
    }

    mutating func admit(_ member: PlacementView.Member) { self.nodes.append(Node(member: member)) }

    var members: [PlacementView.Member] { self.nodes.filter(\.isAdmitted).map(\.member) }

    var view: PlacementView {
        PlacementView(members: self.members, groups: self.groups, replicasWanted: self.replicasWanted, now: self.now)
    }

    /// Who is evicted is cut off.
    func isAlive(_ id: NodeID) -> Bool {
        self.nodes.contains { $0.member.id == id && $0.member.isAlive && $0.isAdmitted }
    }

    /// Partitions that have a replica on the node.
    func held(by id: NodeID) -> Int { self.groups.count { $0.replicas.replica(on: id) != nil } }
    func led(by id: NodeID) -> Int { self.groups.count { $0.leader?.node == id } }

    // MARK: Rounds

    /// One plan, of which each part is carried out with a probability in percent.
    mutating func round(percent: Int = 100) -> PlacementPlan {
        self.now = self.now + .seconds(1)
        self.elect()
        self.catchUp()
        let plan = self.planner.plan(self.view)
        if self.chance(5) {
            #expect(plan == self.planner.plan(self.view), "\(self.note): a plan is a function of the view")
        }
        self.check(plan)
        for change in plan.changes where self.chance(percent) {
            self.groups[Int(change.partition.index)].desired = change.replicas
        }
        self.checkMoves(plan.changes)
        for step in plan.steps where self.chance(percent) { self.perform(step) }
        return plan
    }

    /// Rounds until nothing is to be done any more.
    mutating func settle(roundsMax: Int = 5_000) -> Int {
        for count in 0..<roundsMax {
            let plan = self.round()
            if plan.changes.isEmpty, plan.steps.isEmpty, self.groups.allSatisfy(\.replicas.learners.isEmpty) {
                return count
            }
        }
        Issue.record("\(self.note): not settled after \(roundsMax) rounds: \(self.planner.plan(self.view))")
        return roundsMax
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self.random) < percent }

    private mutating func elect() {
        for place in self.groups.indices {
            let voters = self.groups[place].replicas.voters
            let alive = voters.filter { self.isAlive($0.node) }
            let hasQuorum = alive.count >= self.groups[place].replicas.quorum
            if let leader = self.groups[place].leader, hasQuorum, alive.contains(leader) { continue }
            self.groups[place].leader = hasQuorum ? alive.randomElement(using: &self.random) : nil
        }
    }

    private mutating func catchUp() {
        for place in self.groups.indices {
            for learner in self.groups[place].replicas.learners
            where self.isAlive(learner.node) && self.groups[place].leader != nil {
                self.rounds[learner, default: 0] += 1
                if self.rounds[learner, default: 0] > 2, !self.groups[place].caughtUp.contains(learner) {
                    self.groups[place].caughtUp.append(learner)
                }
            }
        }
    }

    private mutating func perform(_ step: PlannedStep) {
        let place = Int(step.partition.index)
        switch step.action {
        case .transfer(let heir):
            self.transfers += 1
            self.groups[place].leader = heir
        case .change(let change):
            self.index += 1
            guard let replicas = self.groups[place].replicas.applying(change, at: self.index) else {
                Issue.record("\(self.note): \(change) makes no sense for \(self.groups[place].replicas)")
                return
            }
            if case .addLearner(let node) = change { self.gained[node, default: 0] += 1 }
            self.groups[place].replicas = replicas
            self.groups[place].caughtUp.removeAll { !replicas.learners.contains($0) }
        }
    }

    // MARK: What must hold at every step

    private func check(_ plan: PlacementPlan) {
        #expect(Set(plan.steps.map(\.partition)).count == plan.steps.count, "\(self.note): two steps for one partition")
        var transferred: [NodeID: Int] = [:]
        for step in plan.steps {
            let group = self.groups[Int(step.partition.index)]
            let wanted = group.wantedForTest
            switch step.action {
            case .transfer(let heir):
                #expect(group.replicas.isVoter(heir) && self.isAlive(heir.node) && heir != group.leader, "\(self.note)")
                transferred[heir.node, default: 0] += 1
                if let leader = group.leader { transferred[leader.node, default: 0] += 1 }
            case .change(.addLearner(let node)): #expect(wanted.contains(node) && self.isAlive(node), "\(self.note)")
            case .change(.promote(let learner)): #expect(group.caughtUp.contains(learner), "\(self.note)")
            case .change(.remove(let replica)):
                #expect(replica != group.leader, "\(self.note): a leader is removed")
                guard group.replicas.isVoter(replica) else { continue }
                #expect(!wanted.contains(replica.node), "\(self.note): a replica that is wanted is removed")
                let voters = group.replicas.voters.filter { $0 != replica }
                let alive = voters.count { self.isAlive($0.node) }
                #expect(alive >= voters.count / 2 + 1, "\(self.note): no quorum is left")
                if self.isAlive(replica.node) {
                    let isReplaced = wanted.allSatisfy { node in voters.contains { $0.node == node } }
                    #expect(isReplaced, "\(self.note): a live voter goes before its successor is one")
                }
            }
        }
        #expect(transferred.values.allSatisfy { $0 <= 8 }, "\(self.note): too many transfers at a time")
    }

    /// Nothing more is begun on a member that already gains two. What had to wait for somebody may go on beside them.
    private func checkMoves(_ changes: [PlacementChange]) {
        var gaining: [NodeID: Int] = [:]
        for group in self.groups where group.byteCount > 1 << 20 && group.leader != nil {
            let fresh = group.desired.filter { node in !group.replicas.voters.contains { $0.node == node } }
            guard fresh.allSatisfy(self.isAlive) else { continue }
            for node in fresh { gaining[node, default: 0] += 1 }
        }
        for change in changes where self.groups[Int(change.partition.index)].desired == change.replicas {
            let group = self.groups[Int(change.partition.index)]
            for node in change.replicas where group.replicas.replica(on: node) == nil {
                #expect(gaining[node, default: 0] <= 2, "\(self.note): more than two moves to \(node.short)")
            }
        }
    }

    // MARK: What must hold at the end

    func checkSettled() {
        let view = self.view
        let able = self.members.filter { !$0.isDraining && $0.isAlive }
        let most = min(self.replicasWanted, self.members.count)
        let size = most > 2 && most % 2 == 0 ? most - 1 : most
        let zones = Dictionary(grouping: able, by: \.zone).mapValues(\.count)
        for group in self.groups {
            let voters = group.replicas.voters.map(\.node)
            #expect(voters == group.desired && group.replicas.learners.isEmpty, "\(self.note): \(group)")
            #expect((min(able.count, size)...size).contains(voters.count), "\(self.note): \(voters.count) of \(size)")
            guard able.count >= size else { continue }
            let holders = voters.compactMap { id in able.first { $0.id == id } }
            #expect(holders.count == size, "\(self.note): a replica is left where it should not be")
            let counts = Dictionary(grouping: holders, by: \.zone).mapValues(\.count)
            #expect(
                crowding(counts.values.sorted()) == leastCrowding(zones.values.sorted(), size),
                "\(self.note): \(counts) of \(zones)")
        }
        let plan = self.planner.plan(view)
        #expect(plan.changes.isEmpty && plan.steps.isEmpty && plan.waiting == 0, "\(self.note): \(plan)")
    }
}

extension PlacementView.Group {
    fileprivate var wantedForTest: [NodeID] { self.desired }
}

/// Pairs of replicas in one zone.
private func crowding(_ counts: [Int]) -> Int { counts.reduce(0) { $0 + $1 * ($1 - 1) / 2 } }

/// The least that so many replicas can have, with so many members in each zone.
private func leastCrowding(_ sizes: [Int], _ replicas: Int) -> Int {
    var counts = Array(repeating: 0, count: sizes.count)
    for _ in 0..<replicas {
        guard let place = counts.indices.filter({ counts[$0] < sizes[$0] }).min(by: { counts[$0] < counts[$1] }) else {
            break
        }
        counts[place] += 1
    }
    return crowding(counts)
}
