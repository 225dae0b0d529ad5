internal import MeshCore

/// What one process believes of a member never goes back in (boot epoch, incarnation).
struct RecordOrder: Sendable {
    static let name = "records never go back"

    private struct Version: Comparable, Sendable {
        var epoch: UInt64
        var incarnation: UInt32
        static func < (left: Version, right: Version) -> Bool {
            (left.epoch, left.incarnation) < (right.epoch, right.incarnation)
        }
    }

    private var seen: [Int: [NodeID: Version]] = [:]

    mutating func changed(_ change: MemberChange, on host: Int, at now: VirtualTime) -> Violation? {
        let version = Version(epoch: change.boot.epoch, incarnation: change.incarnation)
        if let before = self.seen[host]?[change.id], version < before {
            return Violation(
                Self.name, at: now, host: host,
                "\(change.id.short) went from \(before.epoch).\(before.incarnation) back to "
                    + "\(version.epoch).\(version.incarnation) (\(change.cause))")
        }
        self.seen[host, default: [:]][change.id] = version
        return nil
    }

    /// A new process starts with nothing.
    mutating func forget(observer host: Int) { self.seen[host] = nil }
}
