internal import ArgumentParser
internal import MeshSimulation

/// The same seeds, hence the same faults, with and without one part of the failure detector.
struct CompareCommand: ParsableCommand {
    enum Part: String, ExpressibleByArgument, CaseIterable { case lifeguard, evidence }

    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Count false positives with and without a part of the failure detector.",
        discussion: """
            A false positive, after the Lifeguard paper: a member says "dead" of a member that runs and at which no \
            fault was aimed in the whole run. FP counts these verdicts at all members, FP- at healthy members only.

            lifeguard: broken if FP or FP- with Lifeguard is more than 1/20 of that without.
            evidence: broken if hard evidence was ever untrue, or if FP is higher with it in so many more seeds than it \
            is lower that chance alone does so once in a hundred times (sign test). The two runs of a seed part after \
            the first verdict, and a member that is cut off is called dead by all others: sums say little.
            """)

    @Argument(help: "lifeguard or evidence.")
    var part: Part

    @OptionGroup var options: ScenarioOptions

    func run() throws {
        var with = Tally()
        var without = Tally()
        for index in 0..<self.options.seeds {
            var scenario = self.options.scenario(seed: self.options.seed + UInt64(index))
            try with.add(scenario)
            switch self.part {
            case .lifeguard: scenario.lifeguard = false
            case .evidence: scenario.hardEvidence = false
            }
            try without.add(scenario)
        }
        Console.say("with \(self.part.rawValue): \(with.text)")
        Console.say("without: \(without.text)")
        Console.say("ratio: FP \(Self.ratio(with.all, without.all)), FP- \(Self.ratio(with.healthy, without.healthy))")
        let worse = zip(with.perSeed, without.perSeed).count { $0 > $1 }
        let better = zip(with.perSeed, without.perSeed).count { $0 < $1 }
        Console.say("seeds with more FP: \(worse), with fewer: \(better), of \(self.options.seeds)")
        let holds =
            switch self.part {
            case .lifeguard: with.all * 20 <= without.all && with.healthy * 20 <= without.healthy
            case .evidence: !Self.isSignificant(worse: worse, better: better)
            }
        Console.say(holds ? "ok" : "BROKEN")
        if !holds { throw ExitCode(1) }
    }

    /// One-sided sign test at 1 %, by the normal approximation: 2.33 standard deviations.
    private static func isSignificant(worse: Int, better: Int) -> Bool {
        let excess = Double(worse - better)
        return excess > 2.33 * Double(worse + better).squareRoot()
    }

    private static func ratio(_ with: Int, _ without: Int) -> String {
        if without == 0 { return with == 0 ? "none in either" : "\(with) against none" }
        return with == 0 ? "0 of \(without)" : "1/\(without / with) (\(with) of \(without))"
    }
}

/// False positives of many runs under one setting.
private struct Tally {
    var perSeed: [Int] = []
    var healthy = 0
    var impaired = 0
    var detections: [Duration] = []

    mutating func add(_ scenario: Scenario) throws {
        let run = Run.perform(scenario)
        Console.say(run.line)
        if let violation = run.report.violation {
            Console.say("  \(violation)\n  replay: \(scenario.commandLine) --narrate")
            throw ExitCode(1)
        }
        self.perSeed.append(run.report.falsePositives.all)
        self.healthy += run.report.falsePositives.atHealthy
        self.impaired += run.report.falsePositives.onImpaired
        self.detections += run.report.detections
    }

    var all: Int { self.perSeed.reduce(0, +) }

    var text: String {
        "FP \(self.all), FP- \(self.healthy), verdicts on impaired members that ran \(self.impaired), "
            + "detection \(Run.text(self.detections))"
    }
}
