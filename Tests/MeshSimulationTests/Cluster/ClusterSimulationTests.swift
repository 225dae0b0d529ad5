import MeshCore
import MeshSimulation
import Testing

@Suite("Simulated nodes with partitions")
struct ClusterSimulationTests {
    private func run(_ seed: UInt64, _ change: (inout ClusterScenario) -> Void = { _ in }) -> ClusterReport {
        var scenario = ClusterScenario()
        scenario.seed = seed
        scenario.duration = .seconds(40)
        change(&scenario)
        var simulation = ClusterSimulation(scenario)
        return simulation.run()
    }

    @Test("do the same again from the same seed, and something else from another")
    func determinism() {
        let first = self.run(7) { $0.faults = .swarm }
        let again = self.run(7) { $0.faults = .swarm }
        #expect(first.hash == again.hash)
        #expect(first.counters.events == again.counters.events)
        #expect(first.hash != self.run(8) { $0.faults = .swarm }.hash)
    }

    @Test("grow their groups from one voter to three and serve everybody", arguments: 1..<4 as Range<UInt64>)
    func healthy(seed: UInt64) {
        let report = self.run(seed) { $0.groups = 6 }
        #expect(report.violation == nil)
        #expect(report.counters.begun >= 6 * 3)
        #expect(report.counters.writes > 1_000)
        #expect(report.counters.reads > 300)
        #expect(report.counters.processed > 1_000)
        #expect(report.counters.deliveries > 300)
    }

    @Test("keep their invariants under each kind of fault", arguments: ConsensusFault.allCases)
    func eachKind(kind: ConsensusFault) {
        let report = self.run(3) { $0.faults = .only([kind]) }
        #expect(report.violation == nil)
        #expect(report.counters.writes > 0)
    }

    @Test("keep their invariants under a swarm of faults", arguments: 1..<9 as Range<UInt64>)
    func swarm(seed: UInt64) {
        #expect(self.run(seed) { $0.faults = .swarm }.violation == nil)
    }

    @Test("reach the rare ways: snapshots, moves of replicas, transfers, short replicas")
    func reach() {
        var counters: [ClusterCounters] = []
        for seed in UInt64(1)...3 {
            counters.append(
                self.run(seed) { $0.faults = .only([.compaction, .reconfigure, .transfer, .crash]) }.counters)
            counters.append(self.run(seed) { $0.faults = .only([.losesynced, .power]) }.counters)
        }
        #expect(counters.contains { $0.snapshots > 0 })
        #expect(counters.contains { $0.removed > 2 })
        #expect(counters.contains { $0.transfers > 0 })
        #expect(counters.contains { $0.shortReplicas > 0 })
        #expect(counters.contains { $0.sessions > 0 })
        #expect(counters.contains { $0.retries > 0 })
    }

    @Test("that rest cost heartbeats and nothing else")
    func idle() {
        let busy = self.run(1)
        let idle = self.run(1) { $0.faults = .only([.idle]) }
        #expect(idle.violation == nil)
        #expect(idle.counters.messages < busy.counters.messages * 3 / 4)
    }

    /// Rules left out on purpose: the whole node must not hide them from the checks.
    @Test("are seen to break a rule that was left out", arguments: [RaftFlaw.acknowledgedBeforeSync, .conflictIgnored])
    func flaws(flaw: RaftFlaw) {
        for seed in UInt64(1)...30 {
            let report = self.run(seed) {
                $0.faults = .swarm
                $0.flaw = flaw
            }
            if report.violation != nil { return }
        }
        Issue.record("\(flaw.rawValue) was not found")
    }
}
