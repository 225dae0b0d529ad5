internal import MeshCore
internal import MeshRuntime
internal import MeshStorage
internal import MeshTransport
internal import Synchronization

/// Lets in whoever holds the token, except a node that repeats a boot: it came back from an old copy of its disk, and has
/// forgotten what it voted.
///
/// What was met is on the disk before long, not before the node is let in: what a crash takes of it is met again, unless
/// the node was restored meanwhile.
final class MetBoots: Admission {
    private static let prefix = Array("boots/".utf8)

    private let boots = Mutex(KnownBoots())
    private let storage: RocksStorage

    init(storage: RocksStorage) { self.storage = storage }

    func recover() async throws {
        try await self.storage.read(StorageRange(.node, prefix: Self.prefix)) { entry in
            var reader = WireReader(entry.key.raw)
            _ = try reader.array(Self.prefix.count)
            let node = try reader.nodeID()
            try self.boots.withLock { try $0.learn(node, entry.value) }
        }
    }

    func admits(_ node: NodeID, boot: Boot) -> Bool {
        let (isAdmitted, changed) = self.boots.withLock { boots -> (Bool, [UInt8]?) in
            let before = boots.encoded(of: node)
            let isAdmitted = boots.admit(boot, of: node)
            let after = boots.encoded(of: node)
            return (isAdmitted, before == after ? nil : after)
        }
        if let changed {
            var key = WireWriter(Self.prefix)
            key.write(node)
            var batch = StorageBatch()
            batch.put(.node, key.bytes, changed)
            self.storage.commit(batch) {}
        }
        return isAdmitted
    }
}
