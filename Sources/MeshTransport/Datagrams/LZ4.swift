internal import CLZ4

/// LZ4 blocks with a state that is allocated once.
@safe package struct LZ4: ~Copyable {
    private let state: UnsafeMutableRawPointer

    package init() { unsafe self.state = .allocate(byteCount: Int(LZ4_sizeofState()), alignment: 16) }

    deinit { unsafe self.state.deallocate() }

    /// Bytes written to `out`, or nil when they would be more than `capacity`.
    borrowing func compress(
        _ input: UnsafePointer<UInt8>, count: Int, into out: UnsafeMutablePointer<UInt8>, capacity: Int
    ) -> Int? {
        guard count <= Int(LZ4_MAX_INPUT_SIZE), capacity > 0 else { return nil }
        let written = unsafe LZ4_compress_fast_extState(
            self.state, UnsafeRawPointer(input).assumingMemoryBound(to: CChar.self),
            UnsafeMutableRawPointer(out).assumingMemoryBound(to: CChar.self), Int32(count), Int32(clamping: capacity), 1
        )
        return written > 0 ? Int(written) : nil
    }

    /// True if `input` is a block that fills the `size` bytes of `out` exactly.
    static func decompress(
        _ input: UnsafePointer<UInt8>, count: Int, into out: UnsafeMutablePointer<UInt8>, size: Int
    ) -> Bool {
        guard let count = Int32(exactly: count), let size = Int32(exactly: size) else { return false }
        return unsafe LZ4_decompress_safe(
            UnsafeRawPointer(input).assumingMemoryBound(to: CChar.self),
            UnsafeMutableRawPointer(out).assumingMemoryBound(to: CChar.self), count, size) == size
    }
}
