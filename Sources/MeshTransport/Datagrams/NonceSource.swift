internal import CSodium

/// Nonces of 24 bytes that never repeat: 16 bytes of a keyed hash (SipHash-2-4) of what is sealed, and a counter. The hash's
/// key is random and drawn anew every 1,024 packets.
///
/// The counter keeps packets of one key apart. Under two keys the hashes are as good as two random numbers of 128 bits, which
/// never meet, on whatever node and in whatever boot they were drawn. So nothing has to be remembered across restarts.
///
/// The hash covers the packet for the sake of virtual machines: an image that is resumed twice has key and counter twice,
/// and the system's own generator may be in it too. What the two then send differs, and so do the nonces; where it does not,
/// the same packet is sent again, which tells nobody anything.
package struct NonceSource: ~Copyable {
    package static let nonceBytes = 24
    private static let hashBytes = 16
    private static let keyBytes = 16
    private static let packetsPerKey: UInt64 = 1024

    private var key = [UInt8](repeating: 0, count: Self.keyBytes)
    private var counter: UInt64 = 0

    package init() { startSodium() }

    /// The same state once more, as an image of a machine that is resumed twice has it. For tests: otherwise it is not
    /// copyable, so that no two sealers can draw the same nonces.
    package borrowing func resumed() -> NonceSource {
        var copy = NonceSource()
        (copy.key, copy.counter) = (self.key, self.counter)
        return copy
    }

    package mutating func fill(_ out: UnsafeMutablePointer<UInt8>, sealing body: UnsafePointer<UInt8>, count: Int) {
        if self.counter % Self.packetsPerKey == 0 { unsafe randombytes_buf(&self.key, Self.keyBytes) }
        _ = unsafe crypto_shorthash_siphashx24(out, body, UInt64(count), self.key)
        unsafe UnsafeMutableRawPointer(out + Self.hashBytes).storeBytes(of: self.counter.bigEndian, as: UInt64.self)
        self.counter += 1
    }
}
