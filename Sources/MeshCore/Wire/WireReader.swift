/// Reads big-endian fields from borrowed bytes and refuses, with a place, whatever does not fit.
package struct WireReader: ~Copyable, ~Escapable {
    private let bytes: RawSpan
    package private(set) var offset = 0

    @_lifetime(copy bytes)
    package init(_ bytes: RawSpan) { self.bytes = bytes }

    package var remaining: Int { self.bytes.byteCount - self.offset }
    package var isAtEnd: Bool { self.remaining == 0 }

    package mutating func read<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self) throws(WireError) -> T {
        let size = MemoryLayout<T>.size
        guard self.remaining >= size else { throw WireError(.truncated, at: self.offset) }
        defer { self.offset += size }
        return unsafe T(bigEndian: self.bytes.unsafeLoadUnaligned(fromByteOffset: self.offset, as: T.self))
    }

    /// The next `count` bytes, still borrowed.
    @_lifetime(copy self)
    package mutating func span(_ count: Int) throws(WireError) -> RawSpan {
        guard count >= 0, self.remaining >= count else { throw WireError(.truncated, at: self.offset) }
        defer { self.offset += count }
        return self.bytes.extracting(self.offset..<self.offset + count)
    }

    /// A copy of the next `count` bytes.
    package mutating func array(_ count: Int) throws(WireError) -> [UInt8] {
        [UInt8](copying: try self.span(count))
    }

    /// Bytes behind a 32-bit length of at most `limit`.
    package mutating func bytes(limit: Int) throws(WireError) -> [UInt8] {
        let start = self.offset
        let count = Int(try self.read(UInt32.self))
        guard count <= limit else { throw WireError(.tooLong, at: start) }
        return try self.array(count)
    }

    /// UTF-8 text behind an 8-bit length.
    package mutating func shortText() throws(WireError) -> String {
        try self.text(Int(try self.read(UInt8.self)))
    }

    /// UTF-8 text behind a 16-bit length of at most `limit`.
    package mutating func text(limit: Int) throws(WireError) -> String {
        let start = self.offset
        let count = Int(try self.read(UInt16.self))
        guard count <= limit else { throw WireError(.tooLong, at: start) }
        return try self.text(count)
    }

    package mutating func end() throws(WireError) {
        guard self.isAtEnd else { throw WireError(.trailingBytes, at: self.offset) }
    }

    private mutating func text(_ count: Int) throws(WireError) -> String {
        let start = self.offset
        let span = try self.span(count)
        let text = unsafe span.withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        guard let text else { throw WireError(.invalidText, at: start) }
        return text
    }
}

extension WireReader {
    package mutating func nodeID() throws(WireError) -> NodeID { NodeID(high: try self.read(), low: try self.read()) }

    package mutating func clusterID() throws(WireError) -> ClusterID {
        ClusterID(high: try self.read(), low: try self.read())
    }

    package mutating func endpoint() throws(WireError) -> Endpoint {
        Endpoint(high: try self.read(), low: try self.read(), port: try self.read())
    }
}

extension [UInt8] {
    /// The bytes, borrowed for reading.
    package var raw: RawSpan {
        // `Span.bytes` is safe for elements without padding, and a byte has none.
        @_lifetime(borrow self) get { unsafe self.span.bytes }
    }

    /// A copy of borrowed bytes.
    package init(copying bytes: RawSpan) { self = unsafe bytes.withUnsafeBytes { unsafe Self(copying: $0) } }

    /// A copy of bytes that are valid during the call.
    ///
    /// Not inlined, and the only place that copies so: where nobody uses the copy, the optimizer of Swift 6.3 frees its
    /// buffer before the bytes are copied into it (docs/decisions/0007).
    @inline(never)
    @unsafe package init(copying bytes: UnsafeRawBufferPointer) { unsafe self = Array(bytes) }
}
