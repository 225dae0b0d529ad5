/// The name of a message: 128 random bits, drawn where the message enters the mesh.
package struct MessageID: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(using random: inout some RandomNumberGenerator) {
        self.init(high: random.next(), low: random.next())
    }
}

extension MessageID: CustomStringConvertible {
    /// 32 lower-case hexadecimal digits.
    package var description: String { hexadecimal(self.high) + hexadecimal(self.low) }

    package init?(_ text: some StringProtocol) {
        guard let (high, low) = parseHexadecimal128(text) else { return nil }
        self.init(high: high, low: low)
    }
}

/// 128 bits that stand for some bytes: enough that two different bodies never meet by accident.
///
/// It is no proof against somebody who searches for collisions on purpose; whoever does so deceives only a key of
/// their own.
package struct Fingerprint: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(of bytes: some Sequence<UInt8>) {
        self.high = sipHash24(bytes, key: (0x6d65_7368_6e6f_6465, 0))
        self.low = sipHash24(bytes, key: (0x6d65_7368_6e6f_6465, 1))
    }

    /// Of an idempotency key, which is scoped per path.
    package init(ofKey key: String, path: ActorPath) {
        self.init(of: Array(path.description.utf8) + [0] + Array(key.utf8))
    }
}

extension WireWriter {
    package mutating func write(_ id: MessageID) {
        self.write(id.high)
        self.write(id.low)
    }

    package mutating func write(_ fingerprint: Fingerprint) {
        self.write(fingerprint.high)
        self.write(fingerprint.low)
    }
}

extension WireReader {
    package mutating func messageID() throws(WireError) -> MessageID {
        MessageID(high: try self.read(), low: try self.read())
    }

    package mutating func fingerprint() throws(WireError) -> Fingerprint {
        Fingerprint(high: try self.read(), low: try self.read())
    }
}
