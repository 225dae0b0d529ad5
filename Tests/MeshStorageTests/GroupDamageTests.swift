import Foundation
import MeshCore
import MeshStorage
import Testing

private let first = GroupID(1)
private let second = GroupID(2)

/// Every way in which a disk fails its word has an outcome of its own.
@Suite struct GroupDamageTests {
    private struct Disk {
        var found: [RecoveredGroup]
        var storage: RocksStorage

        func lost(_ group: GroupID) -> LogIndex? { self.replica(group)?.lost }
        func replica(_ group: GroupID) -> RecoveredReplica? {
            self.found.compactMap(\.replica).first { $0.group == group }
        }
        func damage(_ group: GroupID) -> StorageError? {
            for case .damaged(group, let error) in self.found { return error }
            return nil
        }
    }

    private func open(_ path: String) async throws -> Disk {
        let storage = try RocksStorage(directory: path, node: thisNode)
        return Disk(found: try await storage.recover(), storage: storage)
    }

    private func refusal(_ path: String) async -> StorageError? {
        do {
            _ = try await self.open(path)
            return nil
        } catch { return error as? StorageError }
    }

    /// A disk with two groups of 20 entries each. `folder/db` is as a killed process leaves it, with the watermark that had
    /// seen all of it; `folder/early` is a copy of the database without the second group's last ten entries.
    private func make(_ folder: String) async throws {
        let storage = try RocksStorage(directory: folder + "/live", node: thisNode)
        _ = try await storage.recover()
        for group in [first, second] {
            await storage.perform(group, .create(.fresh(group)))
            await storage.perform(
                group, write(1, (1...10).map { entry(LogIndex($0), Self.payload(group, $0)) }),
                apply(5, [.put(key: [1], value: [UInt8](repeating: 0xAB, count: 3000))]))
        }
        await storage.perform(first, write(2, (11...20).map { entry(LogIndex($0), Self.payload(first, $0)) }))
        try FileManager.default.copyItem(atPath: folder + "/live", toPath: folder + "/early")
        await storage.perform(second, write(2, (11...20).map { entry(LogIndex($0), Self.payload(second, $0)) }))
        try FileManager.default.copyItem(atPath: folder + "/live", toPath: folder + "/db")
        storage.close()
        try FileManager.default.moveItem(atPath: folder + "/live.watermark", toPath: folder + "/db.watermark")
    }

    private static func payload(_ group: GroupID, _ index: Int) -> [UInt8] {
        Array("group \(group.number) entry \(index) ".utf8) + [UInt8](repeating: UInt8(index), count: 200)
    }

    private func watermark(_ folder: String, _ change: (inout [UInt8]) -> Void) throws {
        let url = URL(fileURLWithPath: folder + "/db.watermark")
        var bytes = [UInt8](try Data(contentsOf: url))
        change(&bytes)
        try Data(bytes).write(to: url)
    }

    // MARK: Losses

    @Test("an older copy of the database is short where it is, and nowhere else; it does not forget that") func older()
        async throws
    {
        try await withFolder { folder in
            try await self.make(folder)
            try FileManager.default.removeItem(atPath: folder + "/db")
            try FileManager.default.moveItem(atPath: folder + "/early", toPath: folder + "/db")
            for _ in 0..<2 {
                let disk = try await self.open(folder + "/db")
                #expect(disk.replica(first)?.log.last.index == 20)
                #expect(disk.lost(first) == nil)
                #expect(disk.replica(first)?.state.shortfall == nil)
                #expect(disk.replica(second)?.log.last.index == 10)
                #expect(disk.replica(second)?.state.shortfall == Shortfall(acknowledged: 20))
                disk.storage.close()
            }
        }
    }

    @Test("a torn record at the end of the log is cut off, and what it had promised is known to be lost") func torn()
        async throws
    {
        try await withFolder { folder in
            try await self.make(folder)
            let log = try #require(try largest(".log", in: folder + "/db"))
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: log)))
            bytes[bytes.count - 20] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: log))
            let disk = try await self.open(folder + "/db")
            #expect(disk.replica(first)?.log.last.index == 20)
            #expect(disk.lost(first) == nil)
            #expect(disk.replica(second)?.log.last.index == 10)
            #expect(disk.lost(second) == 20)
            // It goes on from there, and the next start finds nothing torn.
            await disk.storage.perform(second, write(1, [entry(11)]))
            try copyAsKilled(folder + "/db", to: folder + "/copy")
            #expect(try await self.open(folder + "/copy").replica(second)?.log.last.index == 11)
        }
    }

    @Test("a bad record followed by a good one is damage, and nothing starts") func middle() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            let log = try #require(try largest(".log", in: folder + "/db"))
            let size = try Data(contentsOf: URL(fileURLWithPath: log)).count
            try damage(log, at: size - 3_500)
            #expect(await self.refusal(folder + "/db")?.code == .corrupt)
        }
    }

    @Test("without a watermark, or with one that does not add up, every replica is careful", arguments: [true, false])
    func noWatermark(isMissing: Bool) async throws {
        try await withFolder { folder in
            try await self.make(folder)
            if isMissing {
                try FileManager.default.removeItem(atPath: folder + "/db.watermark")
            } else {
                try self.watermark(folder) { $0[30] ^= 1 }
            }
            for round in 0..<2 {
                let disk = try await self.open(folder + "/db")
                for group in [first, second] {
                    #expect(disk.replica(group)?.state.shortfall == Shortfall(acknowledged: 20))
                    #expect(disk.lost(group) == (round == 0 ? 20 : nil))
                }
                disk.storage.close()
            }
        }
    }

    @Test("a watermark of a newer format, or of another node, is refused") func foreignWatermark() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            try self.watermark(folder) { bytes in
                bytes[11] = 2
                Self.seal(&bytes)
            }
            #expect(await self.refusal(folder + "/db")?.code == .newerFormat)
            try self.watermark(folder) { bytes in
                bytes[11] = 1
                bytes[12] ^= 1
                Self.seal(&bytes)
            }
            #expect(await self.refusal(folder + "/db")?.code == .wrongNode)
        }
    }

    private static func seal(_ bytes: inout [UInt8]) {
        bytes.removeLast(8)
        var writer = WireWriter(bytes)
        writer.write(xxHash64(bytes.raw))
        bytes = writer.bytes
    }

    @Test("a database that is gone, or lost its log, leaves replicas that must not start") func gone() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            try FileManager.default.removeItem(atPath: folder + "/db")
            for _ in 0..<2 {
                let disk = try await self.open(folder + "/db")
                #expect(disk.found.count == 2)
                #expect(disk.damage(first)?.code == .corrupt)
                #expect(disk.damage(second).map { "\($0)" }?.contains("it is gone") == true)
                disk.storage.close()
            }
            // Its identity is given up: that it was here stays known, and the watermark asks no more.
            let disk = try await self.open(folder + "/db")
            await disk.storage.perform(first, .remove(ReplicaID(node: thisNode, addedAt: 0)))
            disk.storage.close()
            let again = try await self.open(folder + "/db")
            guard case .removed(first, _, addedAt: 0)? = again.found.first else {
                return #expect(Bool(false), "\(again.found)")
            }
            #expect(again.damage(second) != nil)
        }
    }

    // MARK: Damage

    @Test("an entry that is not what was written stops its group and no other") func entryChanged() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            try Forgery.replace(
                Array("group 2 entry 7 ".utf8), by: Array("group 2 entry 3 ".utf8), in: folder + "/db")
            let disk = try await self.open(folder + "/db")
            #expect(disk.replica(first)?.log.last.index == 20)
            #expect(disk.lost(first) == nil)
            let error = try #require(disk.damage(second))
            #expect(error.code == .corrupt)
            #expect("\(error)".contains("entry 7 is not what was written"))
            let answers = await disk.storage.perform(second, write(9, [entry(21)]))
            #expect(answers.first?.damage?.code == .corrupt)
        }
    }

    @Test("a state ahead of its log is damage: no crash can bring it about") func appliedAhead() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            // Field 4 of group 2: the position that the state has.
            func applied(_ index: UInt64) -> [UInt8] {
                var writer = WireWriter()
                writer.write(index)
                writer.write(UInt64(1))
                let key: [UInt8] = [0, 0, 0, 2, 4]
                var sealed = WireWriter()
                sealed.write(xxHash64(writer.bytes.raw, seed: xxHash64(key.raw)))
                return sealed.bytes + writer.bytes
            }
            try Forgery.replace(applied(5), by: applied(25), in: folder + "/db")
            let disk = try await self.open(folder + "/db")
            #expect(
                disk.damage(second).map { "\($0)" }?.contains("state is that of entry 25, its log ends at 20") == true)
            #expect(disk.replica(first) != nil)
        }
    }

    @Test("a record of a replica that does not add up stops its group") func fieldChanged() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            var state = WireWriter()
            state.write(UInt8(0))
            state.write(UInt64(4))
            let key: [UInt8] = [0, 0, 0, 2, 2]
            var sealed = WireWriter()
            sealed.write(xxHash64(state.bytes.raw, seed: xxHash64(key.raw)))
            var changed = sealed.bytes + state.bytes
            changed[changed.count - 1] = 9
            try Forgery.replace(sealed.bytes + state.bytes, by: changed, in: folder + "/db")
            let disk = try await self.open(folder + "/db")
            #expect(disk.damage(second).map { "\($0)" }?.contains("'hardState' is not what was written") == true)
            #expect(disk.replica(first) != nil)
        }
    }

    @Test("a damaged block of a table file stops the groups in it, when it is read") func damagedBlock() async throws {
        try await withFolder { folder in
            let path = folder + "/db"
            do {
                let disk = try await self.open(path)
                await disk.storage.perform(first, .create(.fresh(first)))
                await disk.storage.perform(second, .create(.fresh(second)))
                await disk.storage.perform(first, write(1, [entry(1)]))
                var random = RandomSource(seed: 9)
                let noise = (1...200).map { index in
                    entry(LogIndex(index), (0..<2000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
                }
                await disk.storage.perform(second, write(1, noise))
                disk.storage.close()
            }
            // Opening turns the write-ahead log into tables.
            try await self.open(path).storage.close()
            try damage(try #require(try largest(".sst", in: path)), at: 150_000)
            let disk = try await self.open(path)
            #expect(disk.damage(second)?.code == .corrupt)
            #expect(disk.replica(first)?.log.last.index == 1)
        }
    }

    @Test("a file that is missing is refused", arguments: [".sst", "CURRENT"]) func missingFile(name: String)
        async throws
    {
        try await withFolder { folder in
            try await self.make(folder)
            // Opening turns the write-ahead log into tables.
            try await self.open(folder + "/db").storage.close()
            let file = name == "CURRENT" ? folder + "/db/CURRENT" : try #require(try largest(name, in: folder + "/db"))
            try FileManager.default.removeItem(atPath: file)
            #expect(await self.refusal(folder + "/db")?.code == .corrupt)
        }
    }

    @Test("a write-ahead log that is missing is a loss of everything it held") func missingLog() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            try FileManager.default.removeItem(atPath: try #require(try largest(".log", in: folder + "/db")))
            let disk = try await self.open(folder + "/db")
            #expect(disk.damage(first) != nil && disk.damage(second) != nil)
        }
    }
}
