internal import MeshCore

/// What the disk knows of a replica beside its log's entries and its state. The writer keeps it in memory and writes the
/// fields that change.
struct ReplicaRecord: Sendable {
    var incarnation: GroupIncarnation
    var id: ReplicaID
    var state = HardState()
    /// The last entry that was dropped, its chain, and the replicas in force there.
    var base = ChainedPosition.zero
    var baseReplicas: ReplicaHistory.Version
    /// Of the state that is in force.
    var generation: StateGeneration = 0
    /// The last entry.
    var last = ChainedPosition.zero
    var history: ReplicaHistory
    var applied = LogPosition.zero
}

/// A place in the log and the chain up to it.
struct ChainedPosition: Hashable, Sendable {
    var position: LogPosition
    var chain: UInt64

    static let zero = ChainedPosition(position: .zero, chain: 0)
    var index: LogIndex { self.position.index }
}

/// Where a log begins and which state is in force: a snapshot changes both at once.
struct RecordedBase: Sendable {
    var place: ChainedPosition
    var generation: StateGeneration
    var replicas: ReplicaHistory.Version
}

/// Values of the table `replicas`: a checksum of 8 bytes that covers the key, then the fields.
enum FieldCodec {
    static func seal(_ key: [UInt8], _ write: (inout WireWriter) -> Void) -> [UInt8] {
        var writer = WireWriter()
        writer.write(UInt64(0))
        write(&writer)
        let sum = Self.sum(of: writer.bytes.raw, key)
        for place in 0..<8 { writer.bytes[place] = UInt8(truncatingIfNeeded: sum >> (56 - 8 * UInt64(place))) }
        return writer.bytes
    }

    static func open<Value>(
        _ key: [UInt8], _ value: RawSpan, _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        var reader = WireReader(value)
        let sum: UInt64 = try reader.read()
        guard sum == self.sum(of: value, key) else { throw WireError(.invalidValue, at: 0) }
        let result = try read(&reader)
        try reader.end()
        return result
    }

    private static func sum(of value: RawSpan, _ key: [UInt8]) -> UInt64 {
        xxHash64(value.extracting(8..<value.byteCount), seed: xxHash64(key.raw))
    }
}

// MARK: fields

extension WireWriter {
    mutating func write(identity record: ReplicaRecord) {
        self.write(record.incarnation.counter)
        self.write(record.incarnation.id)
        self.write(record.id)
    }

    mutating func write(_ state: HardState) {
        var flags: UInt8 = state.vote == nil ? 0 : 1
        if let shortfall = state.shortfall {
            flags |= 2 | (shortfall.isCaughtUp ? 4 : 0) | (shortfall.hasVoted ? 8 : 0)
        }
        self.write(flags)
        self.write(state.term)
        if let vote = state.vote { self.write(vote) }
        if let shortfall = state.shortfall { self.write(shortfall.acknowledged) }
    }

    mutating func write(at position: LogPosition) {
        self.write(position.index)
        self.write(position.term)
    }

    mutating func write(baseOf record: ReplicaRecord) {
        self.write(at: record.base.position)
        self.write(record.base.chain)
        self.write(record.generation)
        self.write(record.baseReplicas.index)
        self.write(record.baseReplicas.replicas)
    }
}

extension WireReader {
    mutating func incarnation() throws(WireError) -> GroupIncarnation {
        GroupIncarnation(counter: try self.read(), id: try self.read())
    }

    mutating func identity() throws(WireError) -> (GroupIncarnation, ReplicaID) {
        (try self.incarnation(), try self.replicaID())
    }

    mutating func hardState() throws(WireError) -> HardState {
        let flags: UInt8 = try self.read()
        guard flags < 16, flags & 2 != 0 || flags & 12 == 0 else { throw WireError(.invalidValue, at: self.offset - 1) }
        var state = HardState(term: try self.read())
        if flags & 1 != 0 { state.vote = try self.replicaID() }
        if flags & 2 != 0 {
            var shortfall = Shortfall(acknowledged: try self.read())
            shortfall.isCaughtUp = flags & 4 != 0
            shortfall.hasVoted = flags & 8 != 0
            state.shortfall = shortfall
        }
        return state
    }

    mutating func position() throws(WireError) -> LogPosition {
        LogPosition(index: try self.read(), term: try self.read())
    }

    mutating func logBase() throws(WireError) -> RecordedBase {
        RecordedBase(
            place: ChainedPosition(position: try self.position(), chain: try self.read()),
            generation: try self.read(),
            replicas: ReplicaHistory.Version(index: try self.read(), replicas: try self.replicaSet()))
    }
}
