internal import CSodium
package import MeshCore

/// A mesh key and what is derived from it, one subkey per purpose, so that no two ciphers ever share a key.
package struct MeshKey: Sendable {
    package let id: KeyID
    package let secret: SecretBytes
    /// Seals datagrams (XChaCha20-Poly1305).
    package let datagram: SecretBytes
    /// Pre-shared key of the Noise handshake.
    package let stream: SecretBytes
    /// Authenticates the first bytes of a stream, so that strangers learn and cost nothing.
    package let preface: SecretBytes

    package static func generate() -> MeshKey { MeshKey(.random(count: JoinToken.keyBytes)) }

    init(_ secret: SecretBytes) {
        precondition(secret.count == JoinToken.keyBytes, "a key of \(secret.count) bytes")
        self.secret = secret
        self.id = KeyID(Blake2b.hash(secret).prefix(4).reduce(0) { $0 << 8 | UInt32($1) })
        self.datagram = Self.derive(1, from: secret)
        self.stream = Self.derive(2, from: secret)
        self.preface = Self.derive(3, from: secret)
    }

    private static func derive(_ purpose: UInt64, from secret: SecretBytes) -> SecretBytes {
        unsafe SecretBytes(count: 32) { out in
            unsafe secret.withUnsafeBytes {
                _ = unsafe crypto_kdf_blake2b_derive_from_key(out, 32, purpose, "meshnode", $0)
            }
        }
    }
}
