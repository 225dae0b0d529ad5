/// How far the clocks of a place are ahead of UTC, and when that changes.
///
/// Data, not a name: which changes "Europe/Berlin" has is known to the machine's time zone database, which differs between
/// machines and changes with politics. Whoever schedules reads it; what is scheduled is then the same everywhere.
package struct ZoneOffsets: Hashable, Sendable {
    package struct Change: Hashable, Sendable {
        /// In seconds since 1970.
        package var at: Int64
        /// In seconds, from then on.
        package var offset: Int64

        package init(at: Int64, offset: Int64) {
            self.at = at
            self.offset = offset
        }
    }

    /// Clocks are at most a day apart from UTC (in fact 14 hours).
    package static let offsets: ClosedRange<Int64> = -86_400...86_400

    package static let utc = ZoneOffsets(first: 0)

    /// Before the first change.
    package let first: Int64
    package let changes: [Change]

    /// Nil if the changes are not in order or an offset is impossible.
    package init?(first: Int64, changes: [Change]) {
        let isOrdered = zip(changes, changes.dropFirst()).allSatisfy { $0.at < $1.at }
        guard isOrdered, Self.offsets.contains(first), changes.allSatisfy({ Self.offsets.contains($0.offset) }) else {
            return nil
        }
        self.first = first
        self.changes = changes
    }

    /// A fixed one: `3600` is an hour ahead of UTC.
    private init(first: Int64) {
        self.first = first
        self.changes = []
    }

    /// A stretch of time in which the clocks run evenly.
    struct Period {
        /// Nil is since ever.
        var start: Int64?
        /// Nil is for ever.
        var end: Int64?
        var offset: Int64
        /// Before `start`.
        var offsetBefore: Int64
    }

    /// From the one that `second` lies in.
    func periods(from second: Int64) -> some Sequence<Period> {
        let index = self.changes.firstIndex { $0.at > second } ?? self.changes.count
        return (index...self.changes.count).lazy.map { index in
            Period(
                start: index == 0 ? nil : self.changes[index - 1].at,
                end: index < self.changes.count ? self.changes[index].at : nil,
                offset: index == 0 ? self.first : self.changes[index - 1].offset,
                offsetBefore: index < 2 ? self.first : self.changes[index - 2].offset)
        }
    }
}
