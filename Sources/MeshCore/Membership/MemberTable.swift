/// All members a node knows, in dense storage: an index names a member until it is removed.
///
/// The index from ids is an open-addressing table of 32-bit slots (linear probing, deletion by shifting back; Knuth
/// 6.4, algorithm R) at most half full: 8 bytes a member, where a `Dictionary` takes five times that.
struct MemberTable: Sendable {
    /// Beyond this a stranger is not taken in; far above what gossip is meant for.
    static let membersMax = 65_536
    private static let empty = UInt32.max

    private var records: [MemberRecord] = []
    private var store = ByteStore()
    private var vacant: [UInt32] = []
    private var slots: [UInt32]
    private var mask: Int
    /// Mixed into every hash, so that ids cannot be chosen to collide.
    private let salt: UInt64

    init(salt: UInt64) {
        self.salt = salt
        self.slots = Array(repeating: Self.empty, count: 16)
        self.mask = 15
    }

    var count: Int { self.records.count - self.vacant.count }

    /// Indices in use lie below this.
    var end: Int { self.records.count }

    subscript(index: Int) -> MemberRecord {
        get { self.records[index] }
        _modify { yield &self.records[index] }
    }

    func find(_ id: NodeID) -> Int? {
        var slot = self.home(id)
        while true {
            let index = self.slots[slot]
            if index == Self.empty { return nil }
            if self.records[Int(index)].id == id { return Int(index) }
            slot = (slot + 1) & self.mask
        }
    }

    /// Whether an index names a member; a removed one's index waits for its next use.
    func isUsed(_ index: Int) -> Bool { !self.records[index].flags.contains(.vacant) }

    func labels(of index: Int) -> ArraySlice<UInt8> { self.store[self.records[index].labels] }

    mutating func setLabels(of index: Int, to labels: [UInt8]) {
        self.store.replace(&self.records[index].labels, with: labels)
        self.compact()
    }

    func fields(of index: Int) -> FieldList { FieldList(bytes: self.store[self.records[index].fields]) }

    mutating func setFields(of index: Int, to fields: [UInt8]) {
        self.store.replace(&self.records[index].fields, with: fields)
        self.compact()
    }

    mutating func setFieldBytes(_ value: UInt32, at offset: Int, of index: Int) {
        self.store.set(value, at: offset, in: self.records[index].fields)
    }

    private mutating func compact() {
        guard self.store.isWasteful else { return }
        var compact = ByteStore()
        for index in self.records.indices where self.isUsed(index) {
            self.records[index].labels = compact.add(self.store[self.records[index].labels])
            self.records[index].fields = compact.add(self.store[self.records[index].fields])
        }
        self.store = compact
    }

    /// Takes in a member that is not there yet.
    mutating func insert(_ record: MemberRecord, labels: [UInt8]) -> Int {
        var record = record
        record.labels = self.store.add(labels)
        if 2 * (self.count + 1) > self.slots.count { self.grow() }
        let index: Int
        if let free = self.vacant.popLast() {
            index = Int(free)
            self.records[index] = record
        } else {
            index = self.records.count
            self.records.append(record)
        }
        self.link(index)
        return index
    }

    mutating func remove(_ index: Int) {
        var hole = self.home(self.records[index].id)
        while self.slots[hole] != UInt32(index) { hole = (hole + 1) & self.mask }
        var next = (hole + 1) & self.mask
        while self.slots[next] != Self.empty {
            let home = self.home(self.records[Int(self.slots[next])].id)
            // Move back whatever a search from its home would not find past the hole.
            if (next - home) & self.mask >= (next - hole) & self.mask {
                self.slots[hole] = self.slots[next]
                hole = next
            }
            next = (next + 1) & self.mask
        }
        self.slots[hole] = Self.empty
        self.store.drop(self.records[index].labels)
        self.store.drop(self.records[index].fields)
        // Places in the store move when it is compacted, and those of the vacant would stay behind.
        self.records[index].labels = ByteStore.Place()
        self.records[index].fields = ByteStore.Place()
        self.records[index].state = .left
        self.records[index].flags = .vacant
        self.records[index].rumor = 0
        self.vacant.append(UInt32(index))
    }

    private func home(_ id: NodeID) -> Int {
        Int(truncatingIfNeeded: mix(id.high ^ self.salt, id.low) >> 16) & self.mask
    }

    private mutating func link(_ index: Int) {
        var slot = self.home(self.records[index].id)
        while self.slots[slot] != Self.empty { slot = (slot + 1) & self.mask }
        self.slots[slot] = UInt32(index)
    }

    private mutating func grow() {
        let used = self.slots.filter { $0 != Self.empty }
        self.slots = Array(repeating: Self.empty, count: self.slots.count * 2)
        self.mask = self.slots.count - 1
        for index in used { self.link(Int(index)) }
    }
}

/// Two words to one well spread word (the finisher of SplitMix64). No secret, and equal on every node.
package func mix(_ first: UInt64, _ second: UInt64) -> UInt64 {
    var mixed = first &+ (second ^ (second >> 32)) &* 0x9E37_79B9_7F4A_7C15
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
}
