import MeshCore
import MeshTransport
import Testing

@Suite("libsodium, wrapped")
struct SodiumTests {
    @Test("BLAKE2b of abc is that of RFC 7693, appendix A")
    func blake2b() {
        let hash = Blake2b.hash(Array("abc".utf8))
        #expect(hash.prefix(8) == [0xBA, 0x80, 0xA5, 0x3F, 0x98, 0x1C, 0x4D, 0x0D])
        #expect(hash.suffix(4) == [0xD4, 0x00, 0x99, 0x23])
    }

    @Test("two parties of X25519 agree, and a point of small order is refused")
    func agreement() {
        let (one, two) = (NodeIdentity.generate(), NodeIdentity.generate())
        let (left, right) = (one.agree(with: two.publicKey), two.agree(with: one.publicKey))
        #expect(left != nil && left?.exposed() == right?.exposed())
        #expect(one.agree(with: [UInt8](repeating: 0, count: 32)) == nil)
        #expect(one.agree(with: [1, 2, 3]) == nil)
    }

    @Test("an identity survives its file, and only 32 bytes are one")
    func identity() throws {
        let identity = NodeIdentity.generate()
        #expect(try #require(NodeIdentity(checking: identity.secret)).id == identity.id)
        #expect(NodeIdentity(checking: SecretBytes.random(count: 31)) == nil)
        #expect(NodeIdentity(checking: SecretBytes.random(count: 33)) == nil)
    }

    @Test("secrets of all sizes keep their bytes, and memory that is used again is zeroed")
    func slots() {
        var kept: [(secret: SecretBytes, bytes: [UInt8])] = []
        for count in 1...600 {
            let bytes = randomBytes(count)
            kept.append((SecretBytes(copying: bytes), bytes))
            // What it leaves is given to the next.
            _ = SecretBytes.random(count: count)
            #expect(unsafe SecretBytes(count: count) { _ in }.exposed() == [UInt8](repeating: 0, count: count))
        }
        for (secret, bytes) in kept { #expect(secret.exposed() == bytes) }
    }

    @Test("secrets are equal by value")
    func equality() {
        let bytes = randomBytes(32)
        #expect(SecretBytes(copying: bytes).isEqual(to: SecretBytes(copying: bytes)))
        #expect(!SecretBytes(copying: bytes).isEqual(to: .random(count: 32)))
        #expect(!SecretBytes(copying: bytes).isEqual(to: SecretBytes(copying: Array(bytes.dropLast()))))
    }
}
