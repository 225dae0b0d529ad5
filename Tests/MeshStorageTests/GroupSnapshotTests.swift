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
            #expect(!found.isInstalling)
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
            }
            guard case .snapshot(.installed(position))? = await self.install(good, at: position, on: follower) else {
                return #expect(Bool(false), "not installed")
            }
            #expect(await follower.state(group) == (await leader.state(group)))
        }
    }

    @Test("that is cut off leaves a replica that says so and keeps its vote, with nothing else") func cutOff()
        async throws
    {
        try await withFolder { folder in
            let leader = try await self.leader(folder)
            let position = try #require(await self.open(leader))
            let chunks = await self.chunks(of: leader, position, bytesMax: 256)
            do {
                let follower = try await self.follower(folder)
                let vote = HardState(term: 6, vote: receiver)
                await follower.perform(group, write(2, state: vote))
                var jobs = [GroupJob(group, .snapshot(.begin(position)))]
                for chunk in chunks.prefix(5) {
                    jobs.append(GroupJob(group, .snapshot(.chunk(position, offset: chunk.offset, bytes: chunk.bytes))))
                }
                jobs.append(GroupJob(group, .read(1, [])))
                await follower.perform(jobs)
                follower.close()
            }
            let again = try RocksStorage(directory: folder + "/follower", node: thisNode)
            let found = try #require(try await again.recover().first?.replica)
            #expect(found.isInstalling)
            #expect(found.log.isEmpty && found.log.base == .zero && found.applied == 0)
            #expect(found.state.vote == receiver)
            #expect(found.lost == nil)
            guard
                case .snapshot(.failed(to: receiver))? = await again.perform(group, .snapshot(.open(to: receiver)))
                    .first
            else { return #expect(Bool(false), "half a state was opened for sending") }
            guard case .snapshot(.installed(position))? = await self.install(chunks, at: position, on: again) else {
                return #expect(Bool(false), "not installed")
            }
            #expect(await again.state(group) == (await leader.state(group)))
        }
    }
}
