internal import MeshCore
internal import MeshTransport

/// The keyring on disk. `keyring` is what holds; `mesh.token` says the same as a token, for people and for joiners.
extension DataFolder {
    /// Behind the cluster's id; before a checksum, against slips of the disk.
    func keys(of cluster: ClusterID) throws -> MeshKeys? {
        // Folders of the first version have only the token.
        guard var bytes = try self.keyring() else { return nil }
        defer { wipe(&bytes) }
        do throws(WireError) {
            var reader = WireReader(bytes.raw)
            guard try reader.clusterID() == cluster else { throw WireError(.invalidValue, at: 0) }
            let table = try KeyTable(from: &reader)
            let end = reader.offset
            let checksum: UInt64 = try reader.read()
            try reader.end()
            guard checksum == sipHash24(bytes[..<end], key: (0, 0)), let keys = MeshKeys(table) else {
                throw WireError(.invalidValue, at: end)
            }
            return keys
        } catch {
            throw MeshError(
                .internalError, "\(self.path)/keyring is damaged or of another mesh: \(error)",
                hint: "remove it, and start once with a new token from a member (--token-file)")
        }
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
