/// The streams to this node that are open, and what their handshakes proved.
///
/// Whoever holds a key of the mesh can write that another member has started again somewhere else. Only the member itself
/// can prove which boot of it lives, so while a stream to it is open that boot is believed against all gossip, also where
/// it is lower.
struct OpenStreams: Sendable {
    private struct Entry: Sendable {
        var boot: Boot
        var exchanges = RateLimit(pause: .seconds(1), burst: 8)
    }

    private var entries: [NodeID: Entry] = [:]

    func boot(of id: NodeID) -> Boot? { self.entries[id]?.boot }

    mutating func opened(_ id: NodeID, boot: Boot) {
        guard self.entries[id]?.boot != boot else { return }
        self.entries[id] = Entry(boot: boot)
    }

    mutating func closed(_ id: NodeID, boot: Boot) {
        if self.entries[id]?.boot == boot { self.entries[id] = nil }
    }

    /// A question of a few bytes costs a walk over all members and an answer of up to megabytes.
    mutating func allowsExchange(of id: NodeID, at now: Instant) -> Bool {
        self.entries[id]?.exchanges.allows(at: now) ?? true
    }
}
