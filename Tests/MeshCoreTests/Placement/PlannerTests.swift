import MeshCore
import Testing

private func cluster(
    _ count: Int, partitions: Int = 64, replicas: Int = 3, seed: UInt64 = 1, byteCount: Int = 0,
    zone: (Int) -> String = { _ in "" }
) -> PlannedCluster {
    PlannedCluster(
        partitions: partitions, replicas: replicas,
        members: (1...count).map { PlannedCluster.member($0, zone: zone($0)) }, seed: seed, byteCount: byteCount)
}

@Suite struct PlannerTests {
    @Test("one node has one voter of each partition, two have two, three have three", arguments: 1...6)
    func growing(count: Int) {
        var cluster = cluster(1, partitions: 16)
        for number in 1...count {
            if number > 1 { cluster.admit(PlannedCluster.member(number)) }
            _ = cluster.settle()
            cluster.checkSettled()
            #expect(cluster.groups.allSatisfy { $0.replicas.voters.count == min(number, 3) })
            #expect(cluster.planner.plan(cluster.view).short.values.allSatisfy { $0 == 3 - min(number, 3) })
        }
    }

    @Test(
        "the member that joins takes its share and nothing else moves", arguments: [3, 10, 20],
        0..<1 as Range<UInt64>)
    func joining(count: Int, seed: UInt64) {
        var cluster = cluster(count, partitions: 256, seed: seed)
        _ = cluster.settle()
        let before = cluster.gained
        let newcomer = PlannedCluster.member(count + 1)
        cluster.admit(newcomer)
        _ = cluster.settle()
        cluster.checkSettled()
        let share = 256 * 3 / (count + 1)
        let taken = cluster.gained[newcomer.id, default: 0]
        #expect((share * 85 / 100...share * 111 / 100 + 1).contains(taken), "\(taken) of \(share)")
        let others = cluster.gained.reduce(0) {
            $0 + ($1.key == newcomer.id ? 0 : $1.value - before[$1.key, default: 0])
        }
        #expect(others <= share / 4, "\(others) moved between the others, \(taken) to the newcomer")
        let loads = cluster.members.map { cluster.held(by: $0.id) }
        #expect(loads.allSatisfy { $0 <= (share * 11 + 9) / 10 + 1 }, "\(loads)")
    }

    @Test("a member that goes leaves only what it held", arguments: [4, 10], 0..<1 as Range<UInt64>)
    func leaving(count: Int, seed: UInt64) {
        var cluster = cluster(count, partitions: 256, seed: seed)
        _ = cluster.settle()
        let gone = cluster.members[count / 2]
        let held = cluster.held(by: gone.id)
        let before = cluster.gained.values.reduce(0, +)
        cluster.nodes[count / 2].member.isDraining = true
        _ = cluster.settle()
        cluster.checkSettled()
        #expect(cluster.held(by: gone.id) == 0)
        let moved = cluster.gained.values.reduce(0, +) - before
        #expect((held...held + held / 8).contains(moved), "\(moved) moved, \(held) were held")
    }

    @Test("a dead member keeps its replicas for five minutes, and then they are replaced, also if it never returns")
    func dead() {
        var cluster = cluster(5)
        _ = cluster.settle()
        let place = 2
        let id = cluster.nodes[place].member.id
        let held = cluster.held(by: id)
        cluster.nodes[place].member.health = .dead(since: cluster.now)
        cluster.now = cluster.now + .seconds(290)
        for _ in 0..<9 {
            let plan = cluster.round()
            #expect(plan.changes.isEmpty)
        }
        #expect(cluster.held(by: id) == held && held > 0)
        _ = cluster.round()
        _ = cluster.settle()
        cluster.checkSettled()
        #expect(cluster.held(by: id) == 0)
    }

    @Test("with nobody to take their place, the replicas of a dead or draining member stay") func nobodyElse() {
        var cluster = cluster(3)
        _ = cluster.settle()
        cluster.nodes[1].member.health = .dead(since: Instant(nanoseconds: 0))
        for _ in 0..<20 { #expect(cluster.round().changes.isEmpty) }
        #expect(cluster.held(by: cluster.nodes[1].member.id) == 64)
        cluster.nodes[1].member.health = .alive(since: cluster.now)
        cluster.nodes[1].member.isDraining = true
        _ = cluster.settle()
        #expect(cluster.held(by: cluster.nodes[1].member.id) == 64)
        #expect(cluster.led(by: cluster.nodes[1].member.id) == 0, "but it leads nothing")
        cluster.nodes[1].isAdmitted = false
        _ = cluster.settle()
        #expect(cluster.groups.allSatisfy { $0.replicas.voters.count == 2 }, "and once evicted it has none")
    }

    @Test("one that leaves gives everything away, whoever is left, but never the last replica", arguments: 1...4)
    func leavesForGood(count: Int) {
        var cluster = cluster(count)
        _ = cluster.settle()
        for place in 0..<count {
            cluster.nodes[place].member.isLeaving = true
            cluster.nodes[place].member.isDraining = true
            _ = cluster.settle()
            guard place < count - 1 else { break }
            let id = cluster.nodes[place].member.id
            #expect(cluster.held(by: id) == 0 && cluster.led(by: id) == 0)
            let left = count - 1 - place
            #expect(cluster.groups.allSatisfy { $0.replicas.voters.count == min(left, 3) }, "\(left) are left")
        }
        #expect(cluster.groups.allSatisfy { $0.replicas.voters.count == 1 })
        cluster.nodes[0].member.isLeaving = false
        cluster.nodes[0].member.isDraining = false
        _ = cluster.settle()
        #expect(cluster.held(by: cluster.nodes[0].member.id) == 64, "and one that is back gets all")
    }

    @Test(
        "replicas are in as many zones as there are",
        arguments: [
            [3, 3, 3], [1, 5, 5], [2, 6], [1, 1, 1, 7], [4, 4, 4, 4, 4], [1, 9],
        ], [3, 5])
    func zones(sizes: [Int], replicas: Int) {
        let zones = sizes.enumerated().flatMap { place, size in Array(repeating: "z\(place)", count: size) }
        var cluster = cluster(zones.count, partitions: 32, replicas: replicas, zone: { zones[$0 - 1] })
        _ = cluster.settle()
        cluster.checkSettled()
    }

    @Test("when a zone comes to be, replicas that shared one spread") func zonesLater() {
        var cluster = cluster(6)
        _ = cluster.settle()
        for place in 0..<6 { cluster.nodes[place].member.zone = ["a", "b", "c"][place % 3] }
        _ = cluster.settle()
        cluster.checkSettled()
    }

    @Test("members hold in proportion to their weight") func weights() {
        let members = [100, 100, 100, 100, 200, 200, 400].enumerated().map {
            PlannedCluster.member($0.offset + 1, weight: $0.element)
        }
        var cluster = PlannedCluster(partitions: 256, replicas: 3, members: members, seed: 4)
        _ = cluster.settle()
        cluster.checkSettled()
        for member in members {
            // The heaviest has one of each partition at most, and the rest is shared by the others.
            let share = member.weight == 400 ? 256 : 256 * 2 * member.weight / 800
            let held = cluster.held(by: member.id)
            #expect((share * 80 / 100...share * 110 / 100 + 1).contains(held), "\(held) of \(share)")
        }
    }

    @Test("replicas wanted go up and down") func replicas() {
        var cluster = cluster(6, partitions: 32)
        for wanted in [3, 5, 1, 5, 3] {
            cluster.replicasWanted = wanted
            _ = cluster.settle()
            cluster.checkSettled()
        }
    }

    @Test("leaders are spread, and a member that was away for a moment gets some back") func leaders() {
        var cluster = cluster(4, partitions: 128)
        _ = cluster.settle()
        for _ in 0..<200 { _ = cluster.round() }
        let spread = { cluster.members.map { cluster.led(by: $0.id) } }
        #expect(spread().allSatisfy { (28...36).contains($0) }, "\(spread())")
        cluster.nodes[0].member.health = .dead(since: cluster.now)
        _ = cluster.round()
        #expect(cluster.led(by: cluster.nodes[0].member.id) == 0)
        cluster.nodes[0].member.health = .alive(since: cluster.now)
        for _ in 0..<9 { _ = cluster.round() }
        #expect(cluster.led(by: cluster.nodes[0].member.id) == 0, "it has not settled")
        for _ in 0..<100 { _ = cluster.round() }
        #expect(spread().allSatisfy { (28...36).contains($0) }, "\(spread())")
    }

    @Test("an empty mesh is spread in seconds, a full one by two at a time") func speed() {
        var empty = cluster(3, partitions: 256, byteCount: 0)
        let fast = empty.settle()
        var full = cluster(3, partitions: 64, byteCount: 1 << 30)
        let slow = full.settle()
        #expect(fast < 100 && slow > fast, "\(fast) and \(slow) rounds")
    }

    @Test("without reports nothing is moved, without a quorum no step is asked for") func unknown() {
        var cluster = cluster(5)
        _ = cluster.settle()
        var view = cluster.view
        for place in view.groups.indices {
            view.groups[place].replicas = .empty
            view.groups[place].leader = nil
        }
        view.members[0].isDraining = true
        let plan = cluster.planner.plan(view)
        #expect(plan.changes.isEmpty && plan.steps.isEmpty && plan.waiting > 0)
        for place in 0..<3 { cluster.nodes[place].member.health = .dead(since: Instant(nanoseconds: 0)) }
        _ = cluster.round()
        let stuck = cluster.groups.filter { group in group.leader == nil }
        #expect(!stuck.isEmpty)
        let steps = cluster.planner.plan(cluster.view).steps
        #expect(steps.allSatisfy { step in !stuck.contains { $0.partition == step.partition } })
    }

    @Test(
        "random clusters with members that come, die, return, drain and are evicted end with every replica in place",
        arguments: 0..<25 as Range<UInt64>)
    func chaos(seed: UInt64) {
        var random = RandomSource(seed: seed &+ 1000)
        let zones = Int.random(in: 1...4, using: &random)
        func fresh(_ number: Int) -> PlacementView.Member {
            PlannedCluster.member(
                number, zone: zones == 1 ? "" : "z\(Int.random(in: 0..<zones, using: &random))",
                weight: [50, 100, 100, 200][Int.random(in: 0..<4, using: &random)])
        }
        var next = Int.random(in: 1...8, using: &random)
        var cluster = PlannedCluster(
            partitions: Int.random(in: 1...24, using: &random),
            replicas: [1, 3, 5][Int.random(in: 0..<3, using: &random)],
            members: (1...next).map(fresh), seed: seed, byteCount: Bool.random(using: &random) ? 0 : 1 << 30)
        for _ in 0..<80 {
            let place = Int.random(in: 0..<cluster.nodes.count, using: &random)
            switch Int.random(in: 0..<30, using: &random) {
            case 0 where next < 14:
                next += 1
                cluster.admit(fresh(next))
            case 1, 2: cluster.nodes[place].member.health = .dead(since: cluster.now)
            case 3, 4: cluster.nodes[place].member.health = .alive(since: cluster.now)
            case 5: cluster.nodes[place].member.health = .suspect
            case 6: cluster.nodes[place].member.isDraining.toggle()
            case 7: cluster.now = cluster.now + .seconds(200)
            case 8: cluster.replicasWanted = [1, 3, 5][Int.random(in: 0..<3, using: &random)]
            default: break
            }
            _ = cluster.round(percent: 70)
        }
        for place in cluster.nodes.indices where !cluster.nodes[place].member.isAlive {
            cluster.nodes[place].member.health = .alive(since: cluster.now)
        }
        // Evicted are members without a part in a quorum that could be lost: the last ones to come.
        if cluster.members.count > 5, cluster.groups.allSatisfy({ $0.replicas.voters.count >= 3 }) {
            cluster.nodes[cluster.nodes.count - 1].isAdmitted = false
        }
        _ = cluster.settle()
        cluster.checkSettled()
    }
}
