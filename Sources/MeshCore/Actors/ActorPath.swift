/// Where an actor lives: `/agents/researcher/session-42`.
///
/// 1 to 8 segments of 1 to 128 bytes out of `[A-Za-z0-9._~-]`, anything else percent-encoded (RFC 3986, 2.1), 512
/// bytes in all. A path is canonical: equal paths have equal bytes, so it can be hashed and used as a key.
package struct ActorPath: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let segmentsMax = 8
    package static let segmentBytesMax = 128
    package static let bytesMax = 512

    /// Canonical text, with the leading slash.
    package let description: String

    package var segments: [Substring] { self.description.split(separator: "/") }

    /// `/meshnode/` belongs to built-in actors.
    package var isReserved: Bool { self.description.hasPrefix("/meshnode/") || self.description == "/meshnode" }

    package static func < (left: ActorPath, right: ActorPath) -> Bool { left.description < right.description }

    /// Accepts text with or without the leading slash; throws what is wrong and where.
    package init(_ text: some StringProtocol) throws(ActorPathError) {
        var canonical: [UInt8] = []
        canonical.reserveCapacity(text.utf8.count + 1)
        var count = 0
        var position = 0
        let bytes = Array(text.utf8)
        if bytes.first == UInt8(ascii: "/") { position = 1 }
        guard position < bytes.count else { throw ActorPathError(reason: "the path is empty", position: 0) }
        while position <= bytes.count {
            let end = bytes[position...].firstIndex(of: UInt8(ascii: "/")) ?? bytes.count
            guard end > position else { throw ActorPathError(reason: "a segment is empty", position: position) }
            count += 1
            guard count <= Self.segmentsMax else {
                throw ActorPathError(reason: "more than \(Self.segmentsMax) segments", position: position)
            }
            canonical.append(UInt8(ascii: "/"))
            let before = canonical.count
            try appendCanonical(bytes[position..<end], to: &canonical)
            guard canonical.count - before <= Self.segmentBytesMax else {
                throw ActorPathError(
                    reason: "a segment has more than \(Self.segmentBytesMax) bytes", position: position)
            }
            position = end + 1
        }
        guard canonical.count <= Self.bytesMax else {
            throw ActorPathError(reason: "more than \(Self.bytesMax) bytes", position: Self.bytesMax)
        }
        self.description = String(decoding: canonical, as: UTF8.self)
    }
}

package struct ActorPathError: Error, Hashable, Sendable, CustomStringConvertible {
    package var reason: String
    /// Byte offset into the text.
    package var position: Int

    package var description: String { "not an actor path: \(self.reason), at byte \(self.position)" }
}

/// Decodes what need not be encoded and encodes what must be, so that every path has one spelling.
private func appendCanonical(_ segment: ArraySlice<UInt8>, to canonical: inout [UInt8]) throws(ActorPathError) {
    let hexadecimal = Array("0123456789ABCDEF".utf8)
    var position = segment.startIndex
    while position < segment.endIndex {
        var byte = segment[position]
        var width = 1
        if byte == UInt8(ascii: "%") {
            guard position + 2 < segment.endIndex, let high = nibble(segment[position + 1]),
                let low = nibble(segment[position + 2])
            else { throw ActorPathError(reason: "% without two hexadecimal digits", position: position) }
            byte = high << 4 | low
            width = 3
        }
        if isUnreserved(byte) {
            canonical.append(byte)
        } else {
            canonical += [UInt8(ascii: "%"), hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]]
        }
        position += width
    }
}

private func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
        UInt8(ascii: "-"):
        true
    default: false
    }
}

private func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
