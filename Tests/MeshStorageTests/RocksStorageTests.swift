import Foundation
import Glibc
import MeshCore
import MeshStorage
import Synchronization
import Testing

private let node = NodeID(high: 1, low: 2)

@Suite struct RocksStorageTests {
    @Test("what was committed is there after reopening, and nothing else") func reopen() async throws {
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

    @Test("what was reported durable survives a kill without closing") func killed() async throws {
        try await withFolder { folder in
            let copy = folder + "-copy"
            defer { try? FileManager.default.removeItem(atPath: copy) }
            let storage = try RocksStorage(directory: folder, node: node)
            for number in 0..<100 as Range<UInt8> {
                var batch = StorageBatch()
                batch.put(.messages, [number], [UInt8](repeating: number, count: 1000))
                await storage.commit(batch)
            }
            // The folder as a killed process leaves it: nothing flushed, nothing closed.
            try FileManager.default.copyItem(atPath: folder, toPath: copy)
            let survivor = try RocksStorage(directory: copy, node: node)
            let found = try await survivor.scan(StorageRange(.messages))
            #expect(found.map(\.key) == (0..<100).map { [$0] })
            #expect(found.allSatisfy { $0.value == [UInt8](repeating: $0.key[0], count: 1000) })
        }
    }

    @Test("a range has the keys with its prefix, in order, from where it begins") func range() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder, node: node)
            var batch = StorageBatch()
            for key in [[1, 2], [1], [1, 1], [2], [0, 9], [1, 255, 255]] as [[UInt8]] { batch.put(.state, key, key) }
            batch.put(.messages, [1, 3], [])
            await storage.commit(batch)
            let all = try await storage.scan(StorageRange(.state, prefix: [1])).map(\.key)
            #expect(all == [[1], [1, 1], [1, 2], [1, 255, 255]])
            let later = try await storage.scan(StorageRange(.state, prefix: [1], from: [1, 2])).map(\.key)
            #expect(later == [[1, 2], [1, 255, 255]])
            let next = try await storage.scan(StorageRange(.state, prefix: [1]).after([1, 2])).map(\.key)
            #expect(next == [[1, 255, 255]])
            #expect(try await storage.scan(StorageRange(.state), limit: 2).count == 2)
            // The first entry comes however long it is, or nobody would ever get past it.
            #expect(try await storage.scan(StorageRange(.state), bytesMax: 1).count == 1)
        }
    }

    @Test("batches become durable in the order they were given") func order() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder, node: node)
            let done = Mutex<[Int]>([])
            for number in 0..<500 {
                var batch = StorageBatch()
                if number % 3 != 0 { batch.put(.state, [7], [UInt8(number % 251)]) }
                storage.commit(batch) { done.withLock { $0.append(number) } }
            }
            await storage.commit(StorageBatch())
            #expect(done.withLock { $0 } == Array(0..<500))
            #expect(try await storage.get(.state, [7]) == [UInt8(499 % 251)])
        }
    }

    @Test("closing finishes what was begun; later batches are never reported") func closing() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder, node: node)
            let done = Mutex(0)
            for number in 0..<50 as Range<UInt8> {
                var batch = StorageBatch()
                batch.put(.state, [number], [])
                storage.commit(batch) { done.withLock { $0 += 1 } }
            }
            storage.close()
            #expect(done.withLock { $0 } == 50)
            storage.commit(StorageBatch()) { done.withLock { $0 += 1 } }
            storage.close()
            #expect(done.withLock { $0 } == 50)
            await #expect(throws: StorageError.self) { try await storage.get(.state, [1]) }
        }
    }

    @Test("a value of a megabyte and an empty one come back whole") func sizes() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder, node: node)
            let large = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            var batch = StorageBatch()
            batch.put(.messages, [1], large)
            batch.put(.messages, [2], [])
            await storage.commit(batch)
            #expect(try await storage.get(.messages, [1]) == large)
            #expect(try await storage.get(.messages, [2]) == [])
        }
    }
}

@Suite struct OpeningTests {
    /// The error of opening the database in a folder.
    private func refusal(_ folder: String, node: NodeID = node) -> StorageError? {
        do {
            _ = try RocksStorage(directory: folder, node: node)
            return nil
        } catch { return error }
    }

    @Test("a database that is open is refused to a second") func inUse() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder, node: node)
            #expect(self.refusal(folder)?.code == .inUse)
            storage.close()
            #expect(self.refusal(folder) == nil)
        }
    }

    @Test("a database of another node is refused, by name") func wrongNode() async throws {
        try await withFolder { folder in
            try RocksStorage(directory: folder, node: node).close()
            let error = self.refusal(folder, node: NodeID(high: 3, low: 4))
            #expect(error?.code == .wrongNode)
            #expect(error.map { "\($0)" }?.contains(node.description) == true)
        }
    }

    @Test("a database of a newer format is refused") func newerFormat() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder, node: node)
            var batch = StorageBatch()
            batch.put(.node, Array("format".utf8), [0, 0, 0, 3])
            await storage.commit(batch)
            storage.close()
            #expect(self.refusal(folder)?.code == .newerFormat)
        }
    }

    @Test("a folder that cannot be made or read is named") func unreadable() async throws {
        try await withFolder { folder in
            try Data().write(to: URL(fileURLWithPath: folder + "/file"))
            let error = self.refusal(folder + "/file/db")
            #expect(error?.code == .unreadable)
            #expect(error?.operation.contains(folder) == true)
            #expect(self.refusal(folder + "/file")?.code == .unreadable)
        }
    }

    @Test("a damaged list of files is corruption, not an empty database", arguments: ["CURRENT", "MANIFEST"])
    func damagedManifest(_ prefix: String) async throws {
        try await withFolder { folder in
            try RocksStorage(directory: folder, node: node).close()
            let name = try #require(
                try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix(prefix) })
            try damage(folder + "/" + name, at: 10)
            #expect(self.refusal(folder)?.code == .corrupt)
        }
    }

    @Test("damage in the middle of the log is refused: what came after it was acknowledged") func damagedLog()
        async throws
    {
        try await withFolder { folder in
            let copy = folder + "-copy"
            defer { try? FileManager.default.removeItem(atPath: copy) }
            let storage = try RocksStorage(directory: folder, node: node)
            for number in 0..<100 as Range<UInt8> {
                var batch = StorageBatch()
                batch.put(.messages, [number], [UInt8](repeating: number, count: 1000))
                await storage.commit(batch)
            }
            try FileManager.default.copyItem(atPath: folder, toPath: copy)
            let log = try #require(try largest(".log", in: copy))
            try damage(log, at: 20_000)
            #expect(self.refusal(copy)?.code == .corrupt)
        }
    }

    @Test("a torn tail of the log is a crash before fsync, and fine") func tornLog() async throws {
        try await withFolder { folder in
            let copy = folder + "-copy"
            defer { try? FileManager.default.removeItem(atPath: copy) }
            let storage = try RocksStorage(directory: folder, node: node)
            for number in 0..<10 as Range<UInt8> {
                var batch = StorageBatch()
                batch.put(.messages, [number], [UInt8](repeating: number, count: 1000))
                await storage.commit(batch)
            }
            try FileManager.default.copyItem(atPath: folder, toPath: copy)
            let log = try #require(try largest(".log", in: copy))
            let bytes = try Data(contentsOf: URL(fileURLWithPath: log))
            try bytes.dropLast(500).write(to: URL(fileURLWithPath: log))
            let survivor = try RocksStorage(directory: copy, node: node)
            #expect(try await survivor.scan(StorageRange(.messages)).count == 9)
        }
    }

    @Test("a table file that is damaged is an error when it is read") func damagedTable() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder, node: node)
            var batch = StorageBatch()
            var random = RandomSource(seed: 1)
            for number in 0..<100 as Range<UInt8> {
                batch.put(.messages, [number], (0..<1000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            }
            await storage.commit(batch)
            storage.close()
            // Opening turns the log into a table.
            try RocksStorage(directory: folder, node: node).close()
            let table = try #require(try largest(".sst", in: folder))
            try damage(table, at: 50_000)
            let refusal = self.refusal(folder)
            if refusal == nil {
                let damaged = try RocksStorage(directory: folder, node: node)
                await #expect(throws: StorageError.self) { try await damaged.scan(StorageRange(.messages)) }
            } else {
                #expect(refusal?.code == .corrupt)
            }
        }
    }

    @Test("a disk that does not keep what it was given ends the process") func failedWrite() async throws {
        try await withFolder { folder in
            let result = await #expect(
                processExitsWith: .exitCode(1), observing: [\.standardErrorContent]
            ) { [folder = folder as String] in
                let storage = try RocksStorage(directory: folder, node: NodeID(high: 1, low: 2))
                limitFiles(to: 100_000)
                for number in 0..<20 as Range<UInt8> {
                    var batch = StorageBatch()
                    batch.put(.messages, [number], [UInt8](repeating: number, count: 20_000))
                    await storage.commit(batch)
                }
                // Reached only if a lost write was reported as durable: success is the failure of this test.
                exit(0)
            }
            let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(said.contains("meshnode ends: cannot write to the database \(folder)"))
            #expect(said.contains("make room on the disk"))
        }
    }
}

/// From now on this process cannot write beyond `bytes` in any file, as on a full disk.
private func limitFiles(to bytes: UInt) {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
}

func damage(_ file: String, at offset: Int) throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    let index = min(offset, bytes.count / 2)
    bytes[index] ^= 0x5a
    try bytes.write(to: URL(fileURLWithPath: file))
}

/// The largest file with an ending.
func largest(_ ending: String, in folder: String) throws -> String? {
    let manager = FileManager.default
    let files = try manager.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(ending) }.map {
        folder + "/" + $0
    }
    return try files.max {
        try (manager.attributesOfItem(atPath: $0)[.size] as? Int ?? 0)
            < (manager.attributesOfItem(atPath: $1)[.size] as? Int ?? 0)
    }
}
