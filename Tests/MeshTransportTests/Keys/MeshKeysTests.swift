import MeshCore
import MeshTransport
import Testing

@Suite("keys of a mesh")
struct MeshKeysTests {
    @Test("a token carries the keyring, the primary first")
    func token() throws {
        var keys = MeshKeys.generate()
        let second = try keys.install(randomBytes(32))
        try keys.use(second)
        let cluster = ClusterID.random()
        let token = try JoinToken(keys.token(cluster: cluster).text)
        #expect(token.cluster == cluster)
        let copy = MeshKeys(token)
        #expect(copy.ring == keys.ring)
        #expect(copy.primary.secret.isEqual(to: keys.primary.secret))
    }

    @Test("no two purposes share a key")
    func subkeys() {
        let key = MeshKeys.generate().primary
        let all = [key.secret, key.datagram, key.stream, key.preface].map { $0.exposed() }
        #expect(Set(all).count == all.count)
    }

    @Test("a key names itself: the same bytes have the same id")
    func ids() throws {
        let bytes = randomBytes(32)
        var (one, two) = (MeshKeys.generate(), MeshKeys.generate())
        #expect(try one.install(bytes) == two.install(bytes))
        #expect(try one.install(bytes) == two.install(bytes))
        #expect(one.ring.keys.count == 2)
    }
}
