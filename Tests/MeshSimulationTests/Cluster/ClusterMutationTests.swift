import MeshCore
import MeshSimulation
import Testing

/// Rules of partitions left out on purpose: a simulator that finds none of these proves nothing by finding nothing.
///
/// Each is looked for from a seed near the first that finds it (docs/simulation.md has the table), so that this takes
/// seconds.
@Suite("The checks of partitions find a rule left out")
struct ClusterMutationTests {
    struct Hunt: Sendable {
        var flaw: PartitionFlaw
        var from: UInt64
    }

    static let hunts: [Hunt] = [
        Hunt(flaw: .tokenReused, from: 1),
        Hunt(flaw: .sessionsForgotten, from: 1),
        Hunt(flaw: .keysForgotten, from: 1),
        Hunt(flaw: .repeatsTaken, from: 2),
        Hunt(flaw: .timersStayArmed, from: 1),
        Hunt(flaw: .timeJumps, from: 2),
        Hunt(flaw: .acknowledgedBeforeCommit, from: 2),
        Hunt(flaw: .answeredBeforeCommit, from: 1),
        Hunt(flaw: .deliveredUnheard, from: 1),
        Hunt(flaw: .staleTurnApplied, from: 26),
        Hunt(flaw: .messageGoesWithTurn, from: 26),
        Hunt(flaw: .numbersBeforeApply, from: 22),
    ]

    private static func run(_ hunt: Hunt, _ seed: UInt64) -> ClusterReport {
        var scenario = ClusterScenario()
        scenario.seed = seed
        scenario.duration = .seconds(40)
        scenario.faults = .swarm
        scenario.partitionFlaw = hunt.flaw
        var simulation = ClusterSimulation(scenario)
        return simulation.run()
    }

    @Test("within 500 seeds", arguments: Self.hunts)
    func found(hunt: Hunt) {
        for seed in hunt.from..<hunt.from + 500 where Self.run(hunt, seed).violation != nil { return }
        Issue.record("\(hunt.flaw.rawValue) was not found")
    }

    @Test("and the run that shows it is made smaller, and breaks the same check")
    func shrinks() throws {
        let report = Self.run(Hunt(flaw: .tokenReused, from: 1), 1)
        let violation = try #require(report.violation)
        var shrinker = try #require(ClusterShrinker(report, runsMax: 60))
        shrinker.shrink()
        #expect(shrinker.scenario.hosts <= report.scenario.hosts)
        #expect(shrinker.scenario.duration <= report.scenario.duration)
        #expect((shrinker.scenario.kept?.count ?? report.faults) < report.faults)
        var again = ClusterSimulation(shrinker.scenario)
        let repeated = again.run()
        #expect(repeated.violation?.check == violation.check)
        #expect(repeated.hash == shrinker.report.hash)
    }
}
