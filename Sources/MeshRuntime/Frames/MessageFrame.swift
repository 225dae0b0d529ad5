internal import MeshCore

/// Body of a `message` frame: a message on its way to the owner of its path.
///
/// The deadline travels as what is left of it, for clocks of two nodes do not agree.
struct MessageFrame: Hashable, Sendable {
    private static let version: UInt8 = 1

    var path: ActorPath
    var id: MessageID
    var sender: String
    var body: [UInt8]
    var idempotencyKey: String?
    /// Milliseconds; nil is never.
    var remaining: UInt32?
    var isEphemeral: Bool
    /// The sender waits for the outcome, not only for the acceptance.
    var wantsOutcome: Bool

    // Version, flags, id, [remaining], [key], path, sender, body.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(self.body.count + self.sender.utf8.count + 640)
        writer.write(Self.version)
        var flags: UInt8 = 0
        if self.isEphemeral { flags |= 1 }
        if self.wantsOutcome { flags |= 2 }
        if self.remaining != nil { flags |= 4 }
        if self.idempotencyKey != nil { flags |= 8 }
        writer.write(flags)
        writer.write(self.id)
        if let remaining = self.remaining { writer.write(remaining) }
        if let key = self.idempotencyKey { writer.write(shortText: key) }
        writer.write(text: self.path.description)
        writer.write(text: self.sender)
        writer.write(bytes: self.body)
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == Self.version else { throw WireError(.unsupportedVersion, at: 0) }
        let flags = try reader.read(UInt8.self)
        guard flags & ~15 == 0 else { throw WireError(.invalidValue, at: 1) }
        self.isEphemeral = flags & 1 != 0
        self.wantsOutcome = flags & 2 != 0
        self.id = try reader.messageID()
        self.remaining = flags & 4 == 0 ? nil : try reader.read(UInt32.self)
        self.idempotencyKey = flags & 8 == 0 ? nil : try reader.shortText()
        let start = reader.offset
        let text = try reader.text(limit: ActorPath.bytesMax)
        // Only the canonical spelling: two spellings of one path would have two owners.
        guard let path = try? ActorPath(text), path.description == text else {
            throw WireError(.invalidValue, at: start)
        }
        self.path = path
        self.sender = try reader.text(limit: Message.senderBytesMax)
        self.body = try reader.bytes(limit: Message.bodyBytesMax)
        try reader.end()
    }

    init(
        path: ActorPath, id: MessageID, sender: String, body: [UInt8], idempotencyKey: String?, remaining: UInt32?,
        isEphemeral: Bool, wantsOutcome: Bool
    ) {
        self.path = path
        self.id = id
        self.sender = sender
        self.body = body
        self.idempotencyKey = idempotencyKey
        self.remaining = remaining
        self.isEphemeral = isEphemeral
        self.wantsOutcome = wantsOutcome
    }
}

/// Body of a `reply` frame: what became of a message.
enum ReplyFrame: Hashable, Sendable {
    case accepted(MessageID)
    case outcome(MessageID, Outcome)

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .accepted(let id):
            writer.write(1 as UInt8)
            writer.write(id)
        case .outcome(let id, let outcome):
            writer.write(2 as UInt8)
            writer.write(id)
            outcome.write(to: &writer)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        switch try reader.read(UInt8.self) {
        case 1: self = .accepted(try reader.messageID())
        case 2:
            let id = try reader.messageID()
            self = .outcome(id, try Outcome.read(from: &reader))
        default: throw WireError(.unknownKind, at: 0)
        }
        try reader.end()
    }
}
