internal import MeshCore

/// A group's state as a stream of bytes, which chunks cut anywhere:
///
///     header  magic u64, version u32, group u32, index u64, term u64, chain u64
///     entry   1 u8, key bytes32, value bytes32         in ascending order of keys
///     end     0 u8, entries u64, hash u64
///
/// `chain` is the log's hash chain at the position, with which the receiver's log goes on. `hash` is over all that comes
/// before it: the XXH64 of the header, then of each entry with the hash so far as its seed.
enum SnapshotFraming {
    static let magic: UInt64 = 0x6D65_7368_736E_6170  // "meshsnap"
    static let version: UInt32 = 1
    static let headerBytes = 8 + 4 + 4 + 8 + 8 + 8
    static let endBytes = 1 + 8 + 8
    static let keyBytesMax = 1 << 20
    static let valueBytesMax = 16 << 20

    static func header(_ group: GroupID, _ place: ChainedPosition) -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.magic)
        writer.write(self.version)
        writer.write(group.number)
        writer.write(at: place.position)
        writer.write(place.chain)
        return writer.bytes
    }

    static func entry(key: [UInt8], value: [UInt8]) -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(9 + key.count + value.count)
        writer.write(UInt8(1))
        writer.write(bytes: key)
        writer.write(bytes: value)
        return writer.bytes
    }

    static func end(entries: UInt64, hash: UInt64) -> [UInt8] {
        var writer = WireWriter()
        writer.write(UInt8(0))
        writer.write(entries)
        writer.write(hash)
        return writer.bytes
    }
}

/// Takes a snapshot apart as its chunks come. What does not add up is remembered and told at the end, by `result`.
struct SnapshotReceiver {
    let position: LogPosition
    private let group: GroupID
    /// What came and is not taken apart yet: less than one entry.
    private var buffer: [UInt8] = []
    private var offset: UInt64 = 0
    private var chain: UInt64?
    private var hash: UInt64 = 0
    private var entries: UInt64 = 0
    private var isWhole = false
    private(set) var failure: WireError?

    init(_ position: LogPosition, of group: GroupID) {
        self.position = position
        self.group = group
    }

    /// The log's chain at the position, once everything came and its hash is right.
    var result: UInt64? { self.failure == nil && self.isWhole && self.buffer.isEmpty ? self.chain : nil }

    /// Entries that this chunk completes.
    mutating func receive(_ bytes: [UInt8], at offset: UInt64) -> [StorageEntry] {
        guard self.failure == nil else { return [] }
        guard offset == self.offset, !self.isWhole || bytes.isEmpty else {
            self.failure = WireError(.trailingBytes, at: Int(clamping: offset))
            return []
        }
        self.offset += UInt64(bytes.count)
        let waiting = self.buffer + bytes
        var taken: [StorageEntry] = []
        var used = 0
        do throws(WireError) {
            while let (count, entry) = try self.takeNext(waiting.raw.extracting(used..<waiting.count)) {
                used += count
                if let entry { taken.append(entry) }
            }
        } catch { self.failure = error }
        self.buffer = Array(waiting[used...])
        return taken
    }

    /// The next part of the stream; nil if not all of it is there yet.
    private mutating func takeNext(_ rest: RawSpan) throws(WireError) -> (count: Int, entry: StorageEntry?)? {
        guard self.chain != nil else { return try self.takeHeader(rest) }
        guard !rest.isEmpty else { return nil }
        guard !self.isWhole else { throw WireError(.trailingBytes, at: 0) }
        var reader = WireReader(rest)
        switch try reader.read(UInt8.self) {
        case 1:
            guard rest.byteCount >= 5 else { return nil }
            let keyCount = Int(try reader.read(UInt32.self))
            guard keyCount <= SnapshotFraming.keyBytesMax else { throw WireError(.tooLong, at: 1) }
            guard rest.byteCount >= 9 + keyCount else { return nil }
            let key = try reader.array(keyCount)
            let valueCount = Int(try reader.read(UInt32.self))
            guard valueCount <= SnapshotFraming.valueBytesMax else { throw WireError(.tooLong, at: 5 + keyCount) }
            let count = 9 + keyCount + valueCount
            guard rest.byteCount >= count else { return nil }
            let entry = StorageEntry(key: key, value: try reader.array(valueCount))
            self.hash = xxHash64(rest.extracting(0..<count), seed: self.hash)
            self.entries += 1
            return (count, entry)
        case 0:
            guard rest.byteCount >= SnapshotFraming.endBytes else { return nil }
            guard try reader.read() == self.entries, try reader.read() == self.hash else {
                throw WireError(.invalidValue, at: 0)
            }
            self.isWhole = true
            return (SnapshotFraming.endBytes, nil)
        default: throw WireError(.unknownKind, at: 0)
        }
    }

    private mutating func takeHeader(_ rest: RawSpan) throws(WireError) -> (count: Int, entry: StorageEntry?)? {
        guard rest.byteCount >= SnapshotFraming.headerBytes else { return nil }
        var reader = WireReader(rest)
        guard try reader.read() == SnapshotFraming.magic else { throw WireError(.unknownKind, at: 0) }
        guard try reader.read() == SnapshotFraming.version else { throw WireError(.unsupportedVersion, at: 8) }
        guard try reader.read() == self.group.number, try reader.position() == self.position else {
            throw WireError(.invalidValue, at: 12)
        }
        self.chain = try reader.read()
        self.hash = xxHash64(rest.extracting(0..<SnapshotFraming.headerBytes))
        return (SnapshotFraming.headerBytes, nil)
    }
}
