internal import MeshCore

/// What came of a run.
package struct RunReport: Sendable {
    package let scenario: Scenario
    package let kinds: [FaultKind]
    package let violation: Violation?
    package let virtualTime: Duration
    package let hash: UInt64
    package let counters: Counters
    /// Crash to the last live node's verdict.
    package let detections: [Duration]
    package let firstDetections: [Duration]
    package let detectionP99Bound: Duration
    package let falsePositives: FalsePositives
    package let missedEvents: Int
    package let isHealthyRun: Bool

    init(_ simulation: borrowing MembershipSimulation) {
        self.scenario = simulation.scenario
        self.kinds = FaultKind.allCases.filter(simulation.plan.kinds.contains)
        self.violation = simulation.checks.violation
        self.virtualTime = simulation.now - .zero
        self.hash = simulation.trace.hash
        self.counters = simulation.counters
        self.detections = simulation.checks.detection.latencies
        self.firstDetections = simulation.checks.detection.firstLatencies
        self.detectionP99Bound = simulation.checks.detection.p99
        self.falsePositives = simulation.checks.falsePositives
        self.missedEvents = simulation.checks.news.missed
        self.isHealthyRun = simulation.truth.isHealthyRun
    }

    /// Datagrams and stream frames, before sealing.
    package var bytesPerMemberAndSecond: Int {
        let seconds = max(1, Int(self.virtualTime / .seconds(1)))
        return (self.counters.datagramBytes + self.counters.frameBytes) / self.scenario.members / seconds
    }

    /// The nearest-rank percentile.
    package static func percentile(_ percent: Int, of durations: [Duration]) -> Duration? {
        guard !durations.isEmpty else { return nil }
        let rank = (durations.count * percent + 99) / 100
        return durations.sorted()[max(0, rank - 1)]
    }
}
