import MeshCore
import MeshStorage
import Testing

private let group = GroupID(7)
private let receiver = ReplicaID(node: otherNode, addedAt: 3)
private let replicas = ReplicaHistory.Version(
    index: 2, replicas: ReplicaSet(voters: [ReplicaID(node: thisNode, addedAt: 0)], learners: [receiver]))

@Suite struct GroupSnapshotTests {
    /// A leader's disk with a state of `count` values, the last of which is larger than most chunks.
    private func leader(_ folder: String, values count: UInt8 = 50) async throws -> RocksStorage {
        let storage = try RocksStorage(directory: folder + "/leader", node: thisNode)
        _ = try await storage.recover()
        await storage.perform(group, .create(.fresh(group)))
        await storage.perform(group, write(1, (1...9).map { entry(LogIndex($0), [UInt8($0)]) }))
        let puts = (0..<count).map { number in
            StateBatch.Change.put(
                key: [number / 10, number],
                value: [UInt8](repeating: number, count: number == count - 1 ? 20_000 : Int(number) * 3))
        }
        await storage.perform(group, apply(8, puts))
        return storage
    }

    /// The state of the follower.
    private static let before = [StorageEntry(key: [250], value: [1])]

    private func follower(_ folder: String) async throws -> RocksStorage {
        let storage = try RocksStorage(directory: folder + "/follower", node: thisNode)
        _ = try await storage.recover()
        await storage.perform(group, .create(.fresh(group)))
        await storage.perform(group, write(1, [entry(1, [99])]), apply(1, [.put(key: [250], value: [1])]))
        return storage
    }

    /// All chunks, in order.
    private func chunks(
        of storage: RocksStorage, _ position: LogPosition, bytesMax: Int
    ) async -> [(offset: UInt64, bytes: [UInt8])] {
        var chunks: [(offset: UInt64, bytes: [UInt8])] = []
        var offset: UInt64 = 0
        while chunks.count < 100_000 {
            let effect = SnapshotEffect.readChunk(to: receiver, position, offset: offset, bytesMax: bytesMax)
            guard let chunk = await storage.perform(group, .snapshot(effect)).first?.chunk else { return [] }
            #expect(chunk.bytes.count <= bytesMax)
            chunks.append((offset, chunk.bytes))
            offset += UInt64(chunk.bytes.count)
            if chunk.isLast { return chunks }
        }
        return []
    }

    private func open(_ storage: RocksStorage) async -> LogPosition? {
        await storage.perform(group, .snapshot(.open(to: receiver))).first?.opened
    }

    private func install(
        _ chunks: [(offset: UInt64, bytes: [UInt8])], at position: LogPosition, on storage: RocksStorage
    ) async -> GroupAnswer.Result? {
        var jobs = [GroupJob(group, .snapshot(.begin(position)))]
        for chunk in chunks {
            jobs.append(GroupJob(group, .snapshot(.chunk(position, offset: chunk.offset, bytes: chunk.bytes))))
        }
        jobs.append(GroupJob(group, .snapshot(.finish(position, replicas))))
        return await storage.perform(jobs).last?.result
    }

    @Test(
        "carries the state as of its opening to another disk, in chunks of any size", arguments: [1, 7, 256, 1 << 20])
    func carry(bytesMax: Int) async throws {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let before = await leader.state(group)
            let position = try #require(await self.open(leader))
            #expect(position == LogPosition(index: 8, term: 1))
            // What is applied later is not in it.
            await leader.perform(group, apply(9, [.deletePrefix([1]), .put(key: [0, 0], value: [7])]))
            let chunks = await self.chunks(of: leader, position, bytesMax: bytesMax)
            #expect(!chunks.isEmpty)
            let follower = try await self.follower(folder)
            guard case .snapshot(.installed(position))? = await self.install(chunks, at: position, on: follower) else {
                return #expect(Bool(false), "not installed")
            }
            #expect(await follower.state(group) == before)
            // The log goes on after it, with the chain that the leader's has.
            await follower.perform(group, write(2, [entry(9, [9])]), apply(9))
            follower.close()
            let again = try RocksStorage(directory: folder + "/follower", node: thisNode)
            let found = try #require(try await again.recover().first?.replica)
            #expect(found.log.base == position)
            #expect(found.log.last.index == 9)
            #expect(found.applied == 9)
            #expect(found.history.latest == replicas)
            #expect(await again.state(group) == before)
        }
    }

    @Test("gives every part of itself again, the same") func resume() async throws {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let position = try #require(await self.open(leader))
            let whole = await self.chunks(of: leader, position, bytesMax: 1 << 20).flatMap(\.bytes)
            var random = RandomSource(seed: 3)
            for _ in 0..<60 {
                let offset = Int(random.next(upperBound: UInt64(whole.count + 1)))
                let effect = SnapshotEffect.readChunk(
                    to: receiver, position, offset: UInt64(offset),
                    bytesMax: 1 + Int(random.next(upperBound: 3_000 as UInt64)))
                let chunk = try #require(await leader.perform(group, .snapshot(effect)).first?.chunk)
                #expect(chunk.bytes == Array(whole[offset..<offset + chunk.bytes.count]), "\(offset)")
                #expect(chunk.isLast == (offset + chunk.bytes.count == whole.count))
                #expect(chunk.isLast || !chunk.bytes.isEmpty)
            }
        }
    }

    @Test("that is closed, or was never opened, fails to be read") func closed() async throws {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let position = try #require(await self.open(leader))
            await leader.perform(group, .snapshot(.close(to: receiver)))
            let effect = SnapshotEffect.readChunk(to: receiver, position, offset: 0, bytesMax: 100)
            guard case .snapshot(.failed(to: receiver))? = await leader.perform(group, .snapshot(effect)).first else {
                return #expect(Bool(false), "read though closed")
            }
        }
    }

    @Test("with a byte changed, missing or too many is refused, and another can follow it") func refused() async throws
    {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let position = try #require(await self.open(leader))
            let good = await self.chunks(of: leader, position, bytesMax: 4_096)
            let follower = try await self.follower(folder)
            var random = RandomSource(seed: 4)
            for round in 0..<40 {
                var bad = good
                let place = Int(random.next(upperBound: UInt64(bad.count)))
                switch round % 3 {
                case 0:
                    let offset = Int(random.next(upperBound: UInt64(bad[place].bytes.count)))
                    bad[place].bytes[offset] ^= 1 << UInt8(random.next(upperBound: 8 as UInt64))
                case 1: bad.removeLast()
                default: bad.append((bad.reduce(0) { $0 + UInt64($1.bytes.count) }, [0]))
                }
                guard case .snapshot(.refused(position))? = await self.install(bad, at: position, on: follower) else {
                    return #expect(Bool(false), "round \(round) was not refused")
                }
                #expect(await follower.state(group) == Self.before, "what was there stays")
            }
            guard case .snapshot(.installed(position))? = await self.install(good, at: position, on: follower) else {
                return #expect(Bool(false), "not installed")
            }
            #expect(await follower.state(group) == (await leader.state(group)))
        }
    }

    private func jobs(_ chunks: some Collection<(offset: UInt64, bytes: [UInt8])>, at position: LogPosition)
        -> [GroupJob]
    {
        chunks.map { GroupJob(group, .snapshot(.chunk(position, offset: $0.offset, bytes: $0.bytes))) }
    }

    @Test("is received beside log and state, which go on until it takes their place") func beside() async throws {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let position = try #require(await self.open(leader))
            let chunks = await self.chunks(of: leader, position, bytesMax: 256)
            let follower = try await self.follower(folder)
            await follower.perform(
                [GroupJob(group, .snapshot(.begin(position)))] + self.jobs(chunks.prefix(9), at: position))
            #expect(await follower.state(group) == Self.before)
            await follower.perform(
                group, write(2, [entry(2, [2])]),
                apply(2, [.deletePrefix([0]), .deletePrefix([250]), .put(key: [251], value: [2])]))
            #expect(await follower.state(group) == [StorageEntry(key: [251], value: [2])])
            #expect(await follower.load(group, 1...9)?.map(\.index) == [1, 2])
            let rest = self.jobs(chunks.dropFirst(9), at: position)
            let finish = GroupJob(group, .snapshot(.finish(position, replicas)))
            guard case .snapshot(.installed(position))? = await follower.perform(rest + [finish]).last?.result else {
                return #expect(Bool(false), "not installed")
            }
            #expect(await follower.state(group) == (await leader.state(group)))
            #expect(await follower.load(group, 1...9) == [])
        }
    }

    @Test("that is discarded leaves nothing, and cannot be finished") func discarded() async throws {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let position = try #require(await self.open(leader))
            let chunks = await self.chunks(of: leader, position, bytesMax: 256)
            let follower = try await self.follower(folder)
            let begin = GroupJob(group, .snapshot(.begin(position)))
            await follower.perform([begin] + self.jobs(chunks, at: position) + [GroupJob(group, .snapshot(.discard))])
            let finish = SnapshotEffect.finish(position, replicas)
            guard case .snapshot(.refused(position))? = await follower.perform(group, .snapshot(finish)).first else {
                return #expect(Bool(false), "finished though it was discarded")
            }
            #expect(await follower.state(group) == Self.before)
            follower.close()
            let report = try DataInspection(directory: folder + "/follower").verify()
            #expect(report.tables.first { $0.name == "groupState" }?.entries == 1)
            #expect(report.findings.isEmpty)
        }
    }

    @Test("that is cut off leaves a replica as it was, and what had come goes with the next start") func cutOff()
        async throws
    {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let position = try #require(await self.open(leader))
            let chunks = await self.chunks(of: leader, position, bytesMax: 256)
            let path = folder + "/follower"
            do {
                let follower = try await self.follower(folder)
                let vote = HardState(term: 6, vote: receiver)
                await follower.perform(group, write(2, state: vote))
                let begin = GroupJob(group, .snapshot(.begin(position)))
                await follower.perform(
                    [begin] + self.jobs(chunks.prefix(5), at: position) + [GroupJob(group, .read(1, []))])
                follower.close()
            }
            let remains = try DataInspection(directory: path).verify()
            #expect(remains.findings.map(\.severity) == [.note])
            #expect(remains.findings.first?.place == "group 7")
            #expect(remains.groups.first?.status == .sound && remains.groups.first?.stateEntries == 1)
            #expect(remains.tables.first { $0.name == "groupState" }?.entries ?? 0 > 1)
            let again = try RocksStorage(directory: path, node: thisNode)
            let found = try #require(try await again.recover().first?.replica)
            #expect(found.log.last.index == 1 && found.log.base == .zero && found.applied == 1)
            #expect(found.state.vote == receiver)
            #expect(found.lost == nil)
            #expect(await again.state(group) == Self.before)
            again.close()
            let report = try DataInspection(directory: path).verify()
            #expect(report.findings.isEmpty)
            #expect(report.tables.first { $0.name == "groupState" }?.entries == 1)
            let last = try RocksStorage(directory: path, node: thisNode)
            _ = try await last.recover()
            guard case .snapshot(.installed(position))? = await self.install(chunks, at: position, on: last) else {
                return #expect(Bool(false), "not installed")
            }
            #expect(await last.state(group) == (await leader.state(group)))
        }
    }

    @Test("is seen whole or not at all by whoever reads while it takes its place") func atOnce() async throws {
        try await withFolder { folder in
            let storage = try RocksStorage(directory: folder + "/db", node: thisNode)
            _ = try await storage.recover()
            await storage.perform(group, .create(.fresh(group)))
            let keys = (0..<200 as Range<UInt8>).map { [$0] }
            for round in 1...40 as ClosedRange<UInt8> {
                let position = LogPosition(index: LogIndex(round) * 10, term: 1)
                let values = Dictionary(uniqueKeysWithValues: keys.map { ($0, [round]) })
                let stream = snapshotStream(of: group, at: position, values)
                let finish = GroupJob.Work.snapshot(.finish(position, replicas))
                let work = receiving(stream, at: position, chunkBytes: 700) + [finish]
                // More reads than are done before the end of it is written.
                let all = StateRead.range(prefix: [], start: [], limit: .max, bytesMax: .max)
                let reads = (0..<30 as Range<UInt64>).map { GroupJob(group, .read($0, [all])) }
                async let answers = storage.perform(reads)
                async let installed = storage.perform(work.map { GroupJob(group, $0) })
                for case .read(_, let lists) in await answers.map(\.result) {
                    let values = Set(lists[0].map(\.value))
                    #expect(values == [[round]] || values == (round == 1 ? [] : [[round - 1]]))
                    #expect(lists[0].count == (values.isEmpty ? 0 : keys.count))
                }
                guard case .snapshot(.installed(position))? = await installed.last?.result else {
                    return #expect(Bool(false), "not installed")
                }
            }
        }
    }
}
