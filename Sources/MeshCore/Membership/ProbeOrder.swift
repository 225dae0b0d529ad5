/// Whom to probe next: every live member once per round, in an order shuffled for each round (SWIM, 4.3), which
/// bounds the time until a crash is first noticed. It doubles as the pool from which random members are drawn.
///
/// Members that died stay until the round reaches them; whoever draws checks the state.
struct ProbeOrder: Sendable {
    private(set) var members: [UInt32] = []
    private var cursor = 0

    var isEmpty: Bool { self.members.isEmpty }
    var count: Int { self.members.count }

    /// A newcomer gets a random place in what is left of this round.
    mutating func insert(_ index: Int, using random: inout RandomSource) {
        self.members.append(UInt32(index))
        let last = self.members.count - 1
        self.members.swapAt(self.cursor + random.below(last - self.cursor + 1), last)
    }

    /// The next live member; `table` forgets that the dead ones met on the way were here.
    mutating func next(in table: inout MemberTable, using random: inout RandomSource) -> Int? {
        while !self.members.isEmpty {
            if self.cursor >= self.members.count {
                self.members.shuffle(using: &random)
                self.cursor = 0
            }
            let index = Int(self.members[self.cursor])
            if table[index].isLive {
                self.cursor += 1
                return index
            }
            table[index].flags.remove(.inOrder)
            self.members.swapAt(self.cursor, self.members.count - 1)
            self.members.removeLast()
        }
        return nil
    }

    /// Before an index can name another member.
    mutating func remove(_ index: Int) {
        guard let place = self.members.firstIndex(of: UInt32(index)) else { return }
        self.members.remove(at: place)
        if place < self.cursor { self.cursor -= 1 }
    }
}

extension RandomSource {
    /// A number from 0 to `bound - 1` by multiply and shift (Lemire 2019); the bias is below 2^-32 for any mesh.
    mutating func below(_ bound: Int) -> Int {
        Int(self.next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A moment within `duration`, so that nodes started together do not act together.
    mutating func within(_ duration: Duration) -> Duration {
        .nanoseconds(Int64(self.below(max(1, Int(duration.nanoseconds)))))
    }
}
