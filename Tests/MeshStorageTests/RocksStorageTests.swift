import Foundation
import MeshCore
import MeshStorage
import Testing

private let node = NodeID(high: 1, low: 2)

@Suite struct RocksStorageTests {
    @Test("what was committed is there after reopening") func reopen() async throws {
        try await withFolder { folder in
            do {
                let storage = try RocksStorage(directory: folder, node: node)
                var batch = StorageBatch()
                batch.put(.state, [1], [10])
                batch.put(.state, [2], [20])
                batch.delete(.state, [1])
                await storage.commit(batch)
                storage.close()
            }
            let storage = try RocksStorage(directory: folder, node: node)
            #expect(try await storage.get(.state, [1]) == nil)
            #expect(try await storage.get(.state, [2]) == [20])
            #expect(try await storage.get(.messages, [2]) == nil)
        }
    }
}
