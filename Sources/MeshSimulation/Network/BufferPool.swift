/// Bytes on their way. Buffers go round, so a packet in flight costs no allocation in steady state.
package struct BufferPool: Sendable {
    package struct Handle: Hashable, Sendable { fileprivate var index: Int32 }

    /// A buffer that has grown past this gives its memory back instead of keeping it for a small packet.
    private static let keptBytesMax = 4_096

    private var buffers: [[UInt8]] = []
    private var free: [Int32] = []

    package init() {}

    /// Buffers in use now; a run that ends with more than its packets in flight has a leak.
    package var inUse: Int { self.buffers.count - self.free.count }

    package mutating func store(_ bytes: ArraySlice<UInt8>) -> Handle {
        if let index = self.free.popLast() {
            self.buffers[Int(index)].append(contentsOf: bytes)
            return Handle(index: index)
        }
        self.buffers.append(Array(bytes))
        return Handle(index: Int32(self.buffers.count - 1))
    }

    package func count(_ handle: Handle) -> Int { self.buffers[Int(handle.index)].count }

    /// Moves the bytes out; the caller hands them back with `release`.
    package mutating func take(_ handle: Handle) -> [UInt8] {
        var bytes: [UInt8] = []
        swap(&bytes, &self.buffers[Int(handle.index)])
        return bytes
    }

    package mutating func release(_ handle: Handle, _ bytes: consuming [UInt8]) {
        if bytes.capacity > Self.keptBytesMax { bytes = [] }
        bytes.removeAll(keepingCapacity: true)
        swap(&bytes, &self.buffers[Int(handle.index)])
        self.free.append(handle.index)
    }

    /// Puts bytes back under the same handle, to be taken again.
    package mutating func give(_ handle: Handle, _ bytes: consuming [UInt8]) {
        self.buffers[Int(handle.index)] = bytes
    }

    package mutating func discard(_ handle: Handle) { self.release(handle, self.take(handle)) }
}
