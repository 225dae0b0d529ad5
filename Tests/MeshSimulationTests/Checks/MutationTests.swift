import MeshCore
import MeshSimulation
import Testing

/// Bugs put in on purpose: a check that finds none of them would prove nothing by finding none elsewhere.
@Suite("The checks find a seeded bug")
struct MutationTests {
    private func violation(_ mutation: Mutation, _ change: (inout Scenario) -> Void = { _ in }) -> Violation? {
        var scenario = Scenario()
        scenario.duration = .seconds(180)
        scenario.mutation = mutation
        change(&scenario)
        var simulation = MembershipSimulation(scenario)
        return simulation.run().violation
    }

    @Test("a network that drops all that one host says and hears, though it claims to be healthy")
    func unreportedCut() {
        #expect(self.violation(.unreportedCut(5))?.check == "no false death")
    }

    @Test("a restart that forgets to raise the boot epoch")
    func forgottenEpoch() {
        #expect(self.violation(.forgottenEpoch) { $0.faults = .only([.massrestart]) } != nil)
    }

    @Test("an event that is delivered twice")
    func repeatedEvents() {
        #expect(self.violation(.repeatedEvents) { $0.faults = .only([.news]) }?.check == "user events once each")
    }

    @Test("suspicions that never end")
    func endlessSuspicion() {
        let found = self.violation(.endlessSuspicion) {
            $0.crashes = 2
            $0.hardEvidence = false
        }
        #expect(found?.check == "detection within its bound" || found?.check == "agreement")
    }

    @Test("nodes that cannot refute what is said of them")
    func lostRefutations() {
        let found = self.violation(.lostRefutations) { $0.faults = .only([.partition]) }
        #expect(found?.check == "agreement" || found?.check == "no false death")
    }

    @Test("packets that are changed on their way")
    func corruption() {
        #expect(self.violation(.corruption)?.check == "well-formed packets")
    }
}
