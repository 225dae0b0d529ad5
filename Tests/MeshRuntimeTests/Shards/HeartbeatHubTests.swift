import MeshCore
import MeshRuntime
import Testing

/// Two shards on a node that shares groups with another.
@Suite("The heartbeats of a node")
struct HeartbeatHubTests {
    private static let other = ShardMesh.node(1)
    private static let shards = [ShardID(1), ShardID(2)]

    private struct Bench {
        var hub = HeartbeatHub(
            boot: 3, shards: HeartbeatHubTests.shards, shardOf: { ShardID(1 + Int($0.number) % 2) })
        var now = Instant(nanoseconds: 1_000_000_000)
        var effects: [HeartbeatHub.Effect] = []

        mutating func step(_ input: HeartbeatHub.Input) -> [HeartbeatHub.Effect] {
            self.effects = []
            self.hub.step(input, at: Moment(now: self.now, wall: 7), into: &self.effects)
            return self.effects
        }
    }

    private func claim(_ group: UInt32) -> LeaderClaim {
        LeaderClaim(
            group: GroupID(group), incarnation: GroupIncarnation(counter: 1, id: 1), leader: 0, follower: 0, term: 2)
    }

    private func hash(_ groups: UInt32...) -> ClaimHash {
        var hash = ClaimHash()
        for group in groups { hash.add(self.claim(group)) }
        return hash
    }

    private func bench() -> Bench {
        var bench = Bench()
        for shard in Self.shards { _ = bench.step(.shard(shard, .neighbours([Self.other]))) }
        return bench
    }

    private func sent(_ effects: [HeartbeatHub.Effect]) throws -> HeartbeatFrame? {
        for case .send(let frame, Self.other) in effects { return try HeartbeatFrame(decoding: frame.body) }
        return nil
    }

    @Test("tell what all shards lead there, once all have said so")
    func gathered() throws {
        var bench = self.bench()
        let asked = bench.step(.wake).count { if case .ask(_, .contribute) = $0 { true } else { false } }
        #expect(asked == 2)
        let stamp = bench.now
        let first = bench.step(
            .shard(
                ShardID(1), .contribution(to: Self.other, stamp: stamp, awake: [self.claim(2)], asleep: self.hash(4))))
        #expect(first.isEmpty)
        let second = bench.step(
            .shard(
                ShardID(2), .contribution(to: Self.other, stamp: stamp, awake: [self.claim(1)], asleep: self.hash(3))))
        guard case .beat(let heartbeat, boot: 3, wall: 7)? = try self.sent(second) else {
            Issue.record("\(second)")
            return
        }
        #expect(Set(heartbeat.awake) == [self.claim(1), self.claim(2)])
        #expect(heartbeat.asleep == self.hash(3, 4))
    }

    @Test("leave a silent shard out, and do not tell it that its sleepers were renewed")
    func silentShard() throws {
        var bench = self.bench()
        _ = bench.step(.wake)
        let stamp = bench.now
        _ = bench.step(
            .shard(ShardID(1), .contribution(to: Self.other, stamp: stamp, awake: [], asleep: self.hash(4))))
        bench.now = bench.now + .milliseconds(31)
        guard case .beat(let heartbeat, _, _)? = try self.sent(bench.step(.wake)) else {
            Issue.record("no heartbeat")
            return
        }
        #expect(heartbeat.asleep == self.hash(4))
        var answer = HeartbeatAnswer(to: heartbeat)
        answer.sleepersAgree = true
        var told: [ShardID: Bool?] = [:]
        for effect in bench.step(.frame(HeartbeatFrame.answer(answer).encoded(), from: Self.other)) {
            if case .ask(let shard, .answered(_, _, _, _, let sleepersAgree)) = effect { told[shard] = sleepersAgree }
        }
        #expect(told[ShardID(1)] == .some(true))
        #expect(told[ShardID(2)] == .some(nil))
    }

    private func receive(_ heartbeat: Heartbeat, answered by: [ShardID], _ bench: inout Bench) throws
        -> HeartbeatAnswer?
    {
        _ = bench.step(.frame(HeartbeatFrame.beat(heartbeat, boot: 1, wall: 9).encoded(), from: Self.other))
        var effects: [HeartbeatHub.Effect] = []
        for shard in by {
            effects += bench.step(
                .shard(
                    shard,
                    .renewal(
                        by: Self.other, stamp: heartbeat.stamp, renewed: [GroupID(UInt32(shard.number + 1))],
                        deposed: [],
                        asleep: self.hash(UInt32(shard.number) + 10))))
        }
        bench.now = bench.now + .milliseconds(31)
        effects += bench.step(.wake)
        guard case .answer(let answer)? = try self.sent(effects) else { return nil }
        return answer
    }

    @Test("agree on sleepers if all shards together have the hash")
    func agreement() throws {
        var bench = self.bench()
        var heartbeat = Heartbeat(stamp: Instant(nanoseconds: 50))
        heartbeat.asleep = self.hash(11, 12)
        let answer = try self.receive(heartbeat, answered: Self.shards, &bench)
        #expect(answer?.sleepersAgree == true)
        #expect(answer.map { Set($0.renewed) } == [GroupID(2), GroupID(3)])
    }

    @Test("do not agree on sleepers that a silent shard may have")
    func noAgreement() throws {
        var bench = self.bench()
        var heartbeat = Heartbeat(stamp: Instant(nanoseconds: 50))
        heartbeat.asleep = self.hash(11)
        let answer = try self.receive(heartbeat, answered: [ShardID(1)], &bench)
        #expect(answer?.sleepersAgree == false)
        #expect(answer?.renewed == [GroupID(2)])
    }

    @Test("ask each shard for its own claims only, and count what does not parse")
    func routed() throws {
        var bench = self.bench()
        var heartbeat = Heartbeat(stamp: Instant(nanoseconds: 50))
        for group in 1...4 as ClosedRange<UInt32> { heartbeat.add(self.claim(group), isAsleep: false) }
        var claims: [ShardID: [LeaderClaim]] = [:]
        for effect in bench.step(.frame(HeartbeatFrame.beat(heartbeat, boot: 1, wall: 9).encoded(), from: Self.other)) {
            if case .ask(let shard, .renew(_, _, let own, wall: 9)) = effect { claims[shard] = own }
        }
        #expect(claims[ShardID(1)] == [self.claim(2), self.claim(4)])
        #expect(claims[ShardID(2)] == [self.claim(1), self.claim(3)])
        let isCounted = bench.step(.frame([9, 9], from: Self.other)).contains {
            if case .malformed = $0 { true } else { false }
        }
        #expect(isCounted)
    }

    @Test("hasten the next after a disagreement once, not for ever")
    func hastens() throws {
        var bench = self.bench()
        for round in 0..<2 {
            bench.now = bench.now + .milliseconds(100)
            _ = bench.step(.wake)
            let stamp = bench.now
            for shard in Self.shards {
                _ = bench.step(
                    .shard(shard, .contribution(to: Self.other, stamp: stamp, awake: [], asleep: ClaimHash())))
            }
            bench.now = bench.now + .milliseconds(1)
            let answer = HeartbeatAnswer(to: Heartbeat(stamp: stamp))
            _ = bench.step(.frame(HeartbeatFrame.answer(answer).encoded(), from: Self.other))
            #expect((bench.hub.nextWake <= bench.now) == (round == 0))
        }
    }
}
