import MeshCore
import MeshSimulation
import Testing

/// Rules of consensus left out on purpose: a simulator that finds none of these proves nothing by finding nothing.
///
/// Each is looked for from a seed near the first that finds it (docs/simulation.md has the table), so that this takes
/// seconds.
@Suite("The checks of consensus find a rule left out")
struct ConsensusMutationTests {
    struct Hunt: Sendable {
        var flaw: RaftFlaw
        var from: UInt64
        var faults: ConsensusScenario.Faults = .swarm
        var operations = 20
    }

    static let hunts: [Hunt] = [
        Hunt(flaw: .acknowledgedBeforeSync, from: 1),
        Hunt(flaw: .servesBeforeNoop, from: 1),
        Hunt(
            flaw: .truncatedConfigurationKept, from: 5,
            faults: .only([.reconfigure, .partition, .oneway, .crash, .transfer])),
        Hunt(flaw: .replicaIsNode, from: 2),
        Hunt(flaw: .shortReplicaVotes, from: 1),
        Hunt(flaw: .conflictIgnored, from: 2),
    ]

    @Test("within 500 seeds", arguments: Self.hunts)
    func found(hunt: Hunt) {
        for seed in hunt.from..<hunt.from + 500 {
            var scenario = ConsensusScenario()
            scenario.seed = seed
            scenario.faults = hunt.faults
            scenario.operations = hunt.operations
            scenario.flaw = hunt.flaw
            var simulation = ConsensusSimulation(scenario)
            if simulation.run().violation != nil { return }
        }
        Issue.record("\(hunt.flaw.rawValue) was not found")
    }
}
