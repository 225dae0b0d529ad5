/// Many short runs of bytes, end to end in one array: as an array each, they would take twice as much for headers and
/// rounding as for themselves.
struct ByteStore: Sendable {
    /// Where one run lies.
    struct Place: Sendable {
        fileprivate var start: UInt32 = 0
        fileprivate var length: UInt16 = 0

        var count: Int { Int(self.length) }
    }

    private var bytes: [UInt8] = []
    private var wasted = 0

    /// A store of which more than half is waste should be rebuilt.
    var isWasteful: Bool { self.wasted > 4096 && 2 * self.wasted > self.bytes.count }

    subscript(place: Place) -> ArraySlice<UInt8> { self.bytes[Int(place.start)..<Int(place.start) + place.count] }

    mutating func add(_ run: some Collection<UInt8>) -> Place {
        let place = Place(start: UInt32(self.bytes.count), length: UInt16(run.count))
        self.bytes.append(contentsOf: run)
        return place
    }

    /// In its place if it fits exactly, else at the end.
    mutating func replace(_ place: inout Place, with run: [UInt8]) {
        if run.count == place.count {
            let start = Int(place.start)
            self.bytes.replaceSubrange(start..<start + run.count, with: run)
        } else {
            self.drop(place)
            place = self.add(run)
        }
    }

    mutating func drop(_ place: Place) { self.wasted += place.count }

    /// Overwrites four bytes of a run.
    mutating func set(_ value: UInt32, at offset: Int, in place: Place) {
        precondition(offset + 4 <= place.count, "offset \(offset) in a run of \(place.count) bytes")
        for byte in 0..<4 {
            self.bytes[Int(place.start) + offset + byte] = UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32(byte)))
        }
    }
}
