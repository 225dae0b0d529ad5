/// Makes a run that breaks something smaller: fewer nodes, groups, operations and faults, as long as the same check breaks.
///
/// Faults go by delta debugging (Zeller and Hildebrandt 2002): halves first, then ever smaller parts. Less of everything else is
/// another run of the same seed, tried because it often breaks too and is easier to read.
package struct ClusterShrinker {
    package private(set) var scenario: ClusterScenario
    package private(set) var report: ClusterReport
    package private(set) var runs = 0
    private let runsMax: Int
    private let check: String

    /// Nil if the run breaks nothing.
    package init?(_ report: ClusterReport, runsMax: Int = 200) {
        guard let violation = report.violation else { return nil }
        self.scenario = report.scenario
        self.report = report
        self.check = violation.check
        self.runsMax = runsMax
    }

    package mutating func shrink() {
        self.reduce { $0.hosts -= 1 }
        self.reduce { $0.groups -= 1 }
        self.reduce { $0.shards -= 1 }
        self.reduce { $0.operations /= 2 }
        self.reduce { $0.duration -= .seconds(10) }
        self.dropFaults()
    }

    /// Keeps a change, and makes it again, as long as the run still breaks.
    private mutating func reduce(_ change: (inout ClusterScenario) -> Void) {
        while true {
            var smaller = self.scenario
            change(&smaller)
            guard smaller.isPossible, self.breaks(smaller) else { return }
        }
    }

    private mutating func dropFaults() {
        var kept = Array(self.scenario.kept?.sorted() ?? Array(0..<self.report.faults))
        var size = max(1, kept.count / 2)
        while !kept.isEmpty {
            var start = 0
            var hasShrunk = false
            while start < kept.count {
                var fewer = kept
                fewer.removeSubrange(start..<min(start + size, kept.count))
                var smaller = self.scenario
                smaller.kept = Set(fewer)
                if self.breaks(smaller) {
                    kept = fewer
                    hasShrunk = true
                } else {
                    start += size
                }
            }
            if size == 1, !hasShrunk { return }
            size = max(1, min(size / 2, kept.count))
        }
    }

    private mutating func breaks(_ scenario: ClusterScenario) -> Bool {
        guard self.runs < self.runsMax else { return false }
        self.runs += 1
        var simulation = ClusterSimulation(scenario)
        let report = simulation.run()
        guard report.violation?.check == self.check else { return false }
        self.scenario = scenario
        self.report = report
        return true
    }
}

extension ClusterScenario {
    fileprivate var isPossible: Bool {
        self.hosts >= 3 && self.groups >= 1 && self.shards >= 1 && self.operations >= 1
            && self.duration >= .seconds(30)
    }
}
