internal import MeshCore

/// A crash is known by every live node within a bound.
///
/// Stated in the protocol's own terms, so that it follows the profile and the size of the mesh:
/// - **p99 bound**, over many crashes: 6 probe intervals until somebody's probe has failed (nobody probes a given
///   member in an interval with probability 1/e, and e^-5 < 1 %), then the suspicion's minimum and as much again for
///   its confirmations to come in, then the gossip: log2 N + 4 rounds.
/// - **hard bound**, each crash: 12 probe intervals, the suspicion's maximum, twice the gossip.
///
/// Both are promises of an undisturbed network; in runs with cuts, pauses or loss the latencies are only reported.
package struct DetectionBound: Sendable {
    static let name = "detection within its bound"

    private struct Crash: Sendable {
        var id: NodeID
        var boot: Boot
        var host: Int
        var at: VirtualTime
        /// Live nodes that have not said "dead" yet.
        var unaware: Set<Int>
        var first: Duration?
        var last: Duration?
    }

    package let p99: Duration
    package let hard: Duration
    /// Crash to the last live node's verdict, in order of completion.
    package private(set) var latencies: [Duration] = []
    /// Crash to the first verdict.
    package private(set) var firstLatencies: [Duration] = []
    private var open: [Crash] = []

    init(scenario: Scenario) {
        // From the profile, not from a configuration that a mutation spoiled.
        let configuration = scenario.profile.configuration
        let members = scenario.members
        let interval = configuration.probeInterval
        let minimum = interval * configuration.suspicionMultiplier * max(1, logarithm10Ceiling(members))
        let gossip = configuration.gossipInterval * (members.bitWidth - members.leadingZeroBitCount + 4)
        self.p99 = interval * 6 + minimum * 2 + gossip
        self.hard = interval * 12 + minimum * configuration.suspicionMaxMultiplier + gossip * 2
    }

    mutating func killed(_ id: NodeID, boot: Boot, witnesses: [Int], on host: Int, at now: VirtualTime) {
        let others = Set(witnesses).subtracting([host])
        guard !others.isEmpty else { return }
        self.open.append(Crash(id: id, boot: boot, host: host, at: now, unaware: others))
    }

    /// It came back before everybody knew; what they say of its old life is no detection any more.
    mutating func restarted(_ id: NodeID) { self.open.removeAll { $0.id == id } }

    mutating func changed(
        _ change: MemberChange, on host: Int, truth: borrowing Truth, at now: VirtualTime
    ) -> Violation? {
        guard change.to == .dead || change.to == .left,
            let index = self.open.firstIndex(where: { $0.id == change.id && $0.boot.epoch == change.boot.epoch })
        else { return nil }
        let latency = now - self.open[index].at
        self.open[index].first = self.open[index].first ?? latency
        self.open[index].last = latency
        self.open[index].unaware.remove(host)
        return self.close(index, isHealthyRun: truth.isHealthyRun, at: now)
    }

    mutating func witnessGone(_ host: Int, at now: VirtualTime) -> Violation? {
        for index in self.open.indices.reversed() {
            self.open[index].unaware.remove(host)
            _ = self.close(index, isHealthyRun: false, at: now)
        }
        return nil
    }

    mutating func finish(at now: VirtualTime, truth: borrowing Truth) -> Violation? {
        for crash in self.open where truth.isHealthyRun && now - crash.at > self.hard {
            return self.violation(crash, after: now - crash.at, at: now)
        }
        return nil
    }

    private mutating func close(_ index: Int, isHealthyRun: Bool, at now: VirtualTime) -> Violation? {
        let crash = self.open[index]
        guard crash.unaware.isEmpty else { return nil }
        self.open.remove(at: index)
        guard let first = crash.first, let last = crash.last else { return nil }
        self.firstLatencies.append(first)
        self.latencies.append(last)
        return isHealthyRun && last > self.hard ? self.violation(crash, after: last, at: now) : nil
    }

    private func violation(_ crash: Crash, after latency: Duration, at now: VirtualTime) -> Violation {
        let unaware = crash.unaware.sorted().prefix(8).map(String.init).joined(separator: ", ")
        return Violation(
            Self.name, at: now, host: crash.host,
            "the crash at \(crash.at) took \(latency.inSeconds) and more, allowed are \(self.hard.inSeconds)"
                + (unaware.isEmpty ? "" : "; unaware: \(unaware)"))
    }
}

/// Rounded up, for a bound: 1 for 2 to 10, 2 for 11 to 100.
private func logarithm10Ceiling(_ value: Int) -> Int {
    var (power, exponent) = (1, 0)
    while power < value { (power, exponent) = (power * 10, exponent + 1) }
    return exponent
}
