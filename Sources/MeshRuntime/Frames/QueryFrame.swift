internal import MeshCore

/// Body of a `query` frame.
enum QueryFrame: Hashable, Sendable {
    /// Actors whose path begins with a text.
    case actors(prefix: String)
    case logs(LogQuery)
    /// The partitions that a member leads.
    case partitions
    /// What the leader of an actor's partition knows of it.
    case actor(ActorPath)
    /// What a member's replicas have on its disk.
    case digests
    /// How far the drain of a member is, or that it begin or end: for the leader of the meta group.
    case drain(NodeID, DrainWish)
    case deadLetters(DeadLetterQuery)

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .actors(let prefix):
            writer.write(1 as UInt8)
            writer.write(text: prefix)
        case .logs(let query):
            writer.write(2 as UInt8)
            query.write(to: &writer)
        case .partitions: writer.write(3 as UInt8)
        case .actor(let path):
            writer.write(4 as UInt8)
            writer.write(path)
        case .digests: writer.write(5 as UInt8)
        case .drain(let node, let wish):
            writer.write(6 as UInt8)
            writer.write(node)
            wish.write(to: &writer)
        case .deadLetters(let query):
            writer.write(7 as UInt8)
            query.write(to: &writer)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        switch try reader.read(UInt8.self) {
        case 1: self = .actors(prefix: try reader.text(limit: ActorPath.bytesMax))
        case 2: self = .logs(try LogQuery.read(from: &reader))
        case 3: self = .partitions
        case 4: self = .actor(try reader.actorPath())
        case 5: self = .digests
        case 6: self = .drain(try reader.nodeID(), try DrainWish.read(from: &reader))
        case 7: self = .deadLetters(try DeadLetterQuery.read(from: &reader))
        default: throw WireError(.unknownKind, at: 0)
        }
        try reader.end()
    }
}

/// Body of an `answer` frame: the actors of one node, as many as are listed at once.
struct ActorListing: Sendable {
    var actors: [ActorView]

    /// Leaves room for the frame's head.
    private static let bytesMax = PeerFrame.bytesMax - (64 << 10)

    // Kind, then for each actor: 1, path, definition, state, depth, processed; then 0. The asker knows the node's name.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(1 as UInt8)
        for actor in self.actors where writer.count < Self.bytesMax {
            writer.write(1 as UInt8)
            writer.write(text: actor.path)
            writer.write(shortText: actor.definition)
            writer.write(shortText: actor.state)
            writer.write(UInt32(clamping: actor.depth))
            writer.write(actor.processed)
        }
        writer.write(0 as UInt8)
        return writer.bytes
    }

    init(decoding bytes: [UInt8], node: String) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 1 else { throw WireError(.unknownKind, at: 0) }
        self.actors = []
        while try reader.read(UInt8.self) == 1 {
            self.actors.append(
                ActorView(
                    path: try reader.text(limit: ActorPath.bytesMax), node: node, definition: try reader.shortText(),
                    state: try reader.shortText(), depth: Int(try reader.read(UInt32.self)),
                    processed: try reader.read()))
        }
        try reader.end()
    }

    init(actors: [ActorView]) { self.actors = actors }
}
