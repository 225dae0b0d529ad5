import MeshCore
import MeshSimulation
import Testing

@Suite("A simulated mesh")
struct MembershipSimulationTests {
    private func run(_ seed: UInt64, _ change: (inout Scenario) -> Void = { _ in }) -> RunReport {
        var scenario = Scenario()
        scenario.seed = seed
        scenario.duration = .seconds(180)
        change(&scenario)
        var simulation = MembershipSimulation(scenario)
        return simulation.run()
    }

    @Test("does the same again from the same seed, and something else from another")
    func determinism() {
        let first = self.run(7) { $0.faults = .swarm }
        let again = self.run(7) { $0.faults = .swarm }
        let other = self.run(8) { $0.faults = .swarm }
        #expect(first.hash == again.hash)
        #expect(first.counters.events == again.counters.events)
        #expect(first.hash != other.hash)
    }

    @Test("is the same run whether it is advanced at once or in steps")
    func stepping() {
        var scenario = Scenario()
        scenario.duration = .seconds(120)
        scenario.faults = .swarm
        var (whole, stepped) = (MembershipSimulation(scenario), MembershipSimulation(scenario))
        whole.run(until: .zero + scenario.duration)
        for second in 1...120 { stepped.run(until: .zero + .seconds(second)) }
        #expect(whole.trace.hash == stepped.trace.hash)
    }

    @Test("without faults calls nobody dead and knows crashes in time", arguments: 1..<7 as Range<UInt64>)
    func healthy(seed: UInt64) {
        let report = self.run(seed) { $0.crashes = 3 }
        #expect(report.violation == nil)
        #expect(report.isHealthyRun)
        #expect(report.falsePositives.all == 0)
        #expect(report.detections.count == 3)
        #expect(report.detections.allSatisfy { $0 <= report.detectionP99Bound })
    }

    @Test("keeps its invariants in ordinary life", arguments: 1..<5 as Range<UInt64>)
    func ordinaryLife(seed: UInt64) {
        let kinds: Set<FaultKind> = [.crash, .power, .leave, .join, .news, .drift]
        let report = self.run(seed) { $0.faults = .only(kinds) }
        #expect(report.violation == nil)
        #expect(report.counters.userEvents > 0)
    }

    @Test("keeps its invariants under each kind of fault", arguments: FaultKind.allCases)
    func eachKind(kind: FaultKind) {
        for seed in UInt64(1)...2 {
            #expect(self.run(seed) { $0.faults = .only([kind, .news]) }.violation == nil, "seed \(seed)")
        }
    }

    @Test("keeps its invariants under a swarm of faults", arguments: 1..<9 as Range<UInt64>)
    func swarm(seed: UInt64) {
        #expect(self.run(seed) { $0.faults = .swarm }.violation == nil)
    }

    @Test("is one mesh again after a partition of half a minute", arguments: Scenario.Profile.allCases)
    func partition(profile: Scenario.Profile) {
        let report = self.run(3) {
            $0.profile = profile
            $0.partition = .seconds(30)
            $0.duration = .seconds(300)
        }
        #expect(report.violation == nil)
        #expect(report.counters.changes > 500, "the halves must have noticed the partition")
    }

    @Test("comes back when everybody is restarted, and nobody needs a seed for it", arguments: 1..<4 as Range<UInt64>)
    func massRestart(seed: UInt64) {
        #expect(self.run(seed) { $0.faults = .only([.massrestart]) }.violation == nil)
    }

    @Test("that begins converged stays quiet and still finds crashes")
    func converged() {
        let report = self.run(1) {
            $0.members = 200
            $0.start = .converged
            $0.crashes = 2
            $0.duration = .seconds(90)
        }
        #expect(report.violation == nil)
        #expect(report.detections.count == 2)
        #expect(report.bytesPerMemberAndSecond < 2_000)
    }

    @Test("of two nodes works")
    func smallest() {
        #expect(self.run(1) { $0.members = 2 }.violation == nil)
    }

    @Test("has far fewer false positives with Lifeguard, and its members are paused")
    func lifeguard() {
        var with = 0
        for seed in UInt64(1)...2 {
            let report = self.run(seed) {
                $0.members = 60
                $0.pausedMembers = 5
            }
            #expect(report.violation == nil)
            #expect(report.falsePositives.onImpaired > 0, "nobody was ever called dead: the pauses do nothing")
            with += report.falsePositives.all
        }
        #expect(with <= 1)
    }

    @Test("detects a kill faster with hard evidence than without")
    func evidence() throws {
        let with = self.run(5) { $0.crashes = 4 }
        let without = self.run(5) {
            $0.crashes = 4
            $0.hardEvidence = false
        }
        let fast = try #require(RunReport.percentile(50, of: with.detections))
        let slow = try #require(RunReport.percentile(50, of: without.detections))
        #expect(fast * 2 < slow)
        #expect(without.violation == nil)
    }
}
