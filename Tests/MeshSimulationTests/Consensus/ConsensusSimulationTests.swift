import MeshCore
import MeshSimulation
import Testing

@Suite("Simulated groups")
struct ConsensusSimulationTests {
    private func run(_ seed: UInt64, _ change: (inout ConsensusScenario) -> Void = { _ in }) -> ConsensusReport {
        var scenario = ConsensusScenario()
        scenario.seed = seed
        scenario.duration = .seconds(40)
        change(&scenario)
        var simulation = ConsensusSimulation(scenario)
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

    @Test("without faults elect one leader each, once, and serve everybody", arguments: 1..<4 as Range<UInt64>)
    func healthy(seed: UInt64) {
        let report = self.run(seed) { $0.groups = 3 }
        #expect(report.violation == nil)
        #expect(report.counters.elections == 3)
        #expect(report.counters.writes > 500)
        #expect(report.counters.reads > 500)
    }

    @Test("keep their invariants under each kind of fault", arguments: ConsensusFault.allCases)
    func eachKind(kind: ConsensusFault) {
        for seed in UInt64(1)...2 {
            let report = self.run(seed) { $0.faults = .only([kind]) }
            #expect(report.violation == nil, "seed \(seed)")
            #expect(report.counters.writes > 0)
        }
    }

    @Test("keep their invariants under a swarm of faults", arguments: 1..<13 as Range<UInt64>)
    func swarm(seed: UInt64) {
        #expect(self.run(seed) { $0.faults = .swarm }.violation == nil)
    }

    @Test("reach the rare ways: snapshots, changes, transfers, short replicas")
    func reach() {
        var counters: [ConsensusCounters] = []
        for seed in UInt64(1)...4 {
            counters.append(
                self.run(seed) { $0.faults = .only([.compaction, .reconfigure, .transfer, .losesynced, .crash]) }
                    .counters)
        }
        #expect(counters.contains { $0.snapshots > 0 })
        #expect(counters.contains { $0.changes > 0 })
        #expect(counters.contains { $0.transfers > 0 })
        #expect(counters.contains { $0.shortReplicas > 0 })
    }

    @Test("that rest cost heartbeats between nodes and nothing else")
    func idle() {
        let busy = self.run(1)
        let idle = self.run(1) { $0.faults = .only([.idle]) }
        #expect(idle.violation == nil)
        #expect(idle.counters.messages < busy.counters.messages * 3 / 4)
    }
}
