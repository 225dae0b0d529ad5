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

/// The keyring with its secrets: the policy is Core's, the bytes stay in locked memory.
package struct MeshKeys: Sendable {
    package private(set) var ring: Keyring
    /// At most 8: a scan beats a dictionary.
    private var keys: [MeshKey]

    /// A mesh's first key.
    package static func generate() -> MeshKeys { MeshKeys(MeshKey(.random(count: JoinToken.keyBytes))) }

    package init(_ token: JoinToken) {
        self.init(MeshKey(SecretBytes(copying: token.keys[0])))
        // A token holds no more keys than a keyring does.
        for key in token.keys.dropFirst() { _ = try? self.install(key) }
    }

    private init(_ key: MeshKey) {
        self.ring = Keyring(primary: key.id)
        self.keys = [key]
    }

    package func token(cluster: ClusterID) -> JoinToken {
        let ordered = [self.primary] + self.keys.filter { $0.id != self.ring.primary }
        return JoinToken(cluster: cluster, keys: ordered.map { $0.secret.exposed() })
    }

    package var primary: MeshKey {
        guard let key = self.key(self.ring.primary) else {
            preconditionFailure("primary \(self.ring.primary) is missing")
        }
        return key
    }

    func key(_ id: KeyID) -> MeshKey? { self.keys.first { $0.id == id } }

    @discardableResult
    package mutating func install(_ bytes: [UInt8]) throws(KeyringError) -> KeyID {
        let key = MeshKey(SecretBytes(copying: bytes))
        guard self.key(key.id) == nil else { return key.id }
        try self.ring.install(key.id)
        self.keys.append(key)
        return key.id
    }

    package mutating func use(_ id: KeyID) throws(KeyringError) { try self.ring.use(id) }

    package mutating func remove(_ id: KeyID) throws(KeyringError) {
        try self.ring.remove(id)
        self.keys.removeAll { $0.id == id }
    }
}

extension ClusterID {
    /// For a new mesh.
    package static func random() -> ClusterID { ClusterID(high: randomUInt64(), low: randomUInt64()) }
}
