package import MeshCore

/// The keyring with its secrets: the policy is Core's, the bytes stay in locked memory.
package struct MeshKeys: Sendable {
    package private(set) var ring: Keyring
    /// At most 8: a scan beats a dictionary.
    private var keys: [MeshKey]

    /// A mesh's first key.
    package static func generate() -> MeshKeys { MeshKeys([.generate()]) }

    /// The first is the primary.
    private init(_ keys: [MeshKey]) {
        self.ring = Keyring(primary: keys[0].id, others: keys.dropFirst().map(\.id))
        self.keys = keys
    }

    package init(_ token: JoinToken) {
        var keys: [MeshKey] = []
        for key in token.keys.map({ MeshKey(SecretBytes(copying: $0)) })
        where !keys.contains(where: { $0.id == key.id }) {
            keys.append(key)
        }
        self.init(keys)
    }

    /// As they were kept; nil unless they fit together.
    package init?(_ table: KeyTable) {
        guard let ring = Keyring(table.entries),
            ring.keys.allSatisfy({ id in table.keys.contains { $0.id == id } })
        else { return nil }
        self.ring = ring
        self.keys = table.keys
    }

    package func token(cluster: ClusterID) -> JoinToken {
        JoinToken(cluster: cluster, keys: self.ring.byUse.compactMap { self.key($0)?.secret.exposed() })
    }

    package var primary: MeshKey {
        guard let key = self.key(self.ring.primary) else {
            preconditionFailure("primary \(self.ring.primary) is missing")
        }
        return key
    }

    package func key(_ id: KeyID) -> MeshKey? { self.keys.first { $0.id == id } }

    /// The whole keyring, with the secrets of those keys that `isWanted`.
    package func table(where isWanted: (KeyID) -> Bool = { _ in true }) -> KeyTable {
        KeyTable(entries: self.ring.entries, keys: self.keys.filter { isWanted($0.id) })
    }

    // MARK: changes

    package mutating func install(_ key: MeshKey, by node: NodeID) throws(KeyringError) {
        try self.ring.install(key.id, by: node)
        if self.key(key.id) == nil { self.keys.append(key) }
    }

    package mutating func use(_ id: KeyID, by node: NodeID) throws(KeyringError) { try self.ring.use(id, by: node) }

    package mutating func remove(_ id: KeyID, by node: NodeID) throws(KeyringError) {
        try self.ring.remove(id, by: node)
        self.dropSecrets()
    }

    package mutating func merge(_ told: KeyTable) throws(KeyringError) {
        let both = self.keys + told.keys.filter { self.key($0.id) == nil }
        try self.ring.merge(told.entries) { id in both.contains { $0.id == id } }
        self.keys = both
        self.dropSecrets()
    }

    /// The last reference wipes the secret.
    private mutating func dropSecrets() {
        let ring = self.ring
        self.keys.removeAll { !ring.contains($0.id) }
    }
}

extension ClusterID {
    /// For a new mesh.
    package static func random() -> ClusterID { ClusterID(high: randomUInt64(), low: randomUInt64()) }
}
