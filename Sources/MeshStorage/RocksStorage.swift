internal import Glibc
package import MeshCore
internal import Metrics

/// The storage of a node: RocksDB behind the port, with group commit.
///
/// One thread writes: all batches that wait become one batch of RocksDB with one fsync, then all who wait are told.
/// Under load the number of fsyncs is therefore independent of the number of messages. Another thread reads, so that a
/// read never waits for a disk that is syncing.
package final class RocksStorage: Storage {
    private struct Write: Sendable {
        var batch: StorageBatch
        var done: @Sendable () -> Void
    }
    private enum Read: Sendable {
        case get(StorageTable, [UInt8], @Sendable (Result<[UInt8]?, StorageError>) -> Void)
        case scan(StorageRange, Int, Int, @Sendable (Result<[StorageEntry], StorageError>) -> Void)
    }

    private let writer: Worker<Write>
    private let reader: Worker<Read>

    /// Opens or creates the database in a folder and makes sure that it belongs to `node`.
    package init(directory: String, node: NodeID) throws(StorageError) {
        try makeDirectory(directory)
        let opened = try Database(path: directory)
        try opened.claim(for: node)
        let database = SharedDatabase(opened)
        let metrics = CommitMetrics()
        self.writer = Worker(name: "storage-write") { writes in
            for group in Self.groups(writes) {
                metrics.measure(batches: group.count) { database.commit(group.map(\.batch)) }
                for write in group { write.done() }
            }
        }
        self.reader = Worker(name: "storage-read") { reads in
            for read in reads {
                switch read {
                case .get(let table, let key, let done): done(metrics.measure { database.get(table, key) })
                case .scan(let range, let limit, let bytesMax, let done):
                    done(metrics.measure { database.scan(range, limit: limit, bytesMax: bytesMax) })
                }
            }
        }
    }

    deinit { self.close() }

    /// Batches and reads that no thread has taken yet.
    package var waiting: (writes: Int, reads: Int) { (self.writer.waiting, self.reader.waiting) }

    package func commit(_ batch: StorageBatch, done: @escaping @Sendable () -> Void) {
        self.writer.submit(Write(batch: batch, done: done))
    }

    package func get(
        _ table: StorageTable, _ key: [UInt8],
        done: @escaping @Sendable (Result<[UInt8]?, StorageError>) -> Void
    ) {
        if !self.reader.submit(.get(table, key, done)) { done(.failure(Self.closed)) }
    }

    package func scan(
        _ range: StorageRange, limit: Int, bytesMax: Int,
        done: @escaping @Sendable (Result<[StorageEntry], StorageError>) -> Void
    ) {
        if !self.reader.submit(.scan(range, limit, bytesMax, done)) { done(.failure(Self.closed)) }
    }

    /// Finishes what was begun and closes the database. A batch that comes later is dropped and never reported as
    /// durable, as if the process had ended before it. Blocks; not to be called from a callback.
    package func close() {
        self.writer.close()
        self.reader.close()
    }

    private static var closed: StorageError {
        StorageError(.failed, operation: "read the database", detail: "it is closed already")
    }

    /// A group ends here, so that its first batch does not wait for a flood behind it.
    private static let groupBytesMax = 4 << 20

    private static func groups(_ writes: [Write]) -> [ArraySlice<Write>] {
        var groups: [ArraySlice<Write>] = []
        var start = 0
        var bytes = 0
        for (index, write) in writes.enumerated() {
            bytes += write.batch.byteCount
            guard bytes >= Self.groupBytesMax || index == writes.count - 1 else { continue }
            groups.append(writes[start...index])
            start = index + 1
            bytes = 0
        }
        return groups
    }
}

/// The database, owned by both threads together.
private final class SharedDatabase: Sendable {
    private let database: Database

    init(_ database: consuming Database) { self.database = database }

    /// Returns when the batches are on disk, or ends the process.
    ///
    /// After a failed fsync the kernel may drop the dirty pages and report success the next time (Rebello et al.,
    /// ATC 2020), so a second try proves nothing. Only a restart, which reads what is really there, can go on.
    func commit(_ batches: [StorageBatch]) {
        if batches.allSatisfy(\.isEmpty) { return }
        do { try self.database.write(batches) } catch { endProcess(because: "\(error)") }
        guard self.database.backgroundErrors == 0 else {
            endProcess(because: "cannot flush or compact the database \(self.database.path); its LOG file says why")
        }
    }

    func get(_ table: StorageTable, _ key: [UInt8]) -> Result<[UInt8]?, StorageError> {
        do { return .success(try self.database.get(table, key)) } catch { return .failure(error) }
    }

    func scan(_ range: StorageRange, limit: Int, bytesMax: Int) -> Result<[StorageEntry], StorageError> {
        do { return .success(try self.database.scan(range, limit: limit, bytesMax: bytesMax)) } catch {
            return .failure(error)
        }
    }
}

/// Ends the process at once, with one line on standard error.
///
/// Not `fatalError`: its backtrace would hold the lock and the sockets for seconds, in which nobody takes over, and it
/// prints memory, in which keys can stand.
private func endProcess(because reason: String) -> Never {
    let mend =
        if reason.contains("No space left") || reason.contains("File too large") {
            "make room on the disk, then start it again"
        } else if reason.contains("Too many open files") {
            "raise the limit of open files, then start it again"
        } else {
            "check the disk, then start it again: it goes on from what is really there"
        }
    let line = Array("meshnode ends: \(reason); \(mend)\n".utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    _exit(1)
}

private struct CommitMetrics: Sendable {
    private let duration = Timer(label: "meshnode_storage_commit_seconds")
    private let batches = Recorder(label: "meshnode_storage_group_batches")
    private let reading = Timer(label: "meshnode_storage_read_seconds")

    func measure<Value>(_ read: () -> Value) -> Value {
        let start = ContinuousClock.now
        defer { self.reading.recordNanoseconds((ContinuousClock.now - start).nanoseconds) }
        return read()
    }

    func measure(batches: Int, _ commit: () -> Void) {
        let start = ContinuousClock.now
        commit()
        self.duration.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
        self.batches.record(batches)
    }
}
