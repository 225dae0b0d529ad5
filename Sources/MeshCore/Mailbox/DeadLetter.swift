/// A message that could not be processed, with the reason, kept so that nothing accepted disappears without a trace.
package struct DeadLetter: Hashable, Sendable {
    package var path: ActorPath
    package var message: Message
    package var reason: String
    /// When it was given up, in milliseconds since 1970.
    package var wallClock: UInt64

    package init(path: ActorPath, message: Message, reason: String, wallClock: UInt64) {
        self.path = path
        self.message = message
        self.reason = clipped(reason, toBytes: Self.reasonBytesMax)
        self.wallClock = wallClock
    }

    private static let formatVersion: UInt8 = 1
    private static let reasonBytesMax = 4096

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(Self.formatVersion)
        writer.write(self.wallClock)
        writer.write(text: self.path.description)
        writer.write(text: self.reason)
        writer.write(bytes: self.message.encoded())
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == Self.formatVersion else { throw WireError(.unsupportedVersion, at: 0) }
        self.wallClock = try reader.read()
        let start = reader.offset
        guard let path = try? ActorPath(try reader.text(limit: ActorPath.bytesMax)) else {
            throw WireError(.invalidValue, at: start)
        }
        self.path = path
        self.reason = try reader.text(limit: Self.reasonBytesMax)
        self.message = try Message(decoding: try reader.bytes(limit: 2 * Message.bodyBytesMax))
        try reader.end()
    }
}
