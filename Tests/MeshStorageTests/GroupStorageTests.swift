import MeshCore
import MeshStorage
import Testing

private let group = GroupID(7)
private let neighbour = GroupID(8)

@Suite struct GroupStorageTests {
    @Test("a replica comes back as it was: identity, hard state, log, configurations, applied state")
    func comesBack() async throws {
        try await withFolder { folder in
            let path = folder + "/db"
            let added = ReplicaSet(
                voters: [ReplicaID(node: thisNode, addedAt: 0)], learners: [ReplicaID(node: otherNode, addedAt: 2)])
            var hard = HardState(term: 3, vote: ReplicaID(node: otherNode, addedAt: 9))
            hard.shortfall = Shortfall(acknowledged: 5)
            hard.shortfall?.hasVoted = true
            do {
                let storage = try RocksStorage(directory: path, node: thisNode)
                #expect(try await storage.recover().isEmpty)
                await storage.perform(group, .create(.fresh(group)))
                await storage.perform(
                    group,
                    write(
                        1, state: hard,
                        [entry(1), entry(2, term: 2, added.payload, kind: .configuration), entry(3, term: 3, [])]))
                await storage.perform(group, apply(2, term: 2, [.put(key: [5], value: [50])]))
                storage.close()
            }
            let storage = try RocksStorage(directory: path, node: thisNode)
            let found = try #require(try await storage.recover().first?.replica)
            #expect(found.group == group)
            #expect(found.incarnation == GroupIncarnation(counter: 1, id: 77))
            #expect(found.id == ReplicaID(node: thisNode, addedAt: 0))
            #expect(found.state == hard)
            #expect(found.log.base == .zero)
            #expect(found.log.last == LogPosition(index: 3, term: 3))
            #expect(found.log.durable == 3)
            #expect((1...3).map { found.log.term(at: $0) } == [1, 2, 3])
            #expect(found.log.bytes == 3 + added.payload.count + 3 * LogEntry.overheadBytes)
            #expect(found.history.latest == .init(index: 2, replicas: added))
            #expect(found.history.version(at: 1).replicas == ReplicaSet(voters: [found.id]))
            #expect(found.applied == 2)
            #expect(found.lost == nil)
            #expect(await storage.state(group) == [StorageEntry(key: [5], value: [50])])
            #expect(await storage.load(group, 1...3)?.map(\.term) == [1, 2, 3])
        }
    }

    @Test("jobs of one group take effect in order, of several in one batch, and each is answered") func batch()
        async throws
    {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder + "/db", node: thisNode)
            _ = try await storage.recover()
            let groups = (1...20).map { GroupID($0) }
            var jobs = groups.map { GroupJob($0, .create(.fresh($0))) }
            for group in groups { jobs.append(GroupJob(group, write(1, [entry(1), entry(2)]))) }
            for group in groups { jobs.append(GroupJob(group, apply(1, [.put(key: [1], value: [1])]))) }
            for group in groups { jobs.append(GroupJob(group, write(2, truncateFrom: 2, [entry(2, term: 2)]))) }
            let all = StateRead.key([1])
            for group in groups { jobs.append(GroupJob(group, .read(9, [all]))) }
            let answers = await storage.perform(jobs)
            for group in groups {
                let mine = answers.filter { $0.group == group }.map(\.result)
                #expect(mine.compactMap(\.stored) == [1, 2])
                #expect(mine.compactMap(\.applied) == [1])
                // The read was handed over after the apply, so it sees it.
                let read = mine.compactMap { if case .read(9, let lists) = $0 { lists } else { nil } }
                #expect(read == [[[StorageEntry(key: [1], value: [1])]]])
                #expect(await storage.load(group, 1...2)?.map(\.term) == [1, 2])
            }
        }
    }

    @Test("a truncation takes the entries and the configurations that came with them") func truncation() async throws {
        try await withFolder { folder in
            let path = folder + "/db"
            let id = ReplicaID(node: thisNode, addedAt: 0)
            let second = ReplicaSet(voters: [id], learners: [ReplicaID(node: otherNode, addedAt: 3)])
            do {
                let storage = try RocksStorage(directory: path, node: thisNode)
                _ = try await storage.recover()
                await storage.perform(group, .create(.fresh(group)))
                await storage.perform(
                    group,
                    write(
                        1, state: HardState(term: 4),
                        [entry(1), entry(2), entry(3, second.payload, kind: .configuration), entry(4)]))
                // In one batch with what it truncates, and again before it was written.
                await storage.perform(
                    group, write(2, [entry(5), entry(6)]), write(3, truncateFrom: 3, [entry(3, term: 2)]),
                    write(4, [entry(4, term: 2), entry(5, term: 3)]), write(5, truncateFrom: 5, [entry(5, term: 4)]))
                storage.close()
            }
            let storage = try RocksStorage(directory: path, node: thisNode)
            let found = try #require(try await storage.recover().first?.replica)
            #expect((1...5).map { found.log.term(at: $0) } == [1, 1, 2, 2, 4])
            #expect(found.log.last.index == 5)
            #expect(found.history.latest == .init(index: 0, replicas: ReplicaSet(voters: [id])))
            #expect(found.lost == nil)
        }
    }

    @Test("a dropped log begins after what was dropped, with the replicas in force there") func dropping() async throws
    {
        try await withFolder { folder in
            let path = folder + "/db"
            let set = ReplicaSet(voters: [ReplicaID(node: thisNode, addedAt: 0)], learners: [])
            do {
                let storage = try RocksStorage(directory: path, node: thisNode)
                _ = try await storage.recover()
                await storage.perform(group, .create(.fresh(group)))
                var entries = (1...50).map { entry(LogIndex($0), [UInt8($0)]) }
                entries[19] = entry(20, set.payload, kind: .configuration)
                await storage.perform(group, write(1, state: HardState(term: 1), entries))
                await storage.perform(group, apply(40))
                await storage.perform(
                    group, .dropLog(through: 10), .dropLog(through: 30), .dropLog(through: 25), .read(0, []))
                #expect(await storage.load(group, 30...50) == [])
                #expect(await storage.load(group, 31...50)?.count == 20)
                #expect(await storage.load(group, 31...50, bytesMax: 100)?.map(\.index) == [31, 32, 33, 34])
                #expect(await storage.load(group, 31...50, bytesMax: 1)?.map(\.index) == [31])
                storage.close()
            }
            let storage = try RocksStorage(directory: path, node: thisNode)
            let found = try #require(try await storage.recover().first?.replica)
            #expect(found.log.base == LogPosition(index: 30, term: 1))
            #expect(found.log.last.index == 50)
            #expect(found.history.version(at: 30) == .init(index: 20, replicas: set))
            await storage.perform(group, write(1, truncateFrom: 45, [entry(45, term: 1)]))
            #expect(await storage.load(group, 31...50)?.map(\.index) == Array(31...45))
        }
    }

    @Test("state changes take effect in their order, prefixes included, and stay within the group") func state()
        async throws
    {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder + "/db", node: thisNode)
            _ = try await storage.recover()
            for group in [group, neighbour, GroupID(6)] {
                await storage.perform(group, .create(.fresh(group)))
                await storage.perform(group, write(1, [entry(1), entry(2)]))
                await storage.perform(
                    group,
                    apply(
                        1, [[1], [1, 0], [1, 255], [1, 255, 255], [2], [255, 255]].map { .put(key: $0, value: $0) }))
            }
            await storage.perform(
                group,
                apply(
                    2,
                    [
                        .put(key: [3], value: [3]), .deletePrefix([1, 255]), .put(key: [1, 255, 1], value: [9]),
                        .delete(key: [2]), .deletePrefix([255]), .put(key: [255], value: []),
                    ]))
            #expect(await storage.state(group)?.map(\.key) == [[1], [1, 0], [1, 255, 1], [3], [255]])
            for other in [neighbour, GroupID(6)] {
                #expect(
                    await storage.state(other)?.map(\.key) == [
                        [1], [1, 0], [1, 255], [1, 255, 255], [2], [255, 255],
                    ])
            }
            await storage.perform(group, write(2, [entry(3)]), apply(3, [.deletePrefix([])]))
            #expect(await storage.state(group) == [])
            #expect(await storage.state(neighbour)?.count == 6)
        }
    }

    @Test("a removed replica leaves only its tombstone, its neighbours stay, and another can follow it") func removal()
        async throws
    {
        try await withFolder { folder in
            let path = folder + "/db"
            do {
                let storage = try RocksStorage(directory: path, node: thisNode)
                _ = try await storage.recover()
                for (group, addedAt) in [(group, LogIndex(5)), (neighbour, 0)] {
                    await storage.perform(group, .create(.fresh(group, addedAt: addedAt)))
                    await storage.perform(group, write(1, [entry(1)]), apply(1, [.put(key: [1], value: [1])]))
                }
                let answers = await storage.perform(
                    group, .read(1, [.key([1])]), .remove(ReplicaID(node: thisNode, addedAt: 5)))
                guard case .removed? = answers.last else { return #expect(Bool(false), "\(answers)") }
                storage.close()
            }
            do {
                let storage = try RocksStorage(directory: path, node: thisNode)
                let found = try await storage.recover()
                #expect(found.count == 2)
                guard case .removed(group, GroupIncarnation(counter: 1, id: 77), addedAt: 5)? = found.first else {
                    return #expect(Bool(false), "\(found)")
                }
                #expect(found.last?.replica?.log.last.index == 1)
                #expect(await storage.state(neighbour)?.count == 1)
                await storage.perform(group, .create(.fresh(group, addedAt: 9)))
                #expect(await storage.state(group) == [])
                #expect(await storage.load(group, 1...1) == [])
                storage.close()
            }
            let storage = try RocksStorage(directory: path, node: thisNode)
            let found = try await storage.recover()
            #expect(found.compactMap { $0.replica?.id.addedAt } == [9, 0])
        }
    }

    @Test("everything answered survives a kill without closing") func killed() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder + "/db", node: thisNode)
            _ = try await storage.recover()
            await storage.perform(group, .create(.fresh(group)))
            for index in 1...100 as ClosedRange<LogIndex> {
                await storage.perform(group, write(index, [entry(index, [UInt8](repeating: UInt8(index), count: 500))]))
                await storage.perform(group, apply(index, [.put(key: [UInt8(index)], value: [1])]))
            }
            try copyAsKilled(folder + "/db", to: folder + "/copy")
            let survivor = try RocksStorage(directory: folder + "/copy", node: thisNode)
            let found = try #require(try await survivor.recover().first?.replica)
            #expect(found.log.last.index == 100)
            #expect(found.applied == 100)
            #expect(found.lost == nil)
            #expect(await survivor.state(group)?.count == 100)
        }
    }

    @Test("a copy for backups holds what was there when it was made") func checkpoint() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder + "/db", node: thisNode)
            _ = try await storage.recover()
            await storage.perform(group, .create(.fresh(group)))
            await storage.perform(group, write(1, [entry(1), entry(2)]), apply(1, [.put(key: [1], value: [1])]))
            try await withCheckedThrowingContinuation { continuation in
                storage.checkpoint(to: folder + "/backup") { continuation.resume(with: $0) }
            }
            await storage.perform(group, write(2, [entry(3)]), apply(3, [.put(key: [1], value: [3])]))
            let backup = try RocksStorage(directory: folder + "/backup", node: thisNode)
            let found = try #require(try await backup.recover().first?.replica)
            #expect(found.log.last.index == 2)
            #expect(found.applied == 1)
            #expect(await backup.state(group) == [StorageEntry(key: [1], value: [1])])
            // It has no watermark of its own: whoever starts from it must not vote as if nothing had happened since.
            #expect(found.lost == 2)
        }
    }
}
