/// Whether bytes are one JSON text (RFC 8259): a pushdown scanner, no tree, no recursion.
///
/// Bodies are opaque to the mesh; this only decides how they travel, so it must cost little and accept exactly JSON.
package func isJSON(_ bytes: [UInt8]) -> Bool {
    var scanner = JSONScanner(bytes: bytes)
    return scanner.whole() && scanner.isAtEnd
}

/// Where the values of one JSON object stand, by key; nil if the bytes are not one object with keys that differ.
///
/// For taking one value out as it was written: decoding and encoding again would change numbers. Keys are compared
/// as they are written, escapes included.
package func jsonMembers(of bytes: [UInt8]) -> [String: Range<Int>]? {
    var scanner = JSONScanner(bytes: bytes)
    return scanner.members()
}

/// Where the elements of one JSON array stand; nil if the bytes are not one array.
package func jsonElements(of bytes: [UInt8]) -> [Range<Int>]? {
    var scanner = JSONScanner(bytes: bytes)
    return scanner.elements()
}

private struct JSONScanner {
    /// Deeper texts are legal but no reader of ours takes them.
    static let depthMax = 512

    let bytes: [UInt8]
    private var position = 0
    /// Open containers; true is an object.
    private var open: [Bool] = []

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { self.position == self.bytes.count }

    /// One value with all that it contains, and the space around it.
    mutating func whole() -> Bool {
        repeat {
            guard self.value() else { return false }
            guard self.closeContainers() else { return false }
        } while !self.open.isEmpty
        return true
    }

    mutating func members() -> [String: Range<Int>]? {
        var members: [String: Range<Int>] = [:]
        self.skipSpace()
        guard self.take(UInt8(ascii: "{")) else { return nil }
        self.skipSpace()
        if !self.take(UInt8(ascii: "}")) {
            repeat {
                self.skipSpace()
                let start = self.position
                guard self.string() else { return nil }
                let key = String(decoding: self.bytes[start + 1..<self.position - 1], as: UTF8.self)
                self.skipSpace()
                guard self.take(UInt8(ascii: ":")) else { return nil }
                self.skipSpace()
                let value = self.position
                guard self.whole(), members.updateValue(value..<self.position, forKey: key) == nil else { return nil }
            } while self.take(UInt8(ascii: ","))
            guard self.take(UInt8(ascii: "}")) else { return nil }
        }
        self.skipSpace()
        return self.isAtEnd ? members : nil
    }

    mutating func elements() -> [Range<Int>]? {
        var elements: [Range<Int>] = []
        self.skipSpace()
        guard self.take(UInt8(ascii: "[")) else { return nil }
        self.skipSpace()
        if !self.take(UInt8(ascii: "]")) {
            repeat {
                self.skipSpace()
                let start = self.position
                guard self.whole() else { return nil }
                elements.append(start..<self.position)
            } while self.take(UInt8(ascii: ","))
            guard self.take(UInt8(ascii: "]")) else { return nil }
        }
        self.skipSpace()
        return self.isAtEnd ? elements : nil
    }

    /// A scalar, an empty container, or the beginning of one up to its first value.
    private mutating func value() -> Bool {
        while true {
            self.skipSpace()
            guard let byte = self.peek else { return false }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                let isObject = byte == UInt8(ascii: "{")
                self.position += 1
                self.skipSpace()
                if self.take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) { return true }
                guard self.open.count < Self.depthMax else { return false }
                self.open.append(isObject)
                if isObject, !self.key() { return false }
            case UInt8(ascii: "\""): return self.string()
            case UInt8(ascii: "t"): return self.literal("true")
            case UInt8(ascii: "f"): return self.literal("false")
            case UInt8(ascii: "n"): return self.literal("null")
            default: return self.number()
            }
        }
    }

    /// After a value: closing brackets, then either the end or a comma (and a key) before the next value.
    private mutating func closeContainers() -> Bool {
        while true {
            self.skipSpace()
            guard let isObject = self.open.last else { return true }
            if self.take(UInt8(ascii: ",")) { return isObject ? self.key() : true }
            guard self.take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
            self.open.removeLast()
        }
    }

    private mutating func key() -> Bool {
        self.skipSpace()
        guard self.string() else { return false }
        self.skipSpace()
        return self.take(UInt8(ascii: ":"))
    }

    private mutating func string() -> Bool {
        guard self.take(UInt8(ascii: "\"")) else { return false }
        let start = self.position
        while let byte = self.peek {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""):
                return String(validating: self.bytes[start..<self.position], as: UTF8.self) != nil
            case UInt8(ascii: "\\"): guard self.escape() else { return false }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        guard let byte = self.peek else { return false }
        self.position += 1
        guard byte == UInt8(ascii: "u") else { return Array("\"\\/bfnrt".utf8).contains(byte) }
        for _ in 0..<4 {
            guard let digit = self.peek, isHexadecimal(digit) else { return false }
            self.position += 1
        }
        return true
    }

    private mutating func number() -> Bool {
        _ = self.take(UInt8(ascii: "-"))
        if !self.take(UInt8(ascii: "0")) { guard self.digits() else { return false } }
        if self.take(UInt8(ascii: ".")) { guard self.digits() else { return false } }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            if !self.take(UInt8(ascii: "+")) { _ = self.take(UInt8(ascii: "-")) }
            guard self.digits() else { return false }
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = self.position
        while let byte = self.peek, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { self.position += 1 }
        return self.position > start
    }

    private mutating func literal(_ text: StaticString) -> Bool {
        for byte in "\(text)".utf8 { guard self.take(byte) else { return false } }
        return true
    }

    private var peek: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.peek == byte else { return false }
        self.position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = self.peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { self.position += 1 }
    }
}

private func isHexadecimal(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
        UInt8(ascii: "A")...UInt8(ascii: "F"):
        true
    default: false
    }
}
