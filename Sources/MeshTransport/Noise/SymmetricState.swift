/// The running hash and the chaining key of a handshake (Noise, section 5.2).
struct SymmetricState: Sendable {
    private var chainingKey: SecretBytes
    private(set) var hash: [UInt8]
    private var cipher = CipherState()

    init(protocolName: String) {
        let name = Array(protocolName.utf8)
        self.hash =
            name.count <= Blake2b.hashBytes
            ? name + [UInt8](repeating: 0, count: Blake2b.hashBytes - name.count) : Blake2b.hash(name)
        self.chainingKey = SecretBytes(copying: self.hash)
    }

    var hasKey: Bool { self.cipher.hasKey }

    mutating func mixHash(_ data: [UInt8]) { self.hash = Blake2b.hash(self.hash + data) }

    mutating func mixKey(_ input: SecretBytes) {
        let (chainingKey, key) = Blake2b.hkdf2(self.chainingKey, input)
        self.chainingKey = chainingKey
        self.cipher = CipherState(key: key)
    }

    mutating func mixKeyAndHash(_ preShared: SecretBytes) {
        let (chainingKey, hash, key) = Blake2b.hkdf3(self.chainingKey, preShared)
        self.chainingKey = chainingKey
        self.mixHash(hash.exposed())
        self.cipher = CipherState(key: key)
    }

    mutating func encryptAndHash(_ plaintext: [UInt8]) -> [UInt8] {
        var bytes = plaintext
        if self.hasKey {
            bytes += [UInt8](repeating: 0, count: CipherState.tagBytes)
            unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return }
                unsafe self.cipher.seal(start, count: plaintext.count, authenticating: self.hash)
            }
        }
        self.mixHash(bytes)
        return bytes
    }

    mutating func decryptAndHash(_ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
        var bytes = ciphertext
        if self.hasKey {
            let isGood = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return false }
                return unsafe self.cipher.open(start, count: buffer.count, authenticating: self.hash)
            }
            guard isGood else { throw .decryption }
            bytes.removeLast(CipherState.tagBytes)
        }
        self.mixHash(ciphertext)
        return bytes
    }

    /// The ciphers of both directions: the initiator's sending one first.
    func split() -> (CipherState, CipherState) {
        let (first, second) = Blake2b.hkdf2(self.chainingKey, [])
        return (CipherState(key: first), CipherState(key: second))
    }
}

package enum NoiseError: Error, Hashable, Sendable {
    /// Too short for the keys that it must hold.
    case truncated
    /// Another key, another prologue, or changed on the way.
    case decryption
    /// A public key of small order.
    case weakKey
}
