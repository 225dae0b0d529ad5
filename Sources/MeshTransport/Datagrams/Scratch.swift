/// A buffer that is allocated once and lives as long as its owner.
@safe struct Scratch: ~Copyable {
    let count: Int
    let start: UnsafeMutablePointer<UInt8>

    init(count: Int) {
        self.count = count
        unsafe self.start = .allocate(capacity: count)
        unsafe self.start.initialize(repeating: 0, count: count)
    }

    deinit { unsafe self.start.deallocate() }

    /// The first `count` bytes, borrowed.
    @_lifetime(borrow self)
    borrowing func prefix(_ count: Int) -> RawSpan {
        precondition(0...self.count ~= count, "\(count) bytes of \(self.count)")
        // The memory lives as long as `self`, which the span borrows.
        let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(self.start), byteCount: count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}
