/// A message as its mailbox holds it.
package struct Message: Hashable, Sendable {
    package static let bodyBytesMax = 1 << 20
    package static let senderBytesMax = 256
    package static let idempotencyKeyBytesMax = 255

    package var id: MessageID
    package var sender: String
    package var body: [UInt8]
    /// Wall clock of the owner in milliseconds since 1970; past it the message is not run. Nil is never.
    package var deadline: UInt64?
    /// Stands for its idempotency key, if it came with one.
    package var idempotency: Fingerprint?

    package init(
        id: MessageID, sender: String = "", body: [UInt8], deadline: UInt64? = nil, idempotency: Fingerprint? = nil
    ) {
        self.id = id
        self.sender = sender
        self.body = body
        self.deadline = deadline
        self.idempotency = idempotency
    }

    /// What it costs in memory, roughly.
    package var byteCount: Int { self.body.count + self.sender.utf8.count + 96 }

    package func isExpired(at wallClock: UInt64) -> Bool { self.deadline.map { $0 <= wallClock } ?? false }
}

// On disk: version, flags, id, [deadline], [fingerprint], sender, body.
extension Message {
    private static let formatVersion: UInt8 = 1

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(self.byteCount)
        self.write(to: &writer)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self = try Message.read(from: &reader)
        try reader.end()
    }

    func write(to writer: inout WireWriter) {
        writer.write(Self.formatVersion)
        writer.write((self.deadline == nil ? 0 : 1) | (self.idempotency == nil ? 0 : 2) as UInt8)
        writer.write(self.id)
        if let deadline = self.deadline { writer.write(deadline) }
        if let idempotency = self.idempotency { writer.write(idempotency) }
        writer.write(text: self.sender)
        writer.write(bytes: self.body)
    }

    static func read(from reader: inout WireReader) throws(WireError) -> Message {
        let start = reader.offset
        guard try reader.read(UInt8.self) == Self.formatVersion else {
            throw WireError(.unsupportedVersion, at: start)
        }
        let flags = try reader.read(UInt8.self)
        guard flags & ~3 == 0 else { throw WireError(.invalidValue, at: start + 1) }
        let id = try reader.messageID()
        let deadline = flags & 1 == 0 ? nil : try reader.read(UInt64.self)
        let idempotency = flags & 2 == 0 ? nil : try reader.fingerprint()
        let sender = try reader.text(limit: Self.senderBytesMax)
        let body = try reader.bytes(limit: Self.bodyBytesMax)
        return Message(id: id, sender: sender, body: body, deadline: deadline, idempotency: idempotency)
    }
}
