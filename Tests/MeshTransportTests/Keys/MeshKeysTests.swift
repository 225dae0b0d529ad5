import MeshCore
import MeshTransport
import Testing

@Suite("keys of a mesh")
struct MeshKeysTests {
    private let node = NodeID(high: 1, low: 1)

    @Test("a token carries the keyring, the primary first")
    func token() throws {
        var keys = MeshKeys.generate()
        let second = MeshKey.generate()
        try keys.install(second, by: self.node)
        try keys.use(second.id, by: self.node)
        let cluster = ClusterID.random()
        let token = try JoinToken(keys.token(cluster: cluster).text)
        #expect(token.cluster == cluster)
        let copy = MeshKeys(token)
        #expect((copy.ring.primary, copy.ring.keys) == (keys.ring.primary, keys.ring.keys))
        #expect(copy.primary.secret.isEqual(to: keys.primary.secret))
    }

    @Test("what is kept in a file comes back, removed keys without their secret")
    func table() throws {
        var keys = MeshKeys.generate()
        let (old, second) = (keys.ring.primary, MeshKey.generate())
        try keys.install(second, by: self.node)
        try keys.use(second.id, by: self.node)
        try keys.remove(old, by: self.node)
        var writer = WireWriter()
        keys.table().write(to: &writer)
        #expect(writer.count == 2 + (4 + 1 + 48) + (4 + 1 + 48 + 32))
        let bytes = writer.bytes
        var reader = WireReader(bytes.raw)
        let copy = try #require(MeshKeys(try KeyTable(from: &reader)))
        try reader.end()
        #expect(copy.ring == keys.ring)
        #expect(copy.key(old) == nil)
        #expect(copy.primary.secret.isEqual(to: second.secret))
    }

    @Test("a table that is cut, or whose key is not the one it is called, is refused")
    func damaged() throws {
        var writer = WireWriter()
        MeshKeys.generate().table().write(to: &writer)
        let whole = writer.bytes
        for count in 0..<whole.count {
            let cut = Array(whole[..<count])
            #expect(throws: WireError.self) {
                var reader = WireReader(cut.raw)
                _ = try KeyTable(from: &reader)
            }
        }
        // Every bit of the secret and of the id counts.
        for index in [2, 5, whole.count - 32, whole.count - 1] {
            var changed = whole
            changed[index] ^= 1
            let bytes = changed
            #expect(throws: WireError(.invalidValue, at: 2)) {
                var reader = WireReader(bytes.raw)
                _ = try KeyTable(from: &reader)
            }
        }
    }

    @Test("a member's keys are taken over with their secrets; without a secret there is no key")
    func merging() throws {
        var (one, other) = (MeshKeys.generate(), MeshKeys.generate())
        other = one
        let new = MeshKey.generate()
        try one.install(new, by: self.node)
        try one.use(new.id, by: self.node)
        try other.merge(one.table { _ in false })
        #expect(other.ring.keys.count == 1)
        #expect(other.ring.lacks(one.ring.entries))
        try other.merge(one.table())
        #expect(other.ring == one.ring)
        #expect(other.primary.id == new.id)
    }

    @Test("no two purposes share a key")
    func subkeys() {
        let key = MeshKeys.generate().primary
        let all = [key.secret, key.datagram, key.stream, key.preface].map { $0.exposed() }
        #expect(Set(all).count == all.count)
    }

    @Test("a key names itself: the same bytes have the same id")
    func ids() throws {
        let token = MeshKeys.generate().token(cluster: .random())
        #expect(MeshKeys(token).ring == MeshKeys(token).ring)
        #expect(MeshKey.generate().id != MeshKey.generate().id)
    }
}
