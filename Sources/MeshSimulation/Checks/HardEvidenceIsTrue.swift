internal import MeshCore

/// Hard evidence is what it says: no running boot is ever called dead because of it, whatever else goes wrong.
struct HardEvidenceIsTrue: Sendable {
    static let name = "hard evidence is true"

    func changed(
        _ change: MemberChange, on host: Int, truth: borrowing Truth, at now: VirtualTime
    ) -> Violation? {
        guard change.to == .dead, change.cause == .hardEvidence, truth.isRunning(change.id, boot: change.boot.epoch)
        else { return nil }
        return Violation(
            Self.name, at: now, host: host,
            "called \(change.id.short) dead by hard evidence, and boot \(change.boot.epoch) of it is running")
    }
}
