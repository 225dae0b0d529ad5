internal import ArgumentParser
internal import MeshSimulation

struct MembershipCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "membership",
        abstract: "Run the membership of a whole mesh and check its invariants.",
        discussion: """
            What is simulated: the production Membership of every member, its encoded datagrams and stream frames, a \
            network that delays, loses, doubles and reorders them, streams with handshakes and resets, a clock per \
            host, processes that stop, die and come back. Not simulated: sealing and sockets.

            Faults: \(FaultKind.allCases.map(\.rawValue).joined(separator: ", ")).
            """)

    @OptionGroup var options: ScenarioOptions

    @Flag(help: "Print every fault and every change of belief, with its virtual time.")
    var narrate = false

    @Flag(help: "Of many seeds, print only those that break something, and the sum.")
    var quiet = false

    func run() throws {
        var summary = Summary()
        for index in 0..<self.options.seeds {
            let scenario = self.options.scenario(seed: self.options.seed + UInt64(index))
            let run = Run.perform(scenario, narrating: self.narrate)
            summary.add(run.report)
            if !self.quiet || run.report.violation != nil { Console.say(run.line) }
            if let violation = run.report.violation {
                Console.say("  \(violation)")
                Console.say("  replay: \(scenario.commandLine) --narrate")
            }
        }
        if self.options.seeds > 1 { Console.say(summary.text) }
        if summary.isBroken { throw ExitCode(1) }
    }
}
