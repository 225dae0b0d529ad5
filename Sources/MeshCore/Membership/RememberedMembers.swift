/// Members of an earlier boot: addresses to try, not beliefs. Each is tried with growing pauses for a day, so that a
/// mesh that went down as a whole finds itself again whatever comes up first.
struct RememberedMembers: Sendable {
    static let membersMax = 256
    static let pauseMax = Duration.seconds(30)
    static let patience = Duration.seconds(24 * 3600)
    private static let atOnce = 3

    private struct Entry: Sendable {
        var id: NodeID
        var endpoint: Endpoint
        var tryAt: Instant
        var pause: Duration
        var until: Instant
    }

    private var entries: [Entry] = []

    var isEmpty: Bool { self.entries.isEmpty }
    var due: Instant { self.entries.reduce(.distantFuture) { min($0, $1.tryAt) } }

    mutating func add(_ members: [MemberDescription], firstPause: Duration, at now: Instant) {
        for member in members where self.entries.count < Self.membersMax {
            self.entries.append(
                Entry(
                    id: member.id, endpoint: member.endpoint, tryAt: now, pause: firstPause,
                    until: now + Self.patience))
        }
    }

    /// The next few to contact.
    mutating func take(at now: Instant, unless isKnown: (NodeID) -> Bool) -> [(id: NodeID, endpoint: Endpoint)] {
        self.entries.removeAll { $0.until <= now || isKnown($0.id) }
        var taken: [(id: NodeID, endpoint: Endpoint)] = []
        for place in self.entries.indices where self.entries[place].tryAt <= now && taken.count < Self.atOnce {
            taken.append((self.entries[place].id, self.entries[place].endpoint))
            self.entries[place].tryAt = now + self.entries[place].pause
            self.entries[place].pause = min(self.entries[place].pause * 2, Self.pauseMax)
        }
        return taken
    }
}
