/// How mailboxes lie in storage.
///
/// A path has no zero byte, so `path 0 rest` keeps the entries of one path together and those of `/a` apart from
/// those of `/ab`; sequences are big-endian, so iteration is in order.
package enum MailboxKeys {
    package static func mailbox(_ path: ActorPath) -> [UInt8] { Array(path.description.utf8) }

    /// Of everything under a path, in `messages` and in `state`.
    package static func prefix(_ path: ActorPath) -> [UInt8] { Array(path.description.utf8) + [0] }

    package static func message(_ path: ActorPath, _ sequence: UInt64) -> [UInt8] {
        var writer = WireWriter(self.prefix(path))
        writer.write(sequence)
        return writer.bytes
    }

    package static func state(_ path: ActorPath, _ key: [UInt8]) -> [UInt8] { self.prefix(path) + key }

    package static func id(_ id: MessageID) -> [UInt8] {
        var writer = WireWriter()
        writer.write(id)
        return writer.bytes
    }

    package static func fingerprint(_ fingerprint: Fingerprint) -> [UInt8] {
        var writer = WireWriter()
        writer.write(fingerprint)
        return writer.bytes
    }
}

/// The bounds of a mailbox on disk: messages `head ..< next` wait.
package struct MailboxRecord: Hashable, Sendable {
    package var head: UInt64
    package var next: UInt64

    package init(head: UInt64 = 0, next: UInt64 = 0) {
        self.head = head
        self.next = next
    }

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.head)
        writer.write(self.next)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.head = try reader.read()
        self.next = try reader.read()
        guard self.head <= self.next else { throw WireError(.invalidValue, at: 0) }
        try reader.end()
    }
}
