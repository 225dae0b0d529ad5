internal import Glibc
internal import MeshCore

extension Database {
    /// Raised with every change of what lies in the tables: 2 has groups.
    static let formatVersion: UInt32 = 2
    private static let formatKey = Array("format".utf8)
    private static let nodeKey = Array("node".utf8)

    /// Refuses a database of a newer format or of another node; a new one takes the name of this node.
    func claim(for node: NodeID) throws(StorageError) {
        let operation = "open the database \(self.path)"
        let format = try self.get(.node, Self.formatKey)
        let owner = try self.get(.node, Self.nodeKey)
        guard let format, let owner else {
            guard format == nil, owner == nil else {
                throw StorageError(.corrupt, operation: operation, detail: "its format or owner is missing")
            }
            var writer = WireWriter()
            writer.write(node)
            try self.write(format: Self.formatVersion, owner: writer.bytes)
            return
        }
        let found = try self.owner(format, owner)
        guard found.node == node else {
            throw StorageError(
                .wrongNode, operation: operation,
                detail: "it belongs to node \(found.node), the key in the data folder to \(node); "
                    + "put back the key that belongs to it, or start with an empty folder")
        }
        // What older formats lack is empty tables, which opening has made.
        if found.format < Self.formatVersion { try self.write(format: Self.formatVersion, owner: owner) }
    }

    /// The format and the node of a database, which must be one that this version knows.
    func owner() throws(StorageError) -> (format: UInt32, node: NodeID) {
        guard let format = try self.get(.node, Self.formatKey), let owner = try self.get(.node, Self.nodeKey) else {
            throw StorageError(
                .corrupt, operation: "open the database \(self.path)", detail: "its format or owner is missing")
        }
        return try self.owner(format, owner)
    }

    private func owner(_ format: [UInt8], _ owner: [UInt8]) throws(StorageError) -> (format: UInt32, node: NodeID) {
        let operation = "open the database \(self.path)"
        let found: (format: UInt32, node: NodeID)
        do {
            var formatReader = WireReader(format.raw)
            var ownerReader = WireReader(owner.raw)
            found = (try formatReader.read(), try ownerReader.nodeID())
        } catch {
            throw StorageError(.corrupt, operation: operation, detail: "its format or owner is damaged", cause: error)
        }
        guard found.format <= Self.formatVersion else {
            throw StorageError(
                .newerFormat, operation: operation,
                detail: "it has format \(found.format), this version knows up to \(Self.formatVersion); "
                    + "use a newer meshnode")
        }
        return found
    }

    private func write(format: UInt32, owner: [UInt8]) throws(StorageError) {
        var writer = WireWriter()
        writer.write(format)
        var batch = WriteBatch(self.families)
        batch.put(.node, Self.formatKey, writer.bytes)
        batch.put(.node, Self.nodeKey, owner)
        try self.write(batch)
        try self.sync()
    }
}

/// Makes a folder that only its owner can read; its parent exists.
func makeDirectory(_ path: String) throws(StorageError) {
    guard unsafe mkdir(path, 0o700) != 0, errno != EEXIST else { return }
    let reason = unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
    throw StorageError(
        .unreadable, operation: "create the folder \(path)", detail: "\(reason); check the owner and mode of its parent"
    )
}
