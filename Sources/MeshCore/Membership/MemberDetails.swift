/// What a node keeps only of members to whom something happened: history and round trips.
struct MemberDetails: Sendable {
    static let changesMax = 16

    private(set) var changes: [MemberChange] = []
    var roundTrips = RecentRoundTrips()
    var path = DatagramPath()
    /// Who said that the member is dead.
    var accuser: NodeID?

    mutating func append(_ change: MemberChange) {
        if self.changes.count == Self.changesMax { self.changes.removeFirst() }
        self.changes.append(change)
    }
}

/// The last eight, in microseconds.
struct RecentRoundTrips: Sendable {
    private var samples: InlineArray<8, UInt32> = .init(repeating: 0)
    private var total = 0

    mutating func append(_ sample: UInt32) {
        self.samples[self.total & 7] = sample
        self.total += 1
    }

    /// Newest last.
    var all: [Duration] {
        (max(0, self.total - 8)..<self.total).map { .microseconds(Int64(self.samples[$0 & 7])) }
    }
}
