import Foundation
import MeshCore
import MeshStorage
import Testing

private let group = GroupID(3)

@Suite struct DataInspectionTests {
    /// A database with one group of 30 entries, ten of them dropped, and a table; `folder/db` is as a killed process leaves it.
    private func make(_ folder: String) async throws {
        let storage = try RocksStorage(directory: folder + "/live", node: thisNode)
        _ = try await storage.recover()
        await storage.perform(group, .create(.fresh(group)))
        await storage.perform(group, write(1, (1...30).map { entry(LogIndex($0), Array("payload \($0) ".utf8)) }))
        await storage.perform(
            group, apply(20, [.put(key: [1], value: [1, 2]), .put(key: [2], value: [3])]), .dropLog(through: 10))
        var batch = StorageBatch()
        batch.put(.messages, [1], [2, 3])
        await storage.commit(batch)
        try FileManager.default.copyItem(atPath: folder + "/live", toPath: folder + "/db")
        storage.close()
        try FileManager.default.moveItem(atPath: folder + "/live.watermark", toPath: folder + "/db.watermark")
    }

    /// Every file with its bytes.
    private func contents(_ folder: String) throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            contents[name] = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
        }
        return contents
    }

    @Test("a sound database is found sound, counted, and left as it was") func sound() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            let before = try self.contents(folder + "/db").filter { !$0.key.hasPrefix("LOG") }
            let report = try DataInspection(directory: folder + "/db").verify()
            #expect(report.findings.isEmpty)
            #expect(report.node == thisNode.description)
            #expect(report.promised == report.commits)
            #expect(report.tables.first { $0.name == "messages" }.map { [$0.entries, $0.bytes] } == [1, 3])
            #expect(report.tables.first { $0.name == "groupLog" }?.entries == 20)
            let found = try #require(report.groups.first)
            #expect(report.groups.count == 1)
            #expect(found.status == .sound)
            #expect(found.stateEntries == 2 && found.stateBytes == 5)
            let replica = try #require(found.replica)
            #expect([replica.base, replica.applied, replica.last, replica.term] == [10, 20, 30, 4])
            let after = try self.contents(folder + "/db").filter { !$0.key.hasPrefix("LOG") }
            #expect(after == before)
        }
    }

    @Test("entries are listed with their chain, from where and as many as asked for") func entries() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            let inspection = try DataInspection(directory: folder + "/db")
            let some = try inspection.entries(of: group, from: 15, limit: 2, withPayload: true)
            #expect(some.map(\.index) == [15, 16])
            #expect(some.first?.payload == Array("payload 15 ".utf8).map { String($0, radix: 16) }.joined())
            let all = try inspection.entries(of: group, from: 0, limit: 1_000, withPayload: false)
            #expect(all.map(\.index) == Array(11...30))
            #expect(all.allSatisfy { $0.payload == nil && $0.kind == "command" && $0.chain.count == 16 })
            #expect(all.last?.chain == inspection.verify().groups.first?.replica?.chain)
            #expect(try inspection.entries(of: GroupID(4), from: 0, limit: 9, withPayload: false).isEmpty)
        }
    }

    @Test("an entry that is not what was written is damage of its group") func damaged() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            try Forgery.replace(Array("payload 17 ".utf8), by: Array("payload 71 ".utf8), in: folder + "/db")
            let report = try DataInspection(directory: folder + "/db").verify()
            #expect(report.findings.map(\.severity) == [.damage])
            #expect(report.findings.first?.place == "group 3")
            #expect(report.findings.first?.text.contains("entry 17") == true)
            #expect(report.groups.first?.status == .damaged)
            let error = #expect(throws: StorageError.self) {
                try DataInspection(directory: folder + "/db").entries(of: group, from: 0, limit: 99, withPayload: false)
            }
            #expect(error?.code == .corrupt)
        }
    }

    @Test("a torn tail is a note, what it had promised a loss") func torn() async throws {
        try await withFolder { folder in
            try await self.make(folder)
            let log = try #require(try largest(".log", in: folder + "/db"))
            let size = try Data(contentsOf: URL(fileURLWithPath: log)).count
            // The table's batch was last, and no watermark is about tables: a note alone.
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: log)))
            bytes[size - 1] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: log))
            let torn = try DataInspection(directory: folder + "/db").verify()
            #expect(torn.findings.map(\.severity) == [.note])
            try FileHandle(forWritingTo: URL(fileURLWithPath: log)).truncate(atOffset: UInt64(size / 2))
            let lost = try DataInspection(directory: folder + "/db").verify()
            #expect(lost.count(.loss) + lost.count(.damage) > 0)
            #expect(lost.promised.map { $0 > lost.commits } == true)
        }
    }

    @Test("a folder without a database, and one without its list of files, are refused") func refused()
        async throws
    {
        try await withFolder { folder in
            #expect(throws: StorageError.self) { try DataInspection(directory: folder + "/nothing") }
            try await self.make(folder)
            try FileManager.default.removeItem(atPath: folder + "/db/CURRENT")
            let error = #expect(throws: StorageError.self) { try DataInspection(directory: folder + "/db") }
            #expect(error?.code == .corrupt)
        }
    }
}
