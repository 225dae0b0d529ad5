/// One spelling of a JSON value: two texts have the same one if and only if they mean the same.
///
/// Keys in the order of their bytes, no space, strings with as few escapes as there can be, numbers as exact decimals
/// (`10`, `1e1` and `100e-1` are `1e1`). No binary floating point comes near it, so numbers that differ only in their
/// twentieth digit stay apart.
package func canonicalJSON(_ text: [UInt8]) throws(JSONValueError) -> [UInt8] {
    guard isJSON(text) else { throw .notJSON }
    var canonicalizer = JSONCanonicalizer(text: text)
    try canonicalizer.value(depth: 0)
    return canonicalizer.output
}

/// Why two JSON texts cannot be compared.
package enum JSONValueError: Error, Hashable, Sendable, CustomStringConvertible {
    case notJSON
    /// Readers differ in which of the two counts (RFC 8259, 4).
    case repeatedKey(String)
    case exponentTooLong(String)
    case tooDeep

    /// More is refused, for the exponent is computed with.
    static let exponentDigitsMax = 9
    static let depthMax = 64

    package var description: String {
        switch self {
        case .notJSON: "it is not JSON"
        case .repeatedKey(let key): "the key \(clipped(key, toBytes: 64)) stands twice in one object"
        case .exponentTooLong(let number):
            "the exponent of \(clipped(number, toBytes: 64)) has more than \(Self.exponentDigitsMax) digits"
        case .tooDeep: "it is nested deeper than \(Self.depthMax)"
        }
    }
}

/// Reads text that is known to be JSON, so it never looks for what must be there.
private struct JSONCanonicalizer {
    let text: [UInt8]
    var output: [UInt8] = []
    private var position = 0

    init(text: [UInt8]) { self.text = text }

    mutating func value(depth: Int) throws(JSONValueError) {
        guard depth <= JSONValueError.depthMax else { throw .tooDeep }
        self.skipSpace()
        switch self.text[self.position] {
        case UInt8(ascii: "{"): try self.object(depth: depth)
        case UInt8(ascii: "["): try self.array(depth: depth)
        case UInt8(ascii: "\""): self.string()
        case UInt8(ascii: "t"), UInt8(ascii: "n"): self.copy(4)
        case UInt8(ascii: "f"): self.copy(5)
        default: try self.number()
        }
    }

    private mutating func array(depth: Int) throws(JSONValueError) {
        self.output.append(UInt8(ascii: "["))
        while !self.closes(UInt8(ascii: "]")) {
            if self.output.last != UInt8(ascii: "[") { self.output.append(UInt8(ascii: ",")) }
            try self.value(depth: depth + 1)
        }
        self.output.append(UInt8(ascii: "]"))
    }

    private mutating func object(depth: Int) throws(JSONValueError) {
        var members: [(key: [UInt8], value: [UInt8])] = []
        let before = self.output
        while !self.closes(UInt8(ascii: "}")) {
            self.output = []
            self.skipSpace()
            self.string()
            let key = self.output
            self.output = []
            self.skipSpace()
            self.position += 1  // the colon
            try self.value(depth: depth + 1)
            members.append((key, self.output))
        }
        members.sort { $0.key.lexicographicallyPrecedes($1.key) }
        self.output = before + [UInt8(ascii: "{")]
        for (index, member) in members.enumerated() {
            if index > 0 {
                guard members[index - 1].key != member.key else {
                    throw .repeatedKey(String(decoding: member.key, as: UTF8.self))
                }
                self.output.append(UInt8(ascii: ","))
            }
            self.output += member.key + [UInt8(ascii: ":")] + member.value
        }
        self.output.append(UInt8(ascii: "}"))
    }

    /// Steps over the opening bracket or a comma; true when it stepped over the closing bracket.
    private mutating func closes(_ bracket: UInt8) -> Bool {
        self.skipSpace()
        let byte = self.text[self.position]
        self.position += 1
        if byte == bracket { return true }
        guard byte != UInt8(ascii: ",") else { return false }
        self.skipSpace()
        guard self.text[self.position] == bracket else { return false }
        self.position += 1
        return true
    }

    // MARK: strings

    private mutating func string() {
        self.output.append(UInt8(ascii: "\""))
        self.position += 1
        while self.text[self.position] != UInt8(ascii: "\"") {
            if self.text[self.position] == UInt8(ascii: "\\") {
                self.append(self.escape())
            } else {
                self.copy(1)
            }
        }
        self.position += 1
        self.output.append(UInt8(ascii: "\""))
    }

    /// A code point, or one half of a surrogate pair that has lost its other half.
    private mutating func escape() -> UInt32 {
        let kind = self.text[self.position + 1]
        self.position += 2
        switch kind {
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"): break
        default: return UInt32(kind)
        }
        let high = self.fourDigits(at: self.position)
        self.position += 4
        guard 0xD800...0xDBFF ~= high, self.text[self.position] == UInt8(ascii: "\\"),
            self.text[self.position + 1] == UInt8(ascii: "u")
        else { return high }
        let low = self.fourDigits(at: self.position + 2)
        guard 0xDC00...0xDFFF ~= low else { return high }
        self.position += 6
        return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
    }

    private func fourDigits(at start: Int) -> UInt32 {
        UInt32(String(decoding: self.text[start..<start + 4], as: UTF8.self), radix: 16) ?? 0
    }

    private mutating func append(_ point: UInt32) {
        if point == 0x22 || point == 0x5C {
            self.output += [UInt8(ascii: "\\"), UInt8(point)]
        } else if point >= 0x20, let scalar = Unicode.Scalar(point) {
            self.output += Array(String(scalar).utf8)
        } else {
            let digits = String(point, radix: 16)
            self.output += Array(("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
        }
    }

    // MARK: numbers

    private mutating func number() throws(JSONValueError) {
        let start = self.position
        let isNegative = self.take(UInt8(ascii: "-"))
        var digits = self.digits()
        var exponent = 0
        if self.take(UInt8(ascii: ".")) {
            let fraction = self.digits()
            digits += fraction
            exponent = -fraction.count
        }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            let isBelowOne = self.take(UInt8(ascii: "-"))
            if !isBelowOne { _ = self.take(UInt8(ascii: "+")) }
            let power = self.digits().drop { $0 == UInt8(ascii: "0") }
            guard power.count <= JSONValueError.exponentDigitsMax else {
                throw .exponentTooLong(String(decoding: self.text[start..<self.position], as: UTF8.self))
            }
            let magnitude = power.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
            exponent += isBelowOne ? -magnitude : magnitude
        }
        var significant = digits.drop { $0 == UInt8(ascii: "0") }
        guard !significant.isEmpty else {
            self.output.append(UInt8(ascii: "0"))  // -0 is 0
            return
        }
        while significant.last == UInt8(ascii: "0") {
            significant.removeLast()
            exponent += 1
        }
        if isNegative { self.output.append(UInt8(ascii: "-")) }
        self.output += significant
        if exponent != 0 { self.output += Array("e\(exponent)".utf8) }
    }

    private mutating func digits() -> ArraySlice<UInt8> {
        let start = self.position
        while self.position < self.text.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= self.text[self.position] {
            self.position += 1
        }
        return self.text[start..<self.position]
    }

    // MARK: bytes

    private mutating func copy(_ count: Int) {
        self.output += self.text[self.position..<self.position + count]
        self.position += count
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.position < self.text.count, self.text[self.position] == byte else { return false }
        self.position += 1
        return true
    }

    private mutating func skipSpace() {
        while [0x20, 0x0A, 0x0D, 0x09].contains(self.text[self.position]) { self.position += 1 }
    }
}
