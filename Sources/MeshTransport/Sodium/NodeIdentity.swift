internal import CSodium
package import MeshCore

/// The X25519 key pair of a node. Whoever holds the secret is the node.
package struct NodeIdentity: Sendable {
    package static let secretBytesCount = 32

    package let id: NodeID
    package let publicKey: [UInt8]
    /// For the file that keeps it, mode 0600.
    package let secret: SecretBytes

    package static func generate() -> NodeIdentity { NodeIdentity(.random(count: Self.secretBytesCount)) }

    /// nil unless there are exactly 32 bytes.
    package init?(checking secret: SecretBytes) {
        guard secret.count == Self.secretBytesCount else { return nil }
        self.init(secret)
    }

    init(_ secret: SecretBytes) {
        var publicKey = [UInt8](repeating: 0, count: Self.secretBytesCount)
        unsafe secret.withUnsafeBytes { _ = unsafe crypto_scalarmult_base(&publicKey, $0) }
        self.secret = secret
        self.publicKey = publicKey
        self.id = Self.nodeID(of: publicKey)
    }

    static func nodeID(of publicKey: [UInt8]) -> NodeID {
        let hash = Blake2b.hash(publicKey)
        let word = { (range: Range<Int>) in hash[range].reduce(0 as UInt64) { $0 << 8 | UInt64($1) } }
        return NodeID(high: word(0..<8), low: word(8..<16))
    }

    /// The shared secret with `publicKey`, or nil for the points of small order that would make it predictable.
    package func agree(with publicKey: [UInt8]) -> SecretBytes? {
        guard publicKey.count == 32 else { return nil }
        var isGood = false
        let shared = unsafe SecretBytes(count: 32) { out in
            unsafe self.secret.withUnsafeBytes { secret in
                isGood = unsafe crypto_scalarmult(out, secret, publicKey) == 0
            }
        }
        return isGood ? shared : nil
    }
}
