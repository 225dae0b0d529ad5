internal import ArgumentParser
internal import MeshSimulation

/// `swarm`, `none`, `all`, or kinds with commas between them.
struct ConsensusFaultList: ExpressibleByArgument {
    var faults: ConsensusScenario.Faults

    init?(argument: String) {
        switch argument {
        case "swarm": self.faults = .swarm
        case "none": self.faults = .only([])
        case "all": self.faults = .only(Set(ConsensusFault.allCases))
        default:
            var kinds: Set<ConsensusFault> = []
            for name in argument.split(separator: ",", omittingEmptySubsequences: false) {
                guard let kind = ConsensusFault(rawValue: String(name)) else { return nil }
                kinds.insert(kind)
            }
            self.faults = .only(kinds)
        }
    }
    init(faults: ConsensusScenario.Faults) { self.faults = faults }
    static var allValueStrings: [String] { ["none", "swarm", "all"] + ConsensusFault.allCases.map(\.rawValue) }
    var defaultValueDescription: String { "none" }
}

struct RaftCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raft",
        abstract: "Run groups of the consensus core and check its invariants.",
        discussion: """
            What is simulated: the production Raft values and heartbeats of every node with their encoded messages, a \
            network that delays, loses, doubles and reorders them, disks whose fsync takes time and that lose what was \
            not synced, clocks, processes that stop and die, clients that write and read registers, and an operator that \
            changes the replicas.

            Faults: \(ConsensusFault.allCases.map(\.rawValue).joined(separator: ", ")).
            """)

    @Option(help: "Hosts, 3 to \(ConsensusScenario.hostsMax).")
    var nodes = 5

    @Option(help: "Groups, each of three to five of the hosts.")
    var groups = 2

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: "How many seeds, one after the other.")
    var seeds = 1

    @Option(help: "Virtual minutes, fractions allowed. The last 16 seconds are without faults.")
    var minutes = Minutes(1)

    @Option(help: "Client operations per virtual second and group.")
    var operations = 20

    @Option(
        help: ArgumentHelp(
            "Kinds of fault: none, all, swarm (each in half of the seeds), or a list.", valueName: "list"))
    var faults = ConsensusFaultList(faults: .only([]))

    @Flag(help: "Print every fault, change of role and request to the operator, with its virtual time.")
    var narrate = false

    @Flag(help: "Of many seeds, print only those that break something, and the sum.")
    var quiet = false

    func validate() throws {
        guard (3...ConsensusScenario.hostsMax).contains(self.nodes) else {
            throw ValidationError("--nodes \(self.nodes): 3 to \(ConsensusScenario.hostsMax) hosts can be simulated")
        }
        guard (1...ConsensusScenario.groupsMax).contains(self.groups) else {
            throw ValidationError("--groups \(self.groups): 1 to \(ConsensusScenario.groupsMax) are possible")
        }
        guard self.seeds >= 1, self.seed.addingReportingOverflow(UInt64(self.seeds)).overflow == false else {
            throw ValidationError("--seed \(self.seed) --seeds \(self.seeds): at least one, and up to \(UInt64.max)")
        }
        guard (1...10_000).contains(self.operations) else {
            throw ValidationError("--operations \(self.operations): 1 to 10000 per second are possible")
        }
        guard self.minutes.duration >= .seconds(30) else {
            throw ValidationError("--minutes: at least 0.5, since the last 16 seconds are without faults")
        }
    }

    func run() throws {
        var broken: [UInt64] = []
        var sum = Sum()
        let processorBefore = Console.processorTime
        for index in 0..<self.seeds {
            let scenario = self.scenario(seed: self.seed + UInt64(index))
            let report = try self.perform(scenario)
            sum.add(report)
            if report.violation != nil { broken.append(scenario.seed) }
        }
        if self.seeds > 1 {
            var parts = ["\(self.seeds) runs", "\(broken.count) broken", sum.text]
            parts.append("cpu \((Console.processorTime - processorBefore).inSeconds)")
            if !broken.isEmpty {
                parts.append("broken seeds " + broken.prefix(20).map(String.init).joined(separator: ","))
            }
            Console.say(parts.joined(separator: " | "))
        }
        if !broken.isEmpty { throw ExitCode(1) }
    }

    private func scenario(seed: UInt64) -> ConsensusScenario {
        var scenario = ConsensusScenario()
        scenario.hosts = self.nodes
        scenario.groups = self.groups
        scenario.seed = seed
        scenario.duration = self.minutes.duration
        scenario.operations = self.operations
        scenario.faults = self.faults.faults
        return scenario
    }

    private func perform(_ scenario: ConsensusScenario) throws -> ConsensusReport {
        let before = Console.processorTime
        var simulation = ConsensusSimulation(scenario, narrating: self.narrate)
        let end = VirtualTime.zero + scenario.duration
        while simulation.now < end, simulation.checks.violation == nil {
            simulation.run(until: min(end, simulation.now + .seconds(1)))
            for line in simulation.narrative.drain() { Console.say(line) }
        }
        let report = simulation.finish()
        for line in simulation.narrative.drain() { Console.say(line) }
        if !self.quiet || report.violation != nil { Console.say(report.line(cpu: Console.processorTime - before)) }
        if let violation = report.violation {
            Console.say("  \(violation)")
            Console.say("  replay: \(scenario.commandLine) --narrate")
        }
        return report
    }

    private struct Sum {
        var messages = 0
        var writes = 0
        var reads = 0
        var elections = 0

        mutating func add(_ report: ConsensusReport) {
            self.messages += report.counters.messages
            self.writes += report.counters.writes
            self.reads += report.counters.reads
            self.elections += report.counters.elections
        }

        var text: String {
            "elections \(self.elections) | writes \(self.writes) | reads \(self.reads) | messages \(self.messages)"
        }
    }
}

extension ConsensusReport {
    fileprivate func line(cpu: Duration) -> String {
        [
            "seed \(self.scenario.seed)",
            "virtual \(self.virtualTime.inSeconds)",
            "events \(self.counters.events)",
            "messages \(self.counters.messages)",
            "heartbeats \(self.counters.heartbeats)",
            "elections \(self.counters.elections)",
            "writes \(self.counters.writes)",
            "reads \(self.counters.reads)",
            "snapshots \(self.counters.snapshots)",
            "changes \(self.counters.changes)",
            "transfers \(self.counters.transfers)",
            "trace \(String(self.hash, radix: 16))",
            "cpu \(cpu.inSeconds)",
            "x\(Int(self.virtualTime / max(cpu, .milliseconds(1))))",
            self.kinds.isEmpty ? nil : "faults " + self.kinds.map(\.rawValue).joined(separator: ","),
            self.violation == nil ? "ok" : "BROKEN",
        ].compactMap(\.self).joined(separator: " | ")
    }
}

extension ConsensusScenario {
    /// The line that runs exactly this again.
    fileprivate var commandLine: String {
        var words = ["meshsim raft --nodes \(self.hosts) --groups \(self.groups) --seed \(self.seed)"]
        let milliseconds = self.duration / .milliseconds(1)
        words.append("--minutes \(milliseconds / 60_000) --operations \(self.operations)")
        if let faults = self.faults.argument { words.append(faults) }
        return words.joined(separator: " ")
    }
}

extension ConsensusScenario.Faults {
    /// As on the command line; nil for none.
    var argument: String? {
        switch self {
        case .swarm: "--faults swarm"
        case .only(let kinds) where !kinds.isEmpty:
            "--faults " + ConsensusFault.allCases.filter(kinds.contains).map(\.rawValue).joined(separator: ",")
        case .only: nil
        }
    }
}
