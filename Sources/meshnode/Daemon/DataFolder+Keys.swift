internal import MeshCore
internal import MeshTransport

/// The keyring on disk. `keyring` is what holds; `mesh.token` says the same as a token, for people and for joiners.
extension DataFolder {
    /// Behind the cluster's id; before a checksum, against slips of the disk.
    func keys(of cluster: ClusterID) throws -> MeshKeys? {
        // Folders of the first version have only the token.
        guard let secret = try self.keyring() else { return nil }
        do throws(WireError) {
            return try secret.withSpan { bytes throws(WireError) in try Self.keys(of: cluster, in: bytes) }
        } catch {
            throw MeshError(
                .internalError, "\(self.path)/keyring is damaged or of another mesh: \(error)",
                hint: "remove it, and start once with a new token from a member (--token-file)")
        }
    }

    private static func keys(of cluster: ClusterID, in bytes: RawSpan) throws(WireError) -> MeshKeys {
        var reader = WireReader(bytes)
        guard try reader.clusterID() == cluster else { throw WireError(.invalidValue, at: 0) }
        let table = try KeyTable(from: &reader)
        let end = reader.offset
        let checksum: UInt64 = try reader.read()
        try reader.end()
        let sum = unsafe bytes.extracting(..<end).withUnsafeBytes { unsafe sipHash24($0, key: (0, 0)) }
        guard checksum == sum, let keys = MeshKeys(table) else { throw WireError(.invalidValue, at: end) }
        return keys
    }

    /// The keyring first: of two files that disagree after a crash it is right, and the next start mends the token.
    func save(_ keys: MeshKeys, of cluster: ClusterID) throws {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(32 + KeyTable.bytesMax)
        writer.write(cluster)
        keys.table().write(to: &writer)
        writer.write(sipHash24(writer.bytes, key: (0, 0)))
        defer { wipe(&writer.bytes) }
        try self.save(keyring: writer.bytes)
        try self.save(meshToken: keys.token(cluster: cluster).text)
    }
}
