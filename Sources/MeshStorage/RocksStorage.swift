package import MeshCore

/// The storage of a node: one RocksDB behind both ports, with group commit.
///
/// One thread writes: all batches that wait, of tables and of all groups, become one batch of RocksDB with one fsync, then
/// all who wait are told. Under load the number of fsyncs is therefore independent of the number of messages. Other threads
/// read, so that a read never waits for a disk that is syncing.
package final class RocksStorage: Storage {
    private let writer: Worker<Committer.Job>
    private let readers: GroupReaders

    /// Opens or creates the database in a folder and makes sure that it belongs to `node`.
    ///
    /// - Parameters:
    ///   - memory: bytes for caches and write buffers together.
    ///   - tailBytesMax: payloads that each recovered log may keep in memory.
    package init(
        directory: String, node: NodeID, memory: Int = RocksStorage.memoryDefault,
        tailBytesMax: Int = RaftSettings().tailBytesMax
    ) throws(StorageError) {
        try makeDirectory(directory)
        let database = try Database.open(directory, memory: memory)
        try database.claim(for: node)
        let readers = GroupReaders(database)
        self.readers = readers
        self.writer = Worker(
            name: "storage-write",
            making: { Committer(database, node: node, tailBytesMax: tailBytesMax, readers: readers) },
            work: { committer, jobs in committer.work(jobs) })
    }

    deinit { self.close() }

    package static let memoryDefault = DatabaseOptions.memoryDefault
    package static let memoryMin = DatabaseOptions.memoryMin

    /// Batches and reads that no thread has taken yet.
    package var waiting: (writes: Int, reads: Int) { (self.writer.waiting, self.readers.waiting) }

    package func commit(_ batch: StorageBatch, done: @escaping @Sendable () -> Void) {
        self.writer.submit(.batch(batch, done: done))
    }

    package func get(
        _ table: StorageTable, _ key: [UInt8],
        done: @escaping @Sendable (Result<[UInt8]?, StorageError>) -> Void
    ) {
        if !self.readers.ask(.get(table, key, done)) { done(.failure(Self.closed)) }
    }

    package func scan(
        _ range: StorageRange, limit: Int, bytesMax: Int,
        done: @escaping @Sendable (Result<[StorageEntry], StorageError>) -> Void
    ) {
        if !self.readers.ask(.scan(range, limit, bytesMax, done)) { done(.failure(Self.closed)) }
    }

    /// Writes a consistent copy of the database to a folder that does not exist yet, on the same file system: for backups.
    /// It is a copy of this node's disk, not of the mesh: whoever starts from it has forgotten what came later.
    package func checkpoint(
        to folder: String, done: @escaping @Sendable (Result<Void, StorageError>) -> Void
    ) {
        if !self.readers.start(.checkpoint(folder, done)) { done(.failure(Self.closed)) }
    }

    /// Finishes what was begun and closes the database. A batch that comes later is dropped and never reported as
    /// durable, as if the process had ended before it. Blocks; not to be called from a callback.
    package func close() {
        self.writer.close()
        self.readers.close()
    }

    private static var closed: StorageError {
        StorageError(.failed, operation: "read the database", detail: "it is closed already")
    }
}

extension RocksStorage: GroupStorage {
    package func recover(done: @escaping @Sendable (Result<[RecoveredGroup], StorageError>) -> Void) {
        if !self.writer.submit(.recover(done: done)) { done(.failure(Self.closed)) }
    }

    package func perform(_ jobs: [GroupJob], done: @escaping @Sendable ([GroupAnswer]) -> Void) {
        let writes = self.readers.take(jobs, done)
        if !writes.isEmpty { self.writer.submit(.groups(writes, done: done)) }
    }
}
