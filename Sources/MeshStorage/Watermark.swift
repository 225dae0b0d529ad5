internal import MeshCore

/// What the database held after some fsync, kept in a second file: whoever finds less has lost what it had promised.
///
/// The write-ahead log alone cannot tell a crash from a loss, because both look like a log that ends.
struct Watermark: Hashable, Sendable {
    /// What a replica had made durable.
    struct Tail: Hashable, Sendable {
        var incarnation: GroupIncarnation
        var id: ReplicaID
        var last: ChainedPosition
        /// Of term, vote and shortfall.
        var stateHash: UInt64

        init(_ record: ReplicaRecord) {
            self.incarnation = record.incarnation
            self.id = record.id
            self.last = record.last
            self.stateHash = record.state.hash
        }

        fileprivate init(reading reader: inout WireReader) throws(WireError) {
            (self.incarnation, self.id) = try reader.identity()
            self.last = ChainedPosition(position: try reader.position(), chain: try reader.read())
            self.stateHash = try reader.read()
        }
    }

    static let formatVersion: UInt32 = 1
    private static let magic: UInt64 = 0x6D65_7368_6D61_726B  // "meshmark"
    /// A file may be no longer; at 68 bytes a group it never is.
    static let bytesMax = 64 << 20

    var node: NodeID
    var commits: UInt64 = 0
    var tails: [GroupID: Tail] = [:]

    init(node: NodeID) { self.node = node }

    // MARK: Codec

    var bytes: [UInt8] {
        var writer = WireWriter()
        writer.write(Self.magic)
        writer.write(Self.formatVersion)
        writer.write(self.node)
        writer.write(self.commits)
        writer.write(UInt32(self.tails.count))
        for (group, tail) in self.tails.sorted(by: { $0.key < $1.key }) {
            writer.write(group.number)
            writer.write(tail.incarnation.counter)
            writer.write(tail.incarnation.id)
            writer.write(tail.id)
            writer.write(at: tail.last.position)
            writer.write(tail.last.chain)
            writer.write(tail.stateHash)
        }
        writer.write(xxHash64(writer.bytes.raw))
        return writer.bytes
    }

    enum Unreadable: Error {
        case damaged(WireError)
        case newer
    }

    /// The version is judged after the checksum, which every version has at its end.
    init(reading bytes: [UInt8]) throws(Unreadable) {
        do throws(WireError) {
            var reader = WireReader(bytes.raw)
            guard try reader.read() == Self.magic else { throw WireError(.unknownKind, at: 0) }
            let version: UInt32 = try reader.read()
            guard Self.isSound(bytes) else { throw WireError(.invalidValue, at: bytes.count - 8) }
            guard version == Self.formatVersion else { throw WireError(.unsupportedVersion, at: 8) }
            self.node = try reader.nodeID()
            self.commits = try reader.read()
            for _ in 0..<(try reader.read(UInt32.self)) {
                let group = GroupID(try reader.read())
                self.tails[group] = try Tail(reading: &reader)
            }
            _ = try reader.read(UInt64.self)
            try reader.end()
        } catch {
            throw error.code == .unsupportedVersion ? .newer : .damaged(error)
        }
    }

    private static func isSound(_ bytes: [UInt8]) -> Bool {
        var reader = WireReader(bytes.raw.extracting(bytes.count - 8..<bytes.count))
        return (try? reader.read()) == xxHash64(bytes.raw.extracting(0..<bytes.count - 8))
    }
}

extension HardState {
    var hash: UInt64 {
        var writer = WireWriter()
        writer.write(self)
        return xxHash64(writer.bytes.raw)
    }
}
