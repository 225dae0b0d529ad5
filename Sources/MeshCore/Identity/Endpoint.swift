/// An IP address and a port, for UDP and TCP alike. IPv4 is kept as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2).
package struct Endpoint: Hashable, Comparable, Sendable {
    package var high: UInt64
    package var low: UInt64
    package var port: UInt16

    package init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    package init(ipv4: UInt32, port: UInt16) {
        self.init(high: 0, low: 0x0000_FFFF_0000_0000 | UInt64(ipv4), port: port)
    }

    /// The IPv4 address in host byte order, if this is one.
    package var ipv4: UInt32? {
        self.high == 0 && self.low >> 32 == 0x0000_FFFF ? UInt32(truncatingIfNeeded: self.low) : nil
    }

    /// 0.0.0.0 or ::, good for binding and for nothing else.
    package var isUnspecified: Bool { self.ipv4 == 0 || (self.high == 0 && self.low == 0) }

    /// Whether one host can be reached there. Anything else in a record would make every member send to a group, to
    /// its own network or to itself.
    package var isUnicast: Bool {
        guard self.port > 0 else { return false }
        if let ipv4 = self.ipv4 {
            // "This network" (RFC 1122, 3.2.1.3), multicast (224/4) and what is reserved or broadcast (240/4).
            let first = ipv4 >> 24
            return first > 0 && first < 224
        }
        return !self.isUnspecified && self.high >> 56 != 0xFF
    }

    package static func < (left: Endpoint, right: Endpoint) -> Bool {
        (left.high, left.low, left.port) < (right.high, right.low, right.port)
    }
}

extension Endpoint: CustomStringConvertible {
    /// `192.0.2.1:7946` or `[2001:db8::1]:7946` (RFC 5952 for the address).
    package var description: String {
        self.ipv4 == nil ? "[\(self.address)]:\(self.port)" : "\(self.address):\(self.port)"
    }

    /// The address without the port.
    package var address: String {
        if let ipv4 = self.ipv4 {
            return (0..<4).map { String(UInt8(truncatingIfNeeded: ipv4 >> (24 - 8 * $0))) }.joined(separator: ".")
        }
        let groups = (0..<8).map { index -> UInt16 in
            let half = index < 4 ? self.high : self.low
            return UInt16(truncatingIfNeeded: half >> (48 - 16 * (index % 4)))
        }
        return compressed(groups)
    }
}

/// The longest run of two or more zero groups becomes `::`; the first of equals wins (RFC 5952, 4.2).
private func compressed(_ groups: [UInt16]) -> String {
    var best = 0..<0
    var start = 0
    while start < groups.count {
        var end = start
        while end < groups.count, groups[end] == 0 { end += 1 }
        if end - start > best.count { best = start..<end }
        start = max(end, start + 1)
    }
    let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
    guard best.count >= 2 else { return text(groups[...]) }
    return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
}
