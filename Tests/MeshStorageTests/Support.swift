import Foundation
import MeshCore

extension Storage {
    func commit(_ batch: StorageBatch) async {
        await withCheckedContinuation { continuation in self.commit(batch) { continuation.resume() } }
    }

    func get(_ table: StorageTable, _ key: [UInt8]) async throws -> [UInt8]? {
        try await withCheckedThrowingContinuation { continuation in
            self.get(table, key) { continuation.resume(with: $0) }
        }
    }

    func scan(_ range: StorageRange, limit: Int = .max, bytesMax: Int = .max) async throws -> [StorageEntry] {
        try await withCheckedThrowingContinuation { continuation in
            self.scan(range, limit: limit, bytesMax: bytesMax) { continuation.resume(with: $0) }
        }
    }
}

func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/meshnode-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
}
