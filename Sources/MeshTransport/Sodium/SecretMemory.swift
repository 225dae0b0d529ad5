internal import CSodium
internal import Synchronization

/// Memory for secrets, in slots cut from a few locked and fenced regions.
///
/// libsodium gives every allocation pages and fences of its own: several system calls and TLB flushes each way. A handshake
/// derives a hundred secrets, and that was nearly all of what it cost.
@safe final class SecretMemory: Sendable {
    static let shared = SecretMemory()

    /// What key derivation needs at most; larger secrets get pages of their own.
    private static let slotBytes = 256
    private static let slotsPerRegion = 256

    /// Addresses of zeroed slots. Regions are never given back to the system: there are as many as were once needed at
    /// the same time.
    private let free = Mutex<[UInt]>([])

    /// Zeroed memory.
    func take(count: Int) -> UnsafeMutableRawPointer {
        guard count <= Self.slotBytes else { return unsafe Self.allocate(count) }
        let address = self.free.withLock { free -> UInt in
            if free.isEmpty {
                let region = unsafe UInt(bitPattern: Self.allocate(Self.slotBytes * Self.slotsPerRegion))
                free = (0..<UInt(Self.slotsPerRegion)).map { region + $0 * UInt(Self.slotBytes) }
            }
            return free.removeLast()
        }
        guard let slot = unsafe UnsafeMutableRawPointer(bitPattern: address) else { preconditionFailure("no slot") }
        return unsafe slot
    }

    func give(back memory: UnsafeMutableRawPointer, count: Int) {
        guard count <= Self.slotBytes else { return unsafe sodium_free(memory) }
        unsafe sodium_memzero(memory, count)
        let address = UInt(bitPattern: memory)
        self.free.withLock { $0.append(address) }
    }

    private static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        startSodium()
        guard let memory = unsafe sodium_malloc(count) else { fatalError("no memory for a secret of \(count) bytes") }
        unsafe sodium_memzero(memory, count)
        return unsafe memory
    }
}
