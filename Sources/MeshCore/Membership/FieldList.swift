/// The dynamic fields of one member as they are kept: each as it is told, behind the stamp of its rumor. Thousands of
/// members with a few fields each would take ten times as much as strings.
struct FieldList: Sequence, Sendable {
    struct Field: Sendable {
        fileprivate static let stampBytes = 4

        /// Its number within the list, which it keeps until the member's next boot.
        var place: Int
        /// Stamp and all.
        fileprivate var bytes: ArraySlice<UInt8>
        /// The stamp of the rumor that is told about it; 0 if none is.
        var rumor: UInt32
        var version: UInt32
        var key: ArraySlice<UInt8>
        /// nil: the owner withdrew the field.
        var value: ArraySlice<UInt8>?

        /// Version, key and value as they are told.
        var told: ArraySlice<UInt8> { self.bytes.dropFirst(Self.stampBytes) }

        /// Equal on every node (FNV-1a).
        var keyHash: UInt64 {
            self.key.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        }

        var decoded: CapabilityField {
            CapabilityField(
                key: String(decoding: self.key, as: UTF8.self),
                value: self.value.map { String(decoding: $0, as: UTF8.self) }, version: self.version)
        }
    }

    struct Iterator: IteratorProtocol {
        fileprivate var rest: ArraySlice<UInt8>
        fileprivate var place = 0

        mutating func next() -> Field? {
            guard !self.rest.isEmpty else { return nil }
            let start = self.rest.startIndex
            let key = start + 9..<start + 9 + Int(self.rest[start + 8])
            let value = key.upperBound + 2..<key.upperBound + 2 + Int(self.rest[key.upperBound + 1])
            let isPresent = self.rest[key.upperBound] == 1
            defer {
                self.rest = self.rest[value.upperBound...]
                self.place += 1
            }
            return Field(
                place: self.place, bytes: self.rest[start..<value.upperBound], rumor: self.number(at: start),
                version: self.number(at: start + 4), key: self.rest[key], value: isPresent ? self.rest[value] : nil)
        }

        private func number(at index: Int) -> UInt32 {
            self.rest[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    let bytes: ArraySlice<UInt8>

    func makeIterator() -> Iterator { Iterator(rest: self.bytes) }

    var isEmpty: Bool { self.bytes.isEmpty }
    var count: Int { self.reduce(0) { count, _ in count + 1 } }

    subscript(place: Int) -> Field? { self.first { $0.place == place } }

    func field(of key: String) -> Field? { self.first { $0.key.elementsEqual(key.utf8) } }

    func field(of key: RawSpan) -> Field? {
        self.first { field in
            guard field.key.count == key.byteCount else { return false }
            return unsafe key.withUnsafeBytes { unsafe field.key.elementsEqual($0) }
        }
    }

    /// Makes room for another field; every node chooses the same.
    var withdrawnLongest: Field? { self.filter { $0.value == nil }.min { $0.version < $1.version } }

    /// Where the stamp of a field lies within the list.
    func stampOffset(of field: Field) -> Int { field.bytes.startIndex - self.bytes.startIndex }

    /// The list with one field replaced, or added at the end.
    func setting(_ field: CapabilityField, at place: Int) -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(self.bytes.count + field.byteCount)
        let old = self[place]
        writer.bytes.append(contentsOf: self.bytes[..<(old?.bytes.startIndex ?? self.bytes.endIndex)])
        writer.write(UInt32(0))
        writer.write(told: field)
        if let old { writer.bytes.append(contentsOf: self.bytes[old.bytes.endIndex...]) }
        return writer.bytes
    }
}

/// Lists borrow the table's bytes: none is held while the table changes, or else the change copies them all.
extension MemberTable {
    /// Where a field is and which version of it is known.
    func locateField(_ key: RawSpan, of index: Int) -> (place: Int, version: UInt32)? {
        self.fields(of: index).field(of: key).map { ($0.place, $0.version) }
    }

    /// Where a field that is not there yet can go; nil: there are too many, and none was withdrawn.
    func placeForField(of index: Int) -> Int? {
        let fields = self.fields(of: index)
        let count = fields.count
        return count < CapabilityField.fieldsMax ? count : fields.withdrawnLongest?.place
    }

    mutating func setField(_ field: CapabilityField, at place: Int, of index: Int) {
        self.setFields(of: index, to: self.settingField(field, at: place, of: index))
    }

    mutating func setFieldRumor(_ stamp: UInt32, at place: Int, of index: Int) {
        guard let offset = self.stampOffset(ofField: place, of: index) else { return }
        self.setFieldBytes(stamp, at: offset, of: index)
    }

    private func settingField(_ field: CapabilityField, at place: Int, of index: Int) -> [UInt8] {
        self.fields(of: index).setting(field, at: place)
    }

    private func stampOffset(ofField place: Int, of index: Int) -> Int? {
        let list = self.fields(of: index)
        return list[place].map(list.stampOffset)
    }
}
