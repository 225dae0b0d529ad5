/// The labels of all members, end to end in one array: as an array each, they would take twice as much for headers
/// and rounding as for themselves.
struct LabelStore: Sendable {
    /// Where the labels of one member lie.
    struct Place: Sendable {
        fileprivate var start: UInt32 = 0
        fileprivate var length: UInt16 = 0

        var count: Int { Int(self.length) }
    }

    private var bytes: [UInt8] = []
    private var wasted = 0

    /// A store in which more than half is waste should be rebuilt.
    var isWasteful: Bool { self.wasted > 4096 && 2 * self.wasted > self.bytes.count }

    subscript(place: Place) -> ArraySlice<UInt8> { self.bytes[Int(place.start)..<Int(place.start) + place.count] }

    mutating func add(_ labels: some Collection<UInt8>) -> Place {
        let place = Place(start: UInt32(self.bytes.count), length: UInt16(labels.count))
        self.bytes.append(contentsOf: labels)
        return place
    }

    mutating func drop(_ place: Place) { self.wasted += place.count }
}
