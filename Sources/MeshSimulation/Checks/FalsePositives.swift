internal import MeshCore

/// In a healthy net no running member is ever called dead; elsewhere such verdicts are counted.
///
/// A false positive, after Lifeguard (Dadgar et al. 2018, § V): the verdict "dead" on a member that runs, of the boot
/// that the verdict names, and at which no fault was aimed in the whole run. Verdicts on members that were paused or
/// cut off are not counted, however wrong. FP counts such verdicts at all members, FP- only at healthy ones.
package struct FalsePositives: Sendable {
    package static let name = "no false death"

    package private(set) var all = 0
    package private(set) var atHealthy = 0
    /// Verdicts on members that ran but were impaired: for the curious.
    package private(set) var onImpaired = 0

    mutating func changed(
        _ change: MemberChange, on host: Int, truth: borrowing Truth, at now: VirtualTime
    ) -> Violation? {
        guard change.to == .dead, truth.isRunning(change.id, boot: change.boot.epoch),
            let life = truth.lives[change.id]
        else { return nil }
        guard !truth.impaired.contains(life.host) else {
            self.onImpaired += 1
            return nil
        }
        self.all += 1
        if !truth.impaired.contains(host) { self.atHealthy += 1 }
        guard truth.isHealthyRun else { return nil }
        return Violation(
            Self.name, at: now, host: host,
            "called host \(life.host) dead (\(change.cause)), which has been running since \(life.since)")
    }
}
