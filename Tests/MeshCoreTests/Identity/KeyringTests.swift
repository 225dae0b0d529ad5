import MeshCore
import Testing

@Suite("the keyring's policy")
struct KeyringTests {
    private let one = KeyID(1)
    private let two = KeyID(2)
    private let three = KeyID(3)
    private let alpha = NodeID(high: 0, low: 1)
    private let beta = NodeID(high: 0, low: 2)

    @Test("a key is installed, used and removed, never the primary")
    func rotation() throws {
        var ring = Keyring(primary: self.one)
        try ring.install(self.two, by: self.alpha)
        #expect(ring.primary == self.one)
        #expect(ring.spare == self.two)
        #expect(throws: KeyringError.unknown(self.three)) { try ring.use(self.three, by: self.alpha) }
        try ring.use(self.two, by: self.alpha)
        #expect(ring.spare == nil)
        #expect(ring.byUse == [self.two, self.one])
        #expect(throws: KeyringError.primary(self.two)) { try ring.remove(self.two, by: self.alpha) }
        try ring.remove(self.one, by: self.alpha)
        #expect(ring.keys == [self.two])
        #expect(throws: KeyringError.unknown(self.one)) { try ring.use(self.one, by: self.alpha) }
        #expect(throws: KeyringError.unknown(self.three)) { try ring.remove(self.three, by: self.alpha) }
    }

    @Test("every step may be repeated and changes nothing then")
    func repeated() throws {
        var ring = Keyring(primary: self.one)
        try ring.install(self.two, by: self.alpha)
        try ring.use(self.two, by: self.alpha)
        try ring.remove(self.one, by: self.alpha)
        let before = ring
        try ring.install(self.two, by: self.beta)
        try ring.use(self.two, by: self.beta)
        try ring.remove(self.one, by: self.beta)
        #expect(ring == before)
    }

    @Test("there is an end to the keys, and to what is remembered of removed ones")
    func limits() throws {
        var ring = Keyring(primary: self.one)
        for value in 2...UInt32(Keyring.keysMax) { try ring.install(KeyID(value), by: self.alpha) }
        #expect(throws: KeyringError.full) { try ring.install(KeyID(99), by: self.alpha) }
        try ring.install(self.two, by: self.alpha)
        for value in 100..<UInt32(300) {
            try ring.remove(ring.keys[1], by: self.alpha)
            try ring.install(KeyID(value), by: self.alpha)
        }
        #expect(ring.keys.count == Keyring.keysMax)
        #expect(ring.entries.count == Keyring.entriesMax)
        #expect(ring.primary == self.one)
    }

    @Test("where a member has claimed the last number, a change is refused rather than made unreadable")
    func lastNumber() throws {
        var ring = Keyring(primary: self.one)
        let last = Keyring.Stamp(counter: Keyring.Stamp.counterMax, origin: self.alpha)
        try ring.merge([Keyring.Entry(id: self.two, changed: last)]) { _ in true }
        let before = ring
        #expect(throws: KeyringError.exhausted) { try ring.use(self.two, by: self.alpha) }
        #expect(throws: KeyringError.exhausted) { try ring.install(self.three, by: self.alpha) }
        #expect(throws: KeyringError.exhausted) { try ring.remove(self.two, by: self.alpha) }
        #expect(ring == before)
    }

    @Test("a node that was away brings no removed key back")
    func removedStaysRemoved() throws {
        var (ring, away) = (Keyring(primary: self.one), Keyring(primary: self.one))
        try ring.install(self.two, by: self.alpha)
        try ring.use(self.two, by: self.alpha)
        try ring.remove(self.one, by: self.alpha)
        let told = away.entries
        #expect(ring.knowsBetter(than: told))
        try ring.merge(told) { _ in true }
        #expect(ring.keys == [self.two])
        try away.merge(ring.entries) { _ in true }
        #expect(away == ring)
        #expect(!ring.knowsBetter(than: away.entries) && !ring.lacks(away.entries))
    }

    @Test("a key without its secret is not taken over, and is seen to lack")
    func secretless() throws {
        var (ring, other) = (Keyring(primary: self.one), Keyring(primary: self.one))
        try other.install(self.two, by: self.beta)
        try ring.merge(other.entries) { $0 == self.one }
        #expect(ring.keys == [self.one])
        #expect(ring.lacks(other.entries))
    }

    @Test("of a use and a removal at the same moment one wins, the same everywhere, and a primary is left")
    func useAgainstRemoval() throws {
        var start = Keyring(primary: self.one)
        try start.install(self.two, by: self.alpha)
        try start.use(self.two, by: self.alpha)
        var (left, right) = (start, start)
        try left.remove(self.one, by: self.alpha)
        try right.use(self.one, by: self.beta)
        var (leftFirst, rightFirst) = (left, right)
        try leftFirst.merge(right.entries) { _ in true }
        try rightFirst.merge(left.entries) { _ in true }
        #expect(leftFirst == rightFirst)
        // Equal clocks: the higher origin's word counts.
        #expect(leftFirst.primary == self.one)
    }

    @Test("a merge that would leave no key is refused whole")
    func nothingLeft() throws {
        var (ring, other) = (Keyring(primary: self.one), Keyring(primary: self.one))
        try other.install(self.two, by: self.beta)
        try other.use(self.two, by: self.beta)
        try other.remove(self.one, by: self.beta)
        let before = ring
        #expect(throws: KeyringError.nothingLeft) { try ring.merge(other.entries) { $0 == self.one } }
        #expect(ring == before)
    }

    /// Copies on four nodes, changed at random and merged pairwise at random, as operators and partitions might.
    @Test(
        "copies that have told each other everything are equal, whatever was done in which order",
        arguments: 0..<64 as Range<UInt64>)
    func convergence(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        var rings = [Keyring](repeating: Keyring(primary: self.one), count: 4)
        var lastKey: UInt32 = 1
        for _ in 0..<200 {
            let (index, other) = (Int(random.next() % 4), Int(random.next() % 4))
            let node = NodeID(high: 0, low: UInt64(index))
            let key = rings[index].keys[Int(random.next() % UInt64(rings[index].keys.count))]
            switch random.next() % 6 {
            case 0:
                lastKey += 1
                try? rings[index].install(KeyID(lastKey), by: node)
            case 1: try? rings[index].use(key, by: node)
            case 2: try? rings[index].remove(key, by: node)
            default: try? rings[index].merge(rings[other].entries) { _ in true }
            }
            #expect(1...Keyring.keysMax ~= rings[index].keys.count)
        }
        // Two rounds: the first may leave too many keys somewhere, which the second tells.
        for _ in 0..<2 {
            for index in 0..<4 { for other in 0..<4 { try rings[index].merge(rings[other].entries) { _ in true } } }
        }
        #expect(Set(rings).count == 1, "\(rings.map(\.keys)) from seed \(seed)")
    }

    @Test("what is advertised is read back, and nonsense is not")
    func summary() throws {
        var ring = Keyring(primary: KeyID(0xFF00_0001))
        try ring.install(self.two, by: self.alpha)
        #expect(KeySummary(ring).text == "ff000001,00000002")
        #expect(KeySummary(KeySummary(ring).text) == KeySummary(ring))
        for text in ["", ",", "ff000001,", "ff00001", "ff000001,ff000001", "+f000001", "zz000001"] {
            #expect(KeySummary(text) == nil, "\(text)")
        }
        let nine = (1...9).map { KeyID($0).description }.joined(separator: ",")
        #expect(KeySummary(nine) == nil)
    }
}

@Suite("when a step of a rotation is safe")
struct KeyRotationTests {
    private let old = KeyID(1)
    private let new = KeyID(2)

    private func ring(using key: KeyID) throws -> Keyring {
        var ring = Keyring(primary: self.old)
        try ring.install(self.new, by: NodeID(high: 0, low: 1))
        try ring.use(key, by: NodeID(high: 0, low: 1))
        return ring
    }

    private func witness(
        _ name: String, _ presence: KeyRotation.Witness.Presence, _ keys: String?
    ) -> KeyRotation.Witness {
        KeyRotation.Witness(name: name, presence: presence, keys: keys.flatMap { KeySummary($0) })
    }

    @Test("a key is used when every live member is known to have it; the absent come back under the old one")
    func use() {
        let witnesses = [
            self.witness("both", .alive, "00000001,00000002"), self.witness("old", .alive, "00000001"),
            self.witness("silent", .alive, nil), self.witness("dead", .away, "00000001"),
            self.witness("gone", .left, nil),
        ]
        #expect(KeyRotation.cutOff(byUsing: self.new, witnesses).map(\.name) == ["old", "silent"])
    }

    @Test("a key is removed when nobody seals with it and everybody, the absent too, is known to have another")
    func remove() throws {
        let witnesses = [
            self.witness("followed", .alive, "00000002,00000001"), self.witness("behind", .alive, "00000001,00000002"),
            self.witness("silent", .alive, nil), self.witness("dead", .away, "00000001"),
            self.witness("unknown", .away, nil), self.witness("away", .away, "00000001,00000002"),
            self.witness("gone", .left, "00000001"),
        ]
        let cut = KeyRotation.cutOff(byRemoving: self.old, from: try self.ring(using: self.new), witnesses)
        #expect(cut.map(\.name) == ["behind", "silent", "dead", "unknown"])
    }
}
