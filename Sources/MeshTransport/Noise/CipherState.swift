internal import CSodium

/// One direction of a secured stream: a key and a counter that is the nonce (Noise, section 5.1).
package struct CipherState: Sendable {
    package static let tagBytes = 16

    private var key: SecretBytes?
    private(set) var counter: UInt64 = 0

    /// nil leaves everything in the clear, as a handshake does before its first key.
    package init(key: SecretBytes? = nil) {
        precondition(key.map { $0.count >= 32 } ?? true, "a cipher key is 32 bytes")
        self.key = key
    }

    var hasKey: Bool { self.key != nil }

    /// Encrypts `count` bytes in place; the tag follows them, for which there is room.
    package mutating func seal(_ bytes: UnsafeMutablePointer<UInt8>, count: Int, authenticating header: [UInt8] = []) {
        guard let key = self.key else { return }
        let nonce = self.nextNonce()
        unsafe key.withUnsafeBytes { key in
            _ = unsafe crypto_aead_chacha20poly1305_ietf_encrypt(
                bytes, nil, bytes, UInt64(count), header, UInt64(header.count), nil, nonce, key)
        }
    }

    /// Decrypts in place `count` bytes, the last 16 of which are the tag. False if they are not what was sealed.
    package mutating func open(_ bytes: UnsafeMutablePointer<UInt8>, count: Int, authenticating header: [UInt8] = [])
        -> Bool
    {
        guard let key = self.key else { return true }
        guard count >= Self.tagBytes else { return false }
        let nonce = self.nextNonce()
        return unsafe key.withUnsafeBytes { key in
            unsafe crypto_aead_chacha20poly1305_ietf_decrypt(
                bytes, nil, nil, bytes, UInt64(count), header, UInt64(header.count), nonce, key) == 0
        }
    }

    /// Noise, section 4.2: the new key is what the old one makes of zeros. Past keys cannot be had from it.
    package mutating func rekey() {
        guard let key = self.key else { return }
        let nonce = Self.nonce(.max)
        self.key = unsafe SecretBytes(count: 32 + Self.tagBytes) { out in
            unsafe key.withUnsafeBytes { key in
                _ = unsafe crypto_aead_chacha20poly1305_ietf_encrypt(
                    out, nil, out, 32, nil, 0, nil, nonce, key)
            }
        }
    }

    private mutating func nextNonce() -> [UInt8] {
        // Re-keying by volume comes long before; a repeated nonce would give the plaintext away.
        precondition(self.counter < .max - 1, "a nonce would repeat")
        defer { self.counter += 1 }
        return Self.nonce(self.counter)
    }

    /// 32 zero bits and the counter, little-endian (Noise, section 12.3).
    private static func nonce(_ counter: UInt64) -> [UInt8] {
        [0, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: counter >> (8 * UInt64($0))) }
    }
}
