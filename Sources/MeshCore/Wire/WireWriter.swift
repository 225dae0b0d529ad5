/// Appends big-endian fields to a byte array that the caller owns and reuses.
package struct WireWriter: Sendable {
    @usableFromInline package var bytes: [UInt8]

    package init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    package var count: Int { self.bytes.count }

    /// Inlinable, so that other targets get it compiled for the integer at hand.
    @inlinable package mutating func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe self.bytes.append(contentsOf: $0) }
    }

    package mutating func write(_ id: NodeID) { self.write(id.high, id.low) }

    package mutating func write(_ id: ClusterID) { self.write(id.high, id.low) }

    /// Two at once: each append has its price, and ids are most of what gossip consists of.
    private mutating func write(_ first: UInt64, _ second: UInt64) {
        let both = (first.bigEndian, second.bigEndian)
        unsafe withUnsafeBytes(of: both) { unsafe self.bytes.append(contentsOf: $0) }
    }

    package mutating func write(_ endpoint: Endpoint) {
        self.write(endpoint.high)
        self.write(endpoint.low)
        self.write(endpoint.port)
    }

    /// Bytes behind a 32-bit length.
    package mutating func write(bytes: some Collection<UInt8>) {
        self.write(UInt32(bytes.count))
        self.bytes.append(contentsOf: bytes)
    }

    /// UTF-8 behind an 8-bit length. The caller has checked that it is at most 255 bytes.
    package mutating func write(shortText text: String) {
        self.write(UInt8(text.utf8.count))
        self.bytes.append(contentsOf: text.utf8)
    }

    /// UTF-8 behind a 16-bit length. The caller has checked that it is at most 65,535 bytes.
    package mutating func write(text: String) {
        self.write(UInt16(text.utf8.count))
        self.bytes.append(contentsOf: text.utf8)
    }
}
