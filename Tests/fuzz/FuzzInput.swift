/// Reads decisions from the bytes of one input. Past its end everything is 0.
struct FuzzInput {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { self.offset >= self.bytes.count }

    mutating func byte() -> UInt8 {
        guard self.offset < self.bytes.count else { return 0 }
        defer { self.offset += 1 }
        return self.bytes[self.offset]
    }

    mutating func number() -> UInt64 { (0..<8).reduce(0) { value, _ in value << 8 | UInt64(self.byte()) } }

    /// So many bytes as two of the input say, or what is left.
    mutating func run() -> [UInt8] {
        let count = Int(self.byte()) << 8 | Int(self.byte())
        return self.take(count)
    }

    mutating func rest() -> [UInt8] { self.take(self.bytes.count) }

    private mutating func take(_ count: Int) -> [UInt8] {
        let start = min(self.offset, self.bytes.count)
        let end = min(start + count, self.bytes.count)
        self.offset = end
        return Array(self.bytes[start..<end])
    }
}
