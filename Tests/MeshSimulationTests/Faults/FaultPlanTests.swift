import MeshCore
import MeshSimulation
import Testing

@Suite("A fault plan")
struct FaultPlanTests {
    private func plan(seed: UInt64, _ faults: Scenario.Faults = .swarm) -> FaultPlan {
        var scenario = Scenario()
        scenario.faults = faults
        scenario.seed = seed
        return FaultPlan(scenario: scenario, random: RandomSource(seed: seed))
    }

    @Test("is a function of its seed")
    func seeded() {
        for seed in UInt64(0)..<20 {
            #expect(self.plan(seed: seed).faults.map(\.description) == self.plan(seed: seed).faults.map(\.description))
        }
    }

    @Test("leaves each kind out of about half of the runs")
    func swarm() {
        let plans = (0..<400).map { self.plan(seed: $0) }
        for kind in FaultKind.allCases {
            let with = plans.count { $0.kinds.contains(kind) }
            #expect((140...260).contains(with), "\(kind): \(with) of 400")
        }
    }

    @Test("never begins a fault before the mesh has formed, and heals all of them", arguments: 0..<50 as Range<UInt64>)
    func bounds(seed: UInt64) throws {
        let scenario = Scenario()
        let plan = self.plan(seed: seed)
        let healed = try #require(plan.faults.last { if case .healAll = $0.action { true } else { false } })
        #expect(healed.at == scenario.healAt)
        for fault in plan.faults {
            #expect(fault.at >= scenario.warmUntil)
            switch fault.action {
            case .cut, .weather, .pause, .starve: #expect(fault.at <= scenario.healAt)
            default: break
            }
        }
    }

    @Test("without disturbing kinds makes a healthy run", arguments: FaultKind.allCases)
    func healthy(kind: FaultKind) {
        #expect(self.plan(seed: 1, .only([kind])).isHealthy == !kind.disturbs)
    }
}
