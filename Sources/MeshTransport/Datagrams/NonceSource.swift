internal import CSodium

/// Random nonces of 24 bytes, drawn from the system in blocks: one system call for 64 packets instead of one each.
///
/// At that length random nonces do not collide within the life of a key (XChaCha), and nothing needs to be remembered
/// across restarts.
struct NonceSource: ~Copyable {
    static let nonceBytes = 24
    private static let perBlock = 64

    private var block = [UInt8](repeating: 0, count: Self.nonceBytes * Self.perBlock)
    private var next = Self.perBlock

    init() { startSodium() }

    /// Not copyable, so that no two sealers can draw the same nonces.
    mutating func fill(_ out: UnsafeMutablePointer<UInt8>) {
        if self.next == Self.perBlock {
            unsafe randombytes_buf(&self.block, self.block.count)
            self.next = 0
        }
        unsafe self.block.withUnsafeBufferPointer { block in
            guard let start = block.baseAddress else { return }
            unsafe out.update(from: start + self.next * Self.nonceBytes, count: Self.nonceBytes)
        }
        self.next += 1
    }
}
