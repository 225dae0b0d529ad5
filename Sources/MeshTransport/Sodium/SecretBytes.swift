internal import CSodium
internal import MeshCore

/// Secret bytes in memory that is locked, fenced by guard pages, and wiped when released.
///
/// A reference, so that passing a secret around never copies it to pages that could be swapped or dumped.
@safe package final class SecretBytes: Sendable {
    package let count: Int
    /// Written only by `init`, so sharing it between threads is safe.
    private nonisolated(unsafe) let storage: UnsafeMutableRawPointer

    /// `fill` gets zeroed memory of `count` bytes.
    package init(count: Int, fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        let storage = unsafe SecretMemory.shared.take(count: count)
        unsafe fill(storage.assumingMemoryBound(to: UInt8.self))
        unsafe self.storage = storage
        self.count = count
    }

    deinit { unsafe SecretMemory.shared.give(back: self.storage, count: self.count) }

    package static func random(count: Int) -> SecretBytes {
        unsafe SecretBytes(count: count) { unsafe randombytes_buf($0, count) }
    }

    package convenience init(copying bytes: [UInt8]) {
        unsafe self.init(count: bytes.count) { out in
            for (index, byte) in bytes.enumerated() { unsafe out[index] = byte }
        }
    }

    package convenience init(copying bytes: RawSpan) {
        unsafe self.init(count: bytes.byteCount) { out in
            unsafe bytes.withUnsafeBytes { source in
                guard let start = source.baseAddress else { return }
                unsafe UnsafeMutableRawPointer(out).copyMemory(from: start, byteCount: source.count)
            }
        }
    }

    /// The pointer is valid inside `body` only.
    package func withUnsafeBytes<R, E: Error>(_ body: (UnsafePointer<UInt8>) throws(E) -> R) throws(E) -> R {
        defer { withExtendedLifetime(self) {} }
        return try unsafe body(UnsafePointer(self.storage.assumingMemoryBound(to: UInt8.self)))
    }

    /// The same, to be read as what came from outside.
    package func withSpan<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try unsafe self.withUnsafeBytes { start throws(E) in
            try unsafe body(RawSpan(_unsafeStart: start, byteCount: self.count))
        }
    }

    /// A copy outside locked memory, for writing a key to its file or token.
    package func exposed() -> [UInt8] {
        unsafe self.withUnsafeBytes { unsafe Array(copying: UnsafeRawBufferPointer(start: $0, count: self.count)) }
    }

    /// In constant time.
    package func isEqual(to other: SecretBytes) -> Bool {
        unsafe self.withUnsafeBytes { left in
            unsafe other.withUnsafeBytes { right in
                unsafe self.count == other.count && sodium_memcmp(left, right, self.count) == 0
            }
        }
    }
}

/// Harmless twice; before it libsodium picks no fast implementations and its allocator has no canary.
func startSodium() { _ = started }

private let started: Void = {
    guard sodium_init() >= 0 else { fatalError("libsodium cannot start: the system gives no randomness") }
}()

/// Random bytes for nonces and names that need no wiping.
package func randomBytes(_ count: Int) -> [UInt8] {
    startSodium()
    var bytes = [UInt8](repeating: 0, count: count)
    unsafe randombytes_buf(&bytes, count)
    return bytes
}

package func randomUInt64() -> UInt64 {
    randomBytes(8).reduce(0) { $0 << 8 | UInt64($1) }
}
