/// The three members with which this node keeps a stream open, so that somebody sees it when one of them is killed:
/// those of highest rendezvous score (Thaler and Ravishankar 1998), so that a change of membership moves few streams.
struct Neighbours: Sendable {
    static let count = 3

    private struct Candidate: Sendable {
        var id: NodeID
        var score: UInt64
    }

    private let local: NodeID
    /// Best first.
    private var best: [Candidate] = []
    private var told: [NodeID] = []
    private var isStale = false

    init(of local: NodeID) { self.local = local }

    private func candidate(_ id: NodeID) -> Candidate {
        Candidate(id: id, score: sipHash24(words: id.high, id.low, key: (self.local.high, self.local.low)))
    }

    private func precedes(_ left: Candidate, _ right: Candidate) -> Bool {
        left.score != right.score ? left.score > right.score : left.id < right.id
    }

    mutating func arrived(_ id: NodeID) {
        guard id != self.local, !self.isStale else { return }
        let candidate = self.candidate(id)
        let place = self.best.firstIndex { self.precedes(candidate, $0) } ?? self.best.count
        guard place < Self.count else { return }
        self.best.insert(candidate, at: place)
        if self.best.count > Self.count { self.best.removeLast() }
    }

    mutating func went(_ id: NodeID) {
        if self.best.contains(where: { $0.id == id }) { self.isStale = true }
    }

    /// The neighbours, if they are others than before.
    mutating func update(from table: MemberTable) -> [NodeID]? {
        if self.isStale {
            self.isStale = false
            self.best.removeAll(keepingCapacity: true)
            for index in 0..<table.end where table.isUsed(index) && table[index].isLive {
                self.arrived(table[index].id)
            }
        }
        guard !self.best.elementsEqual(self.told, by: { $0.id == $1 }) else { return nil }
        self.told = self.best.map(\.id)
        return self.told
    }
}
