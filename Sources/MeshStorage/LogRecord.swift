internal import MeshCore

/// An entry of a group's log on the disk: what it is, and two links of a hash chain.
///
/// `chain` covers the place (group and index), the term, the kind, the payload and `previous`, which is the `chain` of the
/// entry before. So one hash guards the bytes of an entry, its place in the log and everything before it; two logs with the
/// same chain at an index are the same up to there.
struct LogRecord: Sendable {
    static let headerBytes = 8 + 1 + 8 + 8

    var position: LogPosition
    var kind: LogEntry.Kind
    var previous: UInt64
    var chain: UInt64

    /// An entry that follows one with the chain `previous`: header and payload.
    static func encode(_ entry: LogEntry, in group: GroupID, after previous: UInt64) -> (bytes: [UInt8], chain: UInt64)
    {
        let chain = Self.chain(of: entry.payload.raw, entry.position, entry.kind, in: group, after: previous)
        var writer = WireWriter()
        writer.bytes.reserveCapacity(Self.headerBytes + entry.payload.count)
        writer.write(entry.term)
        writer.write(entry.kind.rawValue)
        writer.write(previous)
        writer.write(chain)
        writer.bytes.append(contentsOf: entry.payload)
        return (writer.bytes, chain)
    }

    /// Reads a header and checks the whole record by its own chain; the caller checks `previous`.
    init(reading value: RawSpan, at index: LogIndex, of group: GroupID) throws(WireError) {
        var reader = WireReader(value)
        let term: Term = try reader.read()
        let place = reader.offset
        guard let kind = LogEntry.Kind(rawValue: try reader.read()) else { throw WireError(.invalidValue, at: place) }
        self.position = LogPosition(index: index, term: term)
        self.kind = kind
        self.previous = try reader.read()
        self.chain = try reader.read()
        let chain = Self.chain(
            of: value.extracting(Self.headerBytes..<value.byteCount), self.position, kind, in: group,
            after: self.previous)
        guard chain == self.chain else { throw WireError(.invalidValue, at: Self.headerBytes) }
    }

    func entry(_ value: RawSpan) -> LogEntry {
        LogEntry(
            index: self.position.index, term: self.position.term, kind: self.kind,
            payload: [UInt8](copying: value.extracting(Self.headerBytes..<value.byteCount)))
    }

    private static func chain(
        of payload: RawSpan, _ position: LogPosition, _ kind: LogEntry.Kind, in group: GroupID, after previous: UInt64
    ) -> UInt64 {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(29)
        writer.write(group.number)
        writer.write(position.index)
        writer.write(position.term)
        writer.write(kind.rawValue)
        writer.write(previous)
        return xxHash64(payload, seed: xxHash64(writer.bytes.raw))
    }
}
