internal import MeshCore

/// What this node's disk says of the beginning of the mesh.
enum Founding {
    private static let begun = Array("founding".utf8)
    private static let promise = Array("founding/promise".utf8)

    /// This node was chosen, and its groups may not all be there yet.
    static func isBegun(in storage: any Storage) async throws -> Bool {
        try await storage.get(.node, self.begun) != nil
    }

    static func begin(in storage: any Storage) async {
        var batch = StorageBatch()
        batch.put(.node, self.begun, [1])
        await storage.commit(batch)
    }

    /// Whom this node gave its word to.
    static func promise(in storage: any Storage) async throws -> NodeID? {
        guard let bytes = try await storage.get(.node, self.promise) else { return nil }
        var reader = WireReader(bytes.raw)
        let node = try reader.nodeID()
        try reader.end()
        return node
    }

    static func keep(promise node: NodeID, in storage: any Storage, done: @escaping @Sendable () -> Void) {
        var writer = WireWriter()
        writer.write(node)
        var batch = StorageBatch()
        batch.put(.node, self.promise, writer.bytes)
        storage.commit(batch, done: done)
    }
}
