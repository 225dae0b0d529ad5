/// A total divided in proportion to weights, where everyone has a least and a most: what goes over a bound is divided among
/// the others, until nobody is over any (as CSS resolves flexible lengths).
func fairShares(of total: Int, weights: [Int], bounds: [ClosedRange<Int>]) -> [Int] {
    var shares = Array(repeating: 0, count: weights.count)
    var open = Array(weights.indices)
    while !open.isEmpty {
        let weight = open.reduce(0) { $0 + weights[$1] }
        let fixed = weights.indices.reduce(0) { $0 + shares[$1] } - open.reduce(0) { $0 + shares[$1] }
        let rest = max(0, total - fixed)
        for place in open { shares[place] = weight == 0 ? 0 : rest * weights[place] / weight }
        let above = open.filter { shares[$0] > bounds[$0].upperBound }
        let below = open.filter { shares[$0] < bounds[$0].lowerBound }
        let tooMuch = above.reduce(0) { $0 + shares[$1] - bounds[$1].upperBound }
        let tooLittle = below.reduce(0) { $0 + bounds[$1].lowerBound - shares[$1] }
        // Only the side that is further off is settled: the other may mend itself by that.
        let settled = tooMuch >= tooLittle ? above : below
        for place in settled {
            shares[place] = tooMuch >= tooLittle ? bounds[place].upperBound : bounds[place].lowerBound
        }
        if settled.isEmpty { break }
        open.removeAll { settled.contains($0) }
    }
    return shares
}

/// What each of several holders has, and what it should have.
struct LoadBalance {
    /// In thousandths, since a share is seldom whole.
    let shares: [Int]
    private(set) var loads: [Int]

    init(shares: [Int], loads: [Int]) {
        self.shares = shares.map { max($0, 1) }
        self.loads = loads
    }

    /// Bounded load (Mirrokni, Thorup and Zadimoghaddam 2018): a tenth more than the share, in whole ones.
    func isFull(_ holder: Int) -> Bool { self.loads[holder] + 1 > self.most(holder) }
    func isOver(_ holder: Int) -> Bool { self.loads[holder] > self.most(holder) }
    /// More than a tenth below its share.
    func isUnder(_ holder: Int) -> Bool { self.loads[holder] < self.shares[holder] * 9 / 10_000 }

    private func most(_ holder: Int) -> Int { (self.shares[holder] * 11 + 9_999) / 10_000 }

    /// Whether giving one to the other brings both together nearer to their shares: the sum of load²/share falls, so
    /// moves that are worth it come to an end.
    func isWorth(_ giver: Int, _ taker: Int) -> Bool {
        (2 * self.loads[taker] + 1) * self.shares[giver] < (2 * self.loads[giver] - 1) * self.shares[taker]
    }

    /// Whether one has more of its share than the other.
    func isFuller(_ left: Int, than right: Int) -> Bool {
        let (a, b) = (self.loads[left] * self.shares[right], self.loads[right] * self.shares[left])
        return a != b ? a > b : left < right
    }

    mutating func add(_ holder: Int) { self.loads[holder] += 1 }
    mutating func remove(_ holder: Int) { self.loads[holder] -= 1 }

    /// Moves one at a time from whoever has too much or to whoever has too little, the fullest and the emptiest first, for
    /// as long as `move` finds something to move that is worth it.
    mutating func even(_ move: (_ giver: Int, _ taker: Int) -> Bool) {
        while let (giver, taker) = self.pair(move) {
            self.remove(giver)
            self.add(taker)
        }
    }

    private func pair(_ move: (_ giver: Int, _ taker: Int) -> Bool) -> (Int, Int)? {
        let order = self.loads.indices.sorted { self.isFuller($0, than: $1) }
        for giver in order where self.isOver(giver) {
            for taker in order.reversed() where self.isWorth(giver, taker) && !self.isFull(taker) {
                if move(giver, taker) { return (giver, taker) }
            }
        }
        for taker in order.reversed() where self.isUnder(taker) {
            for giver in order where self.isWorth(giver, taker) && !self.isUnder(giver) {
                if move(giver, taker) { return (giver, taker) }
            }
        }
        return nil
    }
}
