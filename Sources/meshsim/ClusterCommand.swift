internal import ArgumentParser
internal import MeshSimulation

struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Run whole nodes: the production shards with their groups, frames and heartbeats.",
        discussion: """
            Like raft, and beside it: the shards that host the groups on each node, each on a thread of its own, the heartbeats \
            that they share, batching of frames and of jobs for the disk, groups that begin on one node and grow to three, and \
            an operator that says where replicas shall be. Each group is a partition: clients with idempotency keys, sessions \
            or neither write and read registers, queues and counters, and send messages to actors that pass them on, from \
            partition to partition, at once, delayed, or by timers. What clients saw and what actors wrote down is judged at \
            the end.

            Faults: \(ConsensusFault.allCases.map(\.rawValue).joined(separator: ", ")).
            """)

    @Option(help: "Hosts, 3 to \(ConsensusScenario.hostsMax).")
    var nodes = 5

    @Option(help: "Groups, each on three of the hosts.")
    var groups = 4

    @Option(help: "Shards of each node, 1 to \(ClusterScenario.shardsMax).")
    var shards = 2

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

    @Flag(help: "Print every fault, change of role and wish of the operator, with its virtual time.")
    var narrate = false

    @Flag(help: "Of many seeds, print only those that break something, and the sum.")
    var quiet = false

    @Option(
        help: ArgumentHelp(
            "Of the faults drawn, only these happen: what a shrunk run says, such as 0-3,7; or none.",
            valueName: "places"))
    var keep: PlaceList?

    @Flag(help: "Make the first run that breaks something smaller, which takes up to 200 runs.")
    var shrink = false

    func validate() throws {
        guard (3...ConsensusScenario.hostsMax).contains(self.nodes) else {
            throw ValidationError("--nodes \(self.nodes): 3 to \(ConsensusScenario.hostsMax) hosts can be simulated")
        }
        guard (1...ClusterScenario.groupsMax).contains(self.groups) else {
            throw ValidationError("--groups \(self.groups): 1 to \(ClusterScenario.groupsMax) are possible")
        }
        guard (1...ClusterScenario.shardsMax).contains(self.shards) else {
            throw ValidationError("--shards \(self.shards): 1 to \(ClusterScenario.shardsMax) are possible")
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
        var (writes, reads, elections, moved) = (0, 0, 0, 0)
        let processorBefore = Console.processorTime
        for index in 0..<self.seeds {
            let report = self.perform(self.scenario(seed: self.seed + UInt64(index)))
            writes += report.counters.writes
            reads += report.counters.reads
            elections += report.counters.elections
            moved += report.counters.removed
            guard report.violation != nil else { continue }
            broken.append(report.scenario.seed)
            if self.shrink, broken.count == 1 { self.shrink(report) }
        }
        if self.seeds > 1 {
            var parts = ["\(self.seeds) runs", "\(broken.count) broken", "elections \(elections)", "writes \(writes)"]
            parts += ["reads \(reads)", "moved \(moved)", "cpu \((Console.processorTime - processorBefore).inSeconds)"]
            if !broken.isEmpty {
                parts.append("broken seeds " + broken.prefix(20).map(String.init).joined(separator: ","))
            }
            Console.say(parts.joined(separator: " | "))
        }
        if !broken.isEmpty { throw ExitCode(1) }
    }

    private func scenario(seed: UInt64) -> ClusterScenario {
        var scenario = ClusterScenario()
        scenario.hosts = self.nodes
        scenario.groups = self.groups
        scenario.shards = self.shards
        scenario.seed = seed
        scenario.duration = self.minutes.duration
        scenario.operations = self.operations
        scenario.faults = self.faults.faults
        scenario.kept = self.keep?.places
        return scenario
    }

    private func shrink(_ report: ClusterReport) {
        guard var shrinker = ClusterShrinker(report) else { return }
        shrinker.shrink()
        let faults = shrinker.scenario.kept?.count ?? shrinker.report.faults
        Console.say("  shrunk in \(shrinker.runs) runs to \(faults) of \(report.faults) faults")
        if let violation = shrinker.report.violation { Console.say("  \(violation)") }
        Console.say("  replay: \(shrinker.scenario.commandLine) --narrate")
    }

    private func perform(_ scenario: ClusterScenario) -> ClusterReport {
        let before = Console.processorTime
        var simulation = ClusterSimulation(scenario, narrating: self.narrate)
        let end = VirtualTime.zero + scenario.duration
        while simulation.now < end, simulation.violation == nil {
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
}

extension ClusterReport {
    fileprivate func line(cpu: Duration) -> String {
        [
            "seed \(self.scenario.seed)",
            "virtual \(self.virtualTime.inSeconds)",
            "events \(self.counters.events)",
            "turns \(self.counters.turns)",
            "frames \(self.counters.frames)",
            "messages \(self.counters.messages)",
            "elections \(self.counters.elections)",
            "writes \(self.counters.writes)",
            "reads \(self.counters.reads)",
            "snapshots \(self.counters.snapshots)",
            "begun \(self.counters.begun)",
            "removed \(self.counters.removed)",
            "transfers \(self.counters.transfers)",
            "turns of actors \(self.counters.partitionTurns)",
            "deliveries \(self.counters.deliveries)",
            "processed \(self.counters.processed)",
            "retries \(self.counters.retries)",
            "unknown \(self.counters.unanswered)",
            "dead letters \(self.counters.deadLetters)",
            self.counters.undecided == 0 ? nil : "undecided \(self.counters.undecided)",
            "trace \(String(self.hash, radix: 16))",
            "cpu \(cpu.inSeconds)",
            "x\(Int(self.virtualTime / max(cpu, .milliseconds(1))))",
            self.kinds.isEmpty ? nil : "faults " + self.kinds.map(\.rawValue).joined(separator: ","),
            self.violation == nil ? "ok" : "BROKEN",
        ].compactMap(\.self).joined(separator: " | ")
    }
}

extension ClusterScenario {
    /// The line that runs exactly this again.
    fileprivate var commandLine: String {
        let size = "--nodes \(self.hosts) --groups \(self.groups) --shards \(self.shards) --seed \(self.seed)"
        let milliseconds = self.duration / .milliseconds(1)
        let words = ["meshsim cluster", size, "--minutes \(milliseconds / 60_000) --operations \(self.operations)"]
        let kept = self.kept.map { "--keep \(PlaceList(places: $0))" }
        return (words + [self.faults.argument, kept].compactMap(\.self)).joined(separator: " ")
    }
}

/// `0-3,7`, or `none`: places in a plan of faults.
struct PlaceList: ExpressibleByArgument, CustomStringConvertible {
    private static let placeMax = 100_000

    var places: Set<Int>

    init(places: Set<Int>) { self.places = places }

    init?(argument: String) {
        self.places = []
        guard argument != "none" else { return }
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), case let first? = ends[0], case let last? = ends[ends.count - 1],
                first <= last, last <= Self.placeMax
            else { return nil }
            self.places.formUnion(first...last)
        }
    }

    var description: String {
        var parts: [String] = []
        var start: Int?
        for place in self.places.sorted() {
            if start == nil { start = place }
            guard let first = start, !self.places.contains(place + 1) else { continue }
            parts.append(first == place ? "\(place)" : "\(first)-\(place)")
            start = nil
        }
        return parts.isEmpty ? "none" : parts.joined(separator: ",")
    }
}
