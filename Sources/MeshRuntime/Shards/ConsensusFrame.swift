package import MeshCore

/// Many messages of replicas in one frame: u16 count, then each behind its u32 length.
///
/// The lengths let a receiver skip what it does not understand, so that one message of a newer peer does not cost the
/// others of its frame.
package struct ConsensusFrame: Sendable {
    package static let messagesMax = 4_096
    /// A frame is closed once it has so many bytes; a single message may be longer.
    static let bytesWanted = 256 << 10
    /// What a frame can carry of one entry, with all that is around it.
    package static let payloadBytesMax = PeerFrame.bytesMax - (64 << 10)

    package private(set) var messages: [RaftMessage] = []
    /// Messages of the frame that do not parse.
    package private(set) var malformed = 0

    /// Throws if not even the lengths make sense.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        let count = Int(try reader.read(UInt16.self))
        guard count <= Self.messagesMax else { throw WireError(.tooLong, at: 0) }
        self.messages.reserveCapacity(count)
        for _ in 0..<count {
            let length = Int(try reader.read(UInt32.self))
            var message = WireReader(try reader.span(length))
            do throws(WireError) {
                self.messages.append(try message.raftMessage())
            } catch {
                self.malformed += 1
            }
        }
        try reader.end()
    }
}

/// What a shard sends in one turn of its loop, gathered so that each peer gets few frames.
struct FrameGatherer: Sendable {
    private struct Open: Sendable {
        var node: NodeID
        var kind: PeerFrame.Kind
        var writer = WireWriter()
        var count = 0
    }

    private var open: [Open] = []
    private var closed: [(node: NodeID, frame: PeerFrame)] = []

    mutating func add(_ message: RaftMessage) {
        let kind: PeerFrame.Kind = if case .snapshotChunk = message.body { .snapshot } else { .consensus }
        let place = self.place(of: message.to.node, kind)
        let start = self.open[place].writer.count
        self.open[place].writer.write(UInt32(0))
        self.open[place].writer.write(message)
        self.open[place].writer.patch(UInt32(self.open[place].writer.count - start - 4), at: start)
        self.open[place].count += 1
        guard
            self.open[place].writer.count >= ConsensusFrame.bytesWanted
                || self.open[place].count == ConsensusFrame.messagesMax
        else { return }
        self.close(place)
    }

    private mutating func place(of node: NodeID, _ kind: PeerFrame.Kind) -> Int {
        if let place = self.open.firstIndex(where: { $0.node == node && $0.kind == kind }) {
            if self.open[place].count == 0 { self.open[place].writer.write(UInt16(0)) }
            return place
        }
        var fresh = Open(node: node, kind: kind)
        fresh.writer.write(UInt16(0))
        self.open.append(fresh)
        return self.open.count - 1
    }

    private mutating func close(_ place: Int) {
        guard self.open[place].count > 0 else { return }
        self.open[place].writer.patch(UInt16(self.open[place].count), at: 0)
        let frame = PeerFrame(kind: self.open[place].kind, body: self.open[place].writer.bytes)
        self.closed.append((self.open[place].node, frame))
        self.open[place].writer = WireWriter()
        self.open[place].count = 0
    }

    /// All frames, in the order of their last messages; afterwards this is empty.
    mutating func drain() -> [(node: NodeID, frame: PeerFrame)] {
        for place in self.open.indices { self.close(place) }
        self.open.removeAll(keepingCapacity: true)
        defer { self.closed = [] }
        return self.closed
    }
}

extension WireWriter {
    /// Writes over what stands at `offset`, for lengths that are known afterwards.
    mutating func patch<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
        let size = MemoryLayout<T>.size
        for byte in 0..<size {
            self.bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> T(8 * (size - 1 - byte)))
        }
    }
}
