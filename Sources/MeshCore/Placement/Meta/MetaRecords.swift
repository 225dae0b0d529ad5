/// How the state of the meta group lies on disk: a record for each member, partition, definition and event, and one for the
/// rest. All are in memory, too.
enum MetaRecord {
    /// First byte of each key.
    enum Table: UInt8, CaseIterable {
        case mesh = 1
        case member, placement, definition, event
    }

    static let meshKey = [Table.mesh.rawValue]

    static func key(member: NodeID) -> [UInt8] { self.key(.member) { $0.write(member) } }
    static func key(partition: Partition) -> [UInt8] { self.key(.placement) { $0.write(partition.index) } }
    static func key(event: UInt64) -> [UInt8] { self.key(.event) { $0.write(event) } }
    static func key(definition name: String) -> [UInt8] { [Table.definition.rawValue] + Array(name.utf8) }

    private static func key(_ table: Table, _ rest: (inout WireWriter) -> Void) -> [UInt8] {
        var writer = WireWriter([table.rawValue])
        rest(&writer)
        return writer.bytes
    }
}

/// What there is one of.
struct MeshRecord: Hashable, Sendable {
    /// 0 until the mesh is founded.
    var partitions = 0
    var settings = MeshSettings()
    /// Entries of this version may be written.
    var entryVersion: UInt16 = 1
    /// The last entry that changed what placement depends on.
    var version: LogIndex = 0
    /// Events that there ever were.
    var events: UInt64 = 0
}

extension WireWriter {
    mutating func write(_ record: MeshRecord) {
        self.write(UInt16(record.partitions))
        self.write(UInt8(record.settings.replicas))
        self.write(UInt64(record.settings.replaceAfter.milliseconds))
        self.write(record.entryVersion)
        self.write(record.version)
        self.write(record.events)
    }

    mutating func write(_ placed: PlacedPartition) {
        self.write(nodes: placed.replicas)
        self.write(UInt8(placed.moves.count))
        for move in placed.moves {
            self.write(move.at)
            self.write(move.reason.rawValue)
            self.write(nodes: move.from)
            self.write(nodes: move.to)
        }
    }

    mutating func write(_ event: MetaEvent) {
        self.write(event.at)
        self.write(event.kind.rawValue)
        self.write(nodes: event.node.map { [$0] } ?? [])
        self.write(text: event.text)
    }
}

extension WireReader {
    mutating func meshRecord() throws(WireError) -> MeshRecord {
        var record = MeshRecord()
        record.partitions = Int(try self.read(UInt16.self))
        record.settings.replicas = Int(try self.read(UInt8.self))
        guard MeshSettings.replicas.contains(record.settings.replicas) else { throw WireError(.invalidValue, at: 2) }
        record.settings.replaceAfter = try self.replaceAfter()
        record.entryVersion = try self.read()
        record.version = try self.read()
        record.events = try self.read()
        return record
    }

    mutating func placedPartition() throws(WireError) -> PlacedPartition {
        let replicas = try self.replicaNodes()
        let place = self.offset
        let count = Int(try self.read(UInt8.self))
        guard count <= PlacedPartition.movesMax else { throw WireError(.tooLong, at: place) }
        var moves: [PlacedPartition.Move] = []
        for _ in 0..<count {
            let at = try self.read(WallMilliseconds.self)
            guard let reason = PlacementChange.Reason(rawValue: try self.read()) else {
                throw WireError(.invalidValue, at: place)
            }
            let from = try self.replicaNodes()
            moves.append(PlacedPartition.Move(at: at, reason: reason, from: from, to: try self.replicaNodes()))
        }
        return PlacedPartition(replicas: replicas, moves: moves)
    }

    mutating func metaEvent() throws(WireError) -> MetaEvent {
        let at = try self.read(WallMilliseconds.self)
        let place = self.offset
        guard let kind = MetaEvent.Kind(rawValue: try self.read()) else { throw WireError(.unknownKind, at: place) }
        let count = try self.read(UInt8.self)
        guard count <= 1 else { throw WireError(.invalidValue, at: place + 1) }
        let node = count == 1 ? try self.nodeID() : nil
        return MetaEvent(at: at, kind: kind, node: node, text: try self.text(limit: MetaEvent.textBytesMax))
    }
}
