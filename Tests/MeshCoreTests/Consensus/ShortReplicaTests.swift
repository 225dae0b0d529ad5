import MeshCore
import Testing

@Suite("A replica whose disk lost something")
struct ShortReplicaTests {
    /// Replica 1, with one entry, though the watermark says three.
    private func short(of voters: Int = 3, life: UInt64 = 2) -> TestGroup {
        var group = TestGroup(voters)
        var log = RaftLog(base: .zero, tailBytesMax: 1 << 20)
        log.recover(LogPosition(index: 1, term: 1), bytes: 25)
        let recovered = RecoveredReplica(
            group: TestGroup.group, incarnation: TestGroup.incarnation, id: TestGroup.id(1),
            state: HardState(term: 1), log: log,
            history: ReplicaHistory(.init(index: 0, replicas: group.rafts[0].replicas)), applied: 0, lost: 3)
        group.rafts[1] = Raft(recovered, life: life, settings: RaftSettings(), seed: 3, at: group.now)
        group.pass(.seconds(1))
        return group
    }

    private let ahead = LogPosition(index: 9, term: 9)

    @Test("writes that down before anything else")
    func writes() throws {
        var group = self.short()
        group.step(1, .wake)
        let first = try #require(group.log[1].first)
        guard case .write(let write) = first else {
            Issue.record("\(first)")
            return
        }
        #expect(write.state?.shortfall?.acknowledged == 3)
    }

    @Test("never campaigns, and votes only for a candidate that vouches for this very life")
    func votes() {
        var group = self.short()
        group.step(1, .wake)
        group.cut = [0, 2]
        group.run(for: .seconds(3))
        #expect(group.rafts[1].role == .follower)
        for (life, granted) in [(UInt64(0), false), (1, false), (2, true)] {
            group.clear()
            let request = group.voteRequest(term: 20, last: self.ahead, life: life)
            group.step(1, .received(group.message(request, from: 0, to: 1, term: 20)))
            #expect(group.sent(1).map(\.granted) == [granted], "life \(life)")
        }
    }

    @Test("says so, and counts again when it holds what it once acknowledged")
    func acknowledgements() throws {
        var group = self.short()
        let entries = [entry(2, 1), entry(3, 1)]
        var isShort: [Bool] = []
        for (previous, batch) in [
            (LogPosition(index: 1, term: 1), [entries[0]]), (LogPosition(index: 2, term: 1), [entries[1]]),
            (LogPosition(index: 3, term: 1), []),
        ] {
            group.clear()
            let append = group.append(after: previous, batch, commit: 2)
            group.step(1, .received(group.message(append, from: 0, to: 1, term: 2)))
            if case .appendResponse(let response) = try #require(group.sent(1).last).body {
                isShort.append(response.isShort)
            }
        }
        #expect(isShort == [true, true, false])
    }

    @Test("is found out by a leader that knows better")
    func leaderKnows() throws {
        var group = TestGroup(3)
        let append = group.append(after: .zero, [entry(1, 1)], acknowledged: 5)
        group.step(1, .received(group.message(append, from: 0, to: 1, term: 1)))
        #expect(group.rafts[1].shortfall?.acknowledged == 5)
    }

    @Test("is worth a vote when all others were heard after it said so")
    func vouched() {
        // Of two voters the other one has everything that was ever committed.
        var two = self.short(of: 2)
        let entries = [entry(1, 1), entry(2, 1), entry(3, 1)]
        two.step(0, .received(two.message(two.append(after: .zero, entries), from: 1, to: 0, term: 1)))
        two.run(for: .seconds(3))
        #expect(two.leaders == [0])
    }

    @Test("makes no quorum with one of two others")
    func notVouched() {
        var group = self.short()
        group.cut = [2]
        group.run(for: .seconds(3))
        #expect(group.leaders.isEmpty)
        group.cut = []
        group.run(for: .seconds(3))
        #expect(group.leaders.count == 1)
    }
}
