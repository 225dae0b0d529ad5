import MeshCore
import Testing

@Suite("Messages of consensus on the wire")
struct RaftCodecTests {
    static let bodies: [RaftMessage.Body] = [
        .voteRequest(
            VoteRequest(
                isPreVote: true, isTransfer: false, term: 5, last: LogPosition(index: 9, term: 4), round: 77,
                vouchedLife: 3)),
        .voteResponse(VoteResponse(isPreVote: false, isGranted: true, term: 5, round: 77, shortLife: 12)),
        .append(
            Append(
                previous: LogPosition(index: 9, term: 4), commit: 8, stamp: Instant(nanoseconds: 5), acknowledged: 7,
                heldByAll: 6,
                entries: [
                    LogEntry(index: 10, term: 4, kind: .noop, payload: []), entry(11, 5, [1, 2, 3]),
                    LogEntry(
                        index: 12, term: 5, kind: .configuration,
                        payload: ReplicaSet(voters: [TestGroup.id(0)], learners: [TestGroup.id(1)]).payload),
                ])),
        .append(
            Append(
                previous: .zero, commit: 0, stamp: Instant(nanoseconds: 1), acknowledged: 0, heldByAll: 0, entries: [])),
        .appendResponse(
            AppendResponse(outcome: .matched(9), stamp: Instant(nanoseconds: 3), applied: 4, isShort: true)),
        .appendResponse(
            AppendResponse(
                outcome: .conflict(rejected: 9, hint: LogPosition(index: 3, term: 2)), stamp: Instant(nanoseconds: 3),
                applied: 4, isShort: false)),
        .snapshotChunk(
            SnapshotChunk(
                position: LogPosition(index: 9, term: 4),
                replicas: .init(index: 3, replicas: ReplicaSet(voters: [TestGroup.id(0), TestGroup.id(1)])), offset: 64,
                isLast: true, stamp: Instant(nanoseconds: 8), bytes: [9, 8, 7])),
        .snapshotResponse(
            SnapshotResponse(
                position: LogPosition(index: 9, term: 4), next: 64, isInstalled: true, stamp: Instant(nanoseconds: 8))),
        .timeoutNow,
        .sleep(Sleep(index: 9, stamp: Instant(nanoseconds: 8))),
        .sleepResponse(Sleep(index: 9, stamp: Instant(nanoseconds: 8))),
    ]

    private func bytes(_ body: RaftMessage.Body) -> (RaftMessage, [UInt8]) {
        let message = RaftMessage(
            group: GroupID(3), incarnation: GroupIncarnation(counter: 2, id: 8), from: TestGroup.id(0),
            to: ReplicaID(node: TestGroup.node(1), addedAt: 44), term: 5, body: body)
        var writer = WireWriter()
        writer.write(message)
        return (message, writer.bytes)
    }

    private func decoded(_ bytes: [UInt8]) -> RaftMessage? {
        var reader = WireReader(bytes.raw)
        return try? reader.raftMessage()
    }

    @Test("every message is read as it was written, and no beginning of it is one", arguments: Self.bodies)
    func roundTrip(body: RaftMessage.Body) {
        let (message, bytes) = self.bytes(body)
        #expect(self.decoded(bytes) == message)
        for count in 0..<bytes.count { #expect(self.decoded(Array(bytes.prefix(count))) == nil) }
        #expect(self.decoded(bytes + [0]) == nil)
    }

    @Test("damaged bytes are refused or read as something else, and never trap", arguments: 0..<20 as Range<UInt64>)
    func damage(seed: UInt64) {
        var random = RandomSource(seed: seed)
        for body in Self.bodies {
            var (_, bytes) = self.bytes(body)
            for _ in 0..<50 {
                bytes[Int(random.next(upperBound: UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
                _ = self.decoded(bytes)
            }
        }
    }

    @Test("heartbeats and their answers are read as they were written")
    func heartbeats() throws {
        var heartbeat = Heartbeat(stamp: Instant(nanoseconds: 77))
        let claim = LeaderClaim(
            group: GroupID(1), incarnation: GroupIncarnation(counter: 1, id: 2), leader: 3, follower: 4, term: 5)
        heartbeat.add(claim, isAsleep: false)
        heartbeat.add(claim, isAsleep: true)
        var writer = WireWriter()
        writer.write(heartbeat)
        var reader = WireReader(writer.bytes.raw)
        let read = try reader.heartbeat()
        #expect(read == heartbeat)

        var answer = HeartbeatAnswer(to: heartbeat)
        answer.renewed = [GroupID(1)]
        answer.deposed = [.init(group: GroupID(2), term: 9)]
        answer.sleepersAgree = true
        writer = WireWriter()
        writer.write(answer)
        var second = WireReader(writer.bytes.raw)
        let readAnswer = try second.heartbeatAnswer()
        #expect(readAnswer == answer)
    }

    @Test("a set of replicas is read only if it is in order and names a node once")
    func replicaSets() {
        let set = ReplicaSet(voters: [TestGroup.id(0), TestGroup.id(1)], learners: [TestGroup.id(2)])
        #expect(ReplicaSet(payload: set.payload) == set)
        #expect(ReplicaSet(payload: set.payload + [1]) == nil)
        #expect(ReplicaSet(payload: ReplicaSet(voters: [TestGroup.id(0)], learners: [TestGroup.id(0)]).payload) == nil)
        let many = (0..<16).map(TestGroup.id)
        #expect(ReplicaSet(payload: ReplicaSet(voters: many).payload) == nil)
    }
}
