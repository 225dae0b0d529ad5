package import MeshCore

extension Storage {
    /// Returns once the batch is on disk.
    package func commit(_ batch: StorageBatch) async {
        await withCheckedContinuation { continuation in self.commit(batch) { continuation.resume() } }
    }

    package func get(_ table: StorageTable, _ key: [UInt8]) async throws -> [UInt8]? {
        try await withCheckedThrowingContinuation { continuation in
            self.get(table, key) { continuation.resume(with: $0) }
        }
    }

    package func scan(_ range: StorageRange, limit: Int, bytesMax: Int = 1 << 20) async throws -> [StorageEntry] {
        try await withCheckedThrowingContinuation { continuation in
            self.scan(range, limit: limit, bytesMax: bytesMax) { continuation.resume(with: $0) }
        }
    }

    /// Reads a whole range, a chunk at a time. What `decode` refuses is damage.
    package func read(_ range: StorageRange, _ decode: (StorageEntry) throws -> Void) async throws {
        var range = range
        while true {
            let entries = try await self.scan(range, limit: 1000)
            for entry in entries {
                do { try decode(entry) } catch {
                    throw StorageError(
                        .corrupt, operation: "read the table \(range.table.rawValue)",
                        detail: "an entry is damaged (\(error)); restore the folder from a backup, or start empty",
                        cause: error)
                }
            }
            guard let last = entries.last else { return }
            range = range.after(last.key)
        }
    }
}
