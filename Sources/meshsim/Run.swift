internal import MeshSimulation

/// One run and what it cost here.
struct Run {
    let report: RunReport
    let wall: Duration
    /// Processor time: the honest figure on a machine that does other things too.
    let processor: Duration
    /// Growth of resident memory per (member, known member); nil where the mesh is too small to tell.
    let stateBytes: Int?

    static func perform(_ scenario: Scenario, narrating: Bool = false) -> Run {
        let clock = ContinuousClock()
        let start = clock.now
        let processorBefore = Console.processorTime
        let residentBefore = Console.residentBytes
        var simulation = MembershipSimulation(scenario, narrating: narrating)
        let end = VirtualTime.zero + scenario.duration
        while simulation.now < end, simulation.checks.violation == nil {
            simulation.run(until: min(end, simulation.now + .seconds(1)))
            for line in simulation.narrative.drain() { Console.say(line) }
        }
        let growth = Console.residentBytes - residentBefore
        let report = simulation.finish()
        let stateBytes = scenario.members >= 500 ? growth / (scenario.members * scenario.members) : nil
        return Run(
            report: report, wall: clock.now - start, processor: Console.processorTime - processorBefore,
            stateBytes: stateBytes)
    }

    var line: String {
        let counters = self.report.counters
        let speed = Int(self.report.virtualTime / max(self.processor, .milliseconds(1)))
        return [
            "seed \(self.report.scenario.seed)",
            "members \(self.report.scenario.members)",
            "virtual \(self.report.virtualTime.inSeconds)",
            "events \(counters.events)",
            "packets \(counters.datagrams)",
            "B/member/s \(self.report.bytesPerMemberAndSecond)",
            "state B/known \(self.stateBytes.map(String.init) ?? "-")",
            "detection \(Self.text(self.report.detections))",
            "false positives \(self.report.falsePositives.all)",
            "trace \(hexadecimal(self.report.hash))",
            "wall \(self.wall.inSeconds)",
            "cpu \(self.processor.inSeconds)",
            "x\(speed)",
            self.report.kinds.isEmpty ? nil : "faults " + self.report.kinds.map(\.rawValue).joined(separator: ","),
            self.report.violation == nil ? "ok" : "BROKEN",
        ].compactMap(\.self).joined(separator: " | ")
    }

    static func text(_ detections: [Duration]) -> String {
        guard let median = RunReport.percentile(50, of: detections),
            let slow = RunReport.percentile(99, of: detections)
        else { return "-" }
        return "p50 \(median.inSeconds) p99 \(slow.inSeconds) (\(detections.count))"
    }

    private func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Many runs together.
struct Summary {
    private var runs = 0
    private var broken: [UInt64] = []
    private var healthyDetections: [Duration] = []
    private var p99Bound: Duration?
    private var falsePositives = 0
    private var missedEvents = 0
    private var packets = 0

    mutating func add(_ report: RunReport) {
        self.runs += 1
        self.packets += report.counters.datagrams
        self.falsePositives += report.falsePositives.all
        self.missedEvents += report.missedEvents
        if report.violation != nil { self.broken.append(report.scenario.seed) }
        if report.isHealthyRun {
            self.healthyDetections += report.detections
            self.p99Bound = report.detectionP99Bound
        }
    }

    /// The p99 bound needs enough crashes to have a 99th percentile.
    private var isSlow: Bool {
        guard self.healthyDetections.count >= 100, let bound = self.p99Bound,
            let p99 = RunReport.percentile(99, of: self.healthyDetections)
        else { return false }
        return p99 > bound
    }

    var isBroken: Bool { !self.broken.isEmpty || self.isSlow }

    var text: String {
        var parts = [
            "\(self.runs) runs", "\(self.broken.count) broken", "packets \(self.packets)",
            "false positives \(self.falsePositives)", "user events missed \(self.missedEvents)",
            "detection in healthy runs \(Run.text(self.healthyDetections))",
        ]
        if let bound = self.p99Bound { parts.append("p99 bound \(bound.inSeconds)\(self.isSlow ? " EXCEEDED" : "")") }
        if !self.broken.isEmpty {
            parts.append("broken seeds " + self.broken.prefix(20).map(String.init).joined(separator: ","))
        }
        return parts.joined(separator: " | ")
    }
}

extension Scenario {
    /// The line that runs exactly this again.
    var commandLine: String {
        var words = ["meshsim membership --nodes \(self.members) --seed \(self.seed)"]
        words.append("--minutes \(self.duration / .seconds(60)) --profile \(self.profile.rawValue)")
        words.append("--start \(self.start.rawValue)")
        switch self.faults {
        case .swarm: words.append("--faults swarm")
        case .only(let kinds) where !kinds.isEmpty:
            words.append("--faults " + FaultKind.allCases.filter(kinds.contains).map(\.rawValue).joined(separator: ","))
        case .only: break
        }
        if self.loss > .none { words.append("--loss \(Double(self.loss.partsPerMillion) / 1_000_000)") }
        if self.pausedMembers > 0 { words.append("--pause \(self.pausedMembers)") }
        if let partition = self.partition { words.append("--partition \(partition / .seconds(1))") }
        if self.crashes > 0 { words.append("--crash \(self.crashes)") }
        if self.capabilities != Scenario().capabilities { words.append("--capabilities \(self.capabilities)") }
        if !self.lifeguard { words.append("--no-lifeguard") }
        if !self.hardEvidence { words.append("--no-hard-evidence") }
        return words.joined(separator: " ")
    }
}
