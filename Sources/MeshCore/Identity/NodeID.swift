/// The identity of a node: the first 128 bits of BLAKE2b(public key).
///
/// A human-readable name is a tag. A wiped disk makes a new key, hence a new identity.
package struct NodeID: Hashable, Comparable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static func < (left: NodeID, right: NodeID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

/// The identity of a mesh: 128 random bits made once, authenticated with every packet and stream.
package struct ClusterID: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

extension NodeID: CustomStringConvertible {
    /// 32 lower-case hexadecimal digits.
    package var description: String { hexadecimal(self.high) + hexadecimal(self.low) }

    /// The first 8 digits: enough for people, never a key.
    package var short: String { String(hexadecimal(self.high).prefix(8)) }

    package init?(_ text: some StringProtocol) {
        guard let (high, low) = parseHexadecimal128(text) else { return nil }
        self.init(high: high, low: low)
    }
}

extension ClusterID: CustomStringConvertible {
    /// 32 lower-case hexadecimal digits.
    package var description: String { hexadecimal(self.high) + hexadecimal(self.low) }

    package init?(_ text: some StringProtocol) {
        guard let (high, low) = parseHexadecimal128(text) else { return nil }
        self.init(high: high, low: low)
    }
}

package func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

func parseHexadecimal128(_ text: some StringProtocol) -> (UInt64, UInt64)? {
    guard text.utf8.count == 32, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
        let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    return (high, low)
}
