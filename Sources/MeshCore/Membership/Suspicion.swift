/// An accusation that its subject has not refuted yet (Lifeguard, 4.2).
///
/// It starts with the longest patience, because the accuser may be the one that is ill, and loses it with every
/// independent confirmation.
package struct Suspicion: Sendable {
    /// The accuser, then those who confirmed, all different.
    package private(set) var accusers: [NodeID]
    private(set) var startedAt: Instant
    /// On hard evidence the patience is this, whatever the confirmations.
    package var evidencePatience: Duration?
    private let minimum: Duration
    private let maximum: Duration
    private let confirmationsWanted: Int

    package init(by accuser: NodeID, members: Int, configuration: Membership.Configuration, at now: Instant) {
        self.accusers = [accuser]
        self.startedAt = now
        let scale = max(1 << 16, log10Fixed(max(1, members)))
        let nanoseconds = configuration.probeInterval.nanoseconds * Int64(configuration.suspicionMultiplier)
        self.minimum = .nanoseconds(nanoseconds * Int64(scale) / 65_536)
        self.maximum =
            configuration.lifeguard ? self.minimum * configuration.suspicionMaxMultiplier : self.minimum
        // Two of the members are the accuser and the accused: the others must be enough to confirm.
        let wanted = max(0, configuration.suspicionMultiplier - 2)
        self.confirmationsWanted = configuration.lifeguard && members - 2 >= wanted ? wanted : 0
    }

    package var confirmations: ArraySlice<NodeID> { self.accusers.dropFirst() }

    /// max(min, max − (max − min) · ln(C + 1) / ln(K + 1)); a mesh too small to confirm goes by the minimum.
    package var deadline: Instant {
        if let patience = self.evidencePatience { return self.startedAt + patience }
        guard self.confirmationsWanted > 0 else { return self.startedAt + self.minimum }
        let told = log2Fixed(min(self.confirmations.count, self.confirmationsWanted) + 1)
        let all = log2Fixed(self.confirmationsWanted + 1)
        let span = (self.maximum - self.minimum).nanoseconds
        let shortened = Duration.nanoseconds(span * Int64(told) / Int64(all))
        return self.startedAt + max(self.minimum, self.maximum - shortened)
    }

    /// False: that node has accused already, or there are confirmations enough.
    package mutating func confirm(by accuser: NodeID) -> Bool {
        guard self.confirmations.count < self.confirmationsWanted, !self.accusers.contains(accuser) else {
            return false
        }
        self.accusers.append(accuser)
        return true
    }

    package mutating func postpone(by duration: Duration) { self.startedAt = self.startedAt + duration }

    package mutating func restart(at now: Instant) { self.startedAt = now }
}
