internal import MeshCore

/// Nodes understand each other: what one encodes another decodes, and a datagram fits where it must.
struct WellFormed: Sendable {
    static let name = "well-formed packets"

    let datagramBytesMax: Int

    func sent(datagramOf bytes: Int, by host: Int, at now: VirtualTime) -> Violation? {
        guard bytes > self.datagramBytesMax || bytes == 0 else { return nil }
        return Violation(
            Self.name, at: now, host: host,
            "sent a datagram of \(bytes) bytes, allowed are 1 to \(self.datagramBytesMax)")
    }

    /// Stale, replayed and misdirected packets are the network's doing; these are ours.
    func refused(_ reason: Membership.RefusalReason, by host: Int, at now: VirtualTime) -> Violation? {
        switch reason {
        case .malformed, .unsupportedVersion, .clonedBoot, .tooOften:
            Violation(Self.name, at: now, host: host, "refused a packet of another node: \(reason.rawValue)")
        case .replayed, .staleBoot, .misdirected, .unknownSender, .impossibleBoot: nil
        }
    }
}
