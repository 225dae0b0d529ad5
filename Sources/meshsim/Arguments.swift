internal import ArgumentParser
internal import MeshSimulation

/// `10` or `2.5`, in minutes.
struct Minutes: ExpressibleByArgument {
    var duration: Duration
    init?(argument: String) {
        guard let value = Double(argument), value > 0, value <= 10_000 else { return nil }
        // A run is repeated to the millisecond from the fraction that it was printed with.
        self.duration = .milliseconds(Int64((value * 60_000).rounded()))
    }
    init(_ minutes: Int) { self.duration = .seconds(60 * minutes) }
    var defaultValueDescription: String { "\(self.duration / .seconds(60))" }
}

/// `20` or `20s`, in seconds.
struct Seconds: ExpressibleByArgument {
    var duration: Duration
    init?(argument: String) {
        let text = argument.hasSuffix("s") ? argument.dropLast() : argument[...]
        guard let value = Double(text), value > 0, value <= 100_000 else { return nil }
        self.duration = .milliseconds(Int64(value * 1_000))
    }
}

/// `5%` or `0.05`.
struct Percentage: ExpressibleByArgument {
    var share: Share
    init?(argument: String) {
        let isPercent = argument.hasSuffix("%")
        guard let number = Double(isPercent ? argument.dropLast() : argument[...]) else { return nil }
        let value = isPercent ? number / 100 : number
        guard value >= 0, value <= 1 else { return nil }
        self.share = Share(partsPerMillion: Int(value * 1_000_000 + 0.5))
    }
}

/// `swarm`, `none`, or kinds with commas between them.
struct FaultList: ExpressibleByArgument {
    var faults: Scenario.Faults
    static let none = FaultList(faults: .only([]))

    init(faults: Scenario.Faults) { self.faults = faults }

    init?(argument: String) {
        switch argument {
        case "swarm": self.faults = .swarm
        case "none": self.faults = .only([])
        case "all": self.faults = .only(Set(FaultKind.allCases))
        default:
            var kinds: Set<FaultKind> = []
            for name in argument.split(separator: ",", omittingEmptySubsequences: false) {
                guard let kind = FaultKind(rawValue: String(name)) else { return nil }
                kinds.insert(kind)
            }
            self.faults = .only(kinds)
        }
    }
    static var allValueStrings: [String] { ["none", "swarm", "all"] + FaultKind.allCases.map(\.rawValue) }
    var defaultValueDescription: String { "none" }
}

extension Scenario.Profile: ExpressibleByArgument {}
extension Scenario.Start: ExpressibleByArgument {}

/// What all commands let one choose about a run.
struct ScenarioOptions: ParsableArguments {
    @Option(help: "Members, up to \(Scenario.membersMax).")
    var nodes = 32

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: "How many seeds, one after the other.")
    var seeds = 1

    @Option(help: "Virtual minutes, fractions allowed. The last two push/pull intervals are without faults.")
    var minutes = Minutes(5)

    @Option(help: "Timing parameters and link latencies: lan, local or wan.")
    var profile = Scenario.Profile.lan

    @Option(
        help: """
            joining: host 0 makes the mesh, the others join through three seeds in the first 5 seconds. \
            converged: before time begins, one host gathers what all know and everybody asks it, by real push/pull \
            frames; so everybody knows everybody and nothing is left to be told. Default: converged above 512 members.
            """)
    var start: Scenario.Start?

    @Option(
        help: ArgumentHelp(
            "Kinds of fault: none, all, swarm (each in half of the seeds), or a list.", valueName: "list"))
    var faults = FaultList.none

    @Option(help: ArgumentHelp("Datagrams lost, such as 5% or 0.05.", valueName: "share"))
    var loss: Percentage?

    @Option(help: ArgumentHelp("Members that are stopped and continued again and again.", valueName: "count"))
    var pause = 0

    @Option(help: ArgumentHelp("Cut the mesh in two halves for so long.", valueName: "seconds"))
    var partition: Seconds?

    @Option(help: ArgumentHelp("Processes killed for good, at random moments.", valueName: "count"))
    var crash = 0

    @Option(help: ArgumentHelp("Dynamic fields that each member advertises.", valueName: "count"))
    var capabilities = 2

    @Flag(name: .customLong("no-lifeguard"), help: "Plain SWIM: fixed timeouts, no local health.")
    var noLifeguard = false

    @Flag(name: .customLong("no-hard-evidence"), help: "Nobody reports refused reconnections.")
    var noHardEvidence = false

    func validate() throws {
        guard (2...Scenario.membersMax).contains(self.nodes) else {
            throw ValidationError("--nodes \(self.nodes): 2 to \(Scenario.membersMax) members can be simulated")
        }
        guard self.seeds >= 1 else { throw ValidationError("--seeds \(self.seeds): at least one seed is needed") }
        guard self.seed.addingReportingOverflow(UInt64(self.seeds)).overflow == false else {
            throw ValidationError("--seed \(self.seed) --seeds \(self.seeds): seeds end at \(UInt64.max)")
        }
        for (name, count) in [("--pause", self.pause), ("--crash", self.crash)]
        where count < 0 || count >= self.nodes {
            throw ValidationError("\(name) \(count): of \(self.nodes) members, 0 to \(self.nodes - 1) can be meant")
        }
        guard (0...Scenario.capabilitiesMax).contains(self.capabilities) else {
            throw ValidationError(
                "--capabilities \(self.capabilities): 0 to \(Scenario.capabilitiesMax) can be advertised")
        }
        let scenario = self.scenario(seed: self.seed)
        let shortest = Scenario.durationMin(self.profile, start: scenario.start)
        guard scenario.duration >= shortest else {
            throw ValidationError(
                "--minutes: profile \(self.profile.rawValue) needs at least \(shortest.inSeconds), since a run begins "
                    + "with a mesh that forms and ends with two quiet push/pull intervals")
        }
        if let partition = self.partition, scenario.warmUntil + partition.duration > scenario.healAt {
            throw ValidationError(
                "--partition: it lasts beyond \(scenario.healAt), when all faults are healed; give more --minutes")
        }
    }

    func scenario(seed: UInt64) -> Scenario {
        var scenario = Scenario()
        scenario.members = self.nodes
        scenario.seed = seed
        scenario.duration = self.minutes.duration
        scenario.profile = self.profile
        scenario.start = self.start ?? (self.nodes > 512 ? .converged : .joining)
        scenario.faults = self.faults.faults
        scenario.lifeguard = !self.noLifeguard
        scenario.hardEvidence = !self.noHardEvidence
        scenario.loss = self.loss?.share ?? .none
        scenario.pausedMembers = self.pause
        scenario.partition = self.partition?.duration
        scenario.crashes = self.crash
        scenario.capabilities = self.capabilities
        return scenario
    }
}
