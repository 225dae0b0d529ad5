internal import CSodium

/// Nonces of 24 bytes that never repeat: 16 random bytes, drawn anew every 1,024 packets, and a counter.
///
/// The counter keeps packets of one prefix apart; two prefixes of 128 random bits never meet, on whatever node and in
/// whatever boot they were drawn. So nothing has to be remembered across restarts, and the system is rarely asked.
struct NonceSource: ~Copyable {
    static let nonceBytes = 24
    private static let prefixBytes = 16
    private static let packetsPerPrefix: UInt64 = 1024

    private var prefix = [UInt8](repeating: 0, count: Self.prefixBytes)
    private var counter: UInt64 = 0

    init() { startSodium() }

    /// Not copyable, so that no two sealers can draw the same nonces.
    mutating func fill(_ out: UnsafeMutablePointer<UInt8>) {
        if self.counter % Self.packetsPerPrefix == 0 { unsafe randombytes_buf(&self.prefix, Self.prefixBytes) }
        unsafe self.prefix.withUnsafeBufferPointer { prefix in
            guard let start = prefix.baseAddress else { return }
            unsafe out.update(from: start, count: Self.prefixBytes)
        }
        unsafe UnsafeMutableRawPointer(out + Self.prefixBytes).storeBytes(of: self.counter.bigEndian, as: UInt64.self)
        self.counter += 1
    }
}
