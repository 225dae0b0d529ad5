/// What a node must hold to talk to a mesh: its cluster id and its keys. Written `mesh1.` and lower-case base32.
///
/// Whoever has the text can speak to the mesh, so it belongs in a file of mode 0600 and never in a log.
package struct JoinToken: Hashable, Sendable {
    package static let keyBytes = 32
    /// Longer text is refused before it is looked at.
    package static let textBytesMax = 1024
    private static let prefix = "mesh1."
    /// In the byte of the number of keys.
    private static let foundersFlag: UInt8 = 0x80

    package var cluster: ClusterID
    /// 1 to 8 keys of 32 bytes; the first is the primary.
    package var keys: [[UInt8]]
    /// Of a mesh that no node creates: how many equals make it. The token is what all of them surely have in common.
    package var founders: Int?

    package static let foundersRange = 2...255

    package init(cluster: ClusterID, keys: [[UInt8]], founders: Int? = nil) {
        precondition(1...Keyring.keysMax ~= keys.count && keys.allSatisfy { $0.count == Self.keyBytes }, "keys")
        precondition(founders.map(Self.foundersRange.contains) ?? true, "founders")
        self.cluster = cluster
        self.keys = keys
        self.founders = founders
    }

    /// Reads what `text` writes; capital letters are accepted, since people and mail programs make them.
    package init(_ text: some StringProtocol) throws(JoinTokenError) {
        guard text.utf8.count <= Self.textBytesMax else { throw .tooLong }
        let lower = text.lowercased()
        guard lower.hasPrefix(Self.prefix) else { throw Self.prefixError(lower) }
        let bytes = try Base32.decode(lower.utf8.dropFirst(Self.prefix.utf8.count), offset: Self.prefix.utf8.count)
        do { try self.init(bytes: bytes) } catch { throw (error.code == .invalidValue ? .checksum : .truncated) }
    }

    package var text: String { Self.prefix + Base32.encode(self.bytes) }

    private var bytes: [UInt8] {
        var writer = WireWriter()
        writer.write(self.cluster)
        writer.write(UInt8(self.keys.count) | (self.founders == nil ? 0 : Self.foundersFlag))
        if let founders = self.founders { writer.write(UInt8(founders)) }
        for key in self.keys { writer.bytes += key }
        writer.write(Self.checksum(writer.bytes[...]))
        return writer.bytes
    }

    private init(bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.cluster = try reader.clusterID()
        let head = try reader.read(UInt8.self)
        let count = Int(head & ~Self.foundersFlag)
        let saysFounders = head & Self.foundersFlag != 0
        // A count out of range is a mistyped character as likely as a missing tail: the length decides.
        guard bytes.count == 16 + 1 + (saysFounders ? 1 : 0) + count * Self.keyBytes + 8 else {
            throw WireError(bytes.count < 16 + 1 + Self.keyBytes + 8 ? .truncated : .invalidValue, at: 16)
        }
        guard 1...Keyring.keysMax ~= count else { throw WireError(.invalidValue, at: 16) }
        if saysFounders {
            let founders = Int(try reader.read(UInt8.self))
            guard Self.foundersRange ~= founders else { throw WireError(.invalidValue, at: 17) }
            self.founders = founders
        }
        self.keys = []
        for _ in 0..<count { self.keys.append(try reader.array(Self.keyBytes)) }
        let body = bytes[..<reader.offset]
        guard try reader.read(UInt64.self) == Self.checksum(body) else {
            throw WireError(.invalidValue, at: body.count)
        }
    }

    /// Against slips of the pen, not against forgers: who can forge a token has no use for it.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        sipHash24(bytes, key: (0x6d65_7368_6e6f_6465, 0x6a6f_696e_746f_6b65))
    }

    private static func prefixError(_ text: String) -> JoinTokenError {
        guard text.hasPrefix("mesh"), let dot = text.firstIndex(of: "."),
            let version = Int(text[text.index(text.startIndex, offsetBy: 4)..<dot])
        else { return .prefix }
        return .version(version)
    }
}

package enum JoinTokenError: Error, Hashable, Sendable, CustomStringConvertible {
    case prefix
    case version(Int)
    /// Byte offset into the text.
    case character(position: Int)
    case truncated
    case tooLong
    case checksum

    /// Never repeats the token: errors end in logs.
    package var description: String {
        switch self {
        case .prefix: "not a join token: it does not begin with mesh1."
        case .version(let version): "the join token has version \(version), this software reads version 1"
        case .character(let position): "the join token has a character at byte \(position) that does not belong there"
        case .truncated: "the join token is cut short"
        case .tooLong: "the join token is too long"
        case .checksum: "the join token is damaged: its checksum does not match"
        }
    }
}

/// RFC 4648, section 6, lower case and without padding.
private enum Base32 {
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var (buffer, bits) = (0 as UInt32, 0)
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                text.append(self.alphabet[Int(buffer >> UInt32(bits) & 31)])
            }
        }
        if bits > 0 { text.append(self.alphabet[Int(buffer << UInt32(5 - bits) & 31)]) }
        return String(decoding: text, as: UTF8.self)
    }

    static func decode(_ text: some Sequence<UInt8>, offset: Int) throws(JoinTokenError) -> [UInt8] {
        var bytes: [UInt8] = []
        var (buffer, bits, position) = (0 as UInt32, 0, offset)
        for character in text {
            let value: UInt8
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a")
            case UInt8(ascii: "2")...UInt8(ascii: "7"): value = character - UInt8(ascii: "2") + 26
            default: throw .character(position: position)
            }
            buffer = buffer << 5 | UInt32(value)
            bits += 5
            position += 1
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        // Bits that make no byte must be zero, else two texts would be one token.
        guard bits < 5, buffer & ((1 << UInt32(bits)) - 1) == 0 else { throw .truncated }
        return bytes
    }
}
