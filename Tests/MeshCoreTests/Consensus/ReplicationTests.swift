import MeshCore
import Testing

@Suite("The replicated log")
struct ReplicationTests {
    @Test("carries a batch to everybody, in order and once")
    func batch() {
        var group = TestGroup(3)
        group.elect(0)
        group.propose(0, 100)
        group.settle()
        group.run(for: .milliseconds(300))
        for place in 0..<3 {
            let applied = group.log[place].flatMap {
                if case .apply(let entries) = $0 { entries } else { [LogEntry]() }
            }
            #expect(applied.map(\.index) == Array(1...101))
            #expect(applied.dropFirst().map(\.payload[0]) == (0..<100).map { UInt8($0) })
        }
    }

    @Test("a follower acknowledges an entry when it is durable, and not before")
    func acknowledgement() {
        var group = TestGroup(3)
        group.stuck = [1]
        group.step(1, .received(group.message(group.append(after: .zero, [entry(1, 1)]), from: 0, to: 1, term: 1)))
        #expect(group.sent(1).isEmpty)
        group.step(1, .stored(through: 2))
        #expect(group.sent(1).map(\.outcome) == [.matched(1)])
    }

    @Test("the leader's own entry counts when it is durable, and not before")
    func ownEntry() {
        var group = TestGroup(2)
        group.elect(0)
        let commit = group.rafts[0].commit
        group.stuck = [0]
        group.propose(0)
        group.settle()
        #expect(group.rafts[0].commit == commit)
        group.step(0, .stored(through: 100))
        #expect(group.refused(0) == [.unexpected], "a write that was never asked for")
        group.step(0, .stored(through: group.lastWrite(0)))
        #expect(group.rafts[0].commit == commit + 1)
    }

    @Test("an entry of an earlier term is not committed by counting, but with one of the own")
    func earlierTerm() {
        var group = TestGroup(3)
        group.step(0, .received(group.message(group.append(after: .zero, [entry(1, 1)]), from: 2, to: 0, term: 1)))
        group.pass(.seconds(1))
        group.step(0, .wake)
        group.settleWithoutAppends()
        #expect(group.rafts[0].role == .leader)
        let term = group.rafts[0].term
        let match = AppendResponse(outcome: .matched(1), stamp: group.now, applied: 0, isShort: false)
        group.step(0, .received(group.message(.appendResponse(match), from: 1, to: 0, term: term)))
        #expect(group.rafts[0].commit == 0, "a quorum has entry 1, of term 1")
        let both = AppendResponse(outcome: .matched(2), stamp: group.now, applied: 0, isShort: false)
        group.step(0, .received(group.message(.appendResponse(both), from: 1, to: 0, term: term)))
        #expect(group.rafts[0].commit == 2)
    }

    @Test("what contradicts the leader is replaced, and what agrees is kept")
    func conflict() {
        var group = TestGroup(3)
        let first = [entry(1, 1), entry(2, 1), entry(3, 1)]
        group.step(1, .received(group.message(group.append(after: .zero, first), from: 0, to: 1, term: 1)))
        let second = group.append(after: LogPosition(index: 1, term: 1), [entry(2, 2)])
        group.step(1, .received(group.message(second, from: 2, to: 1, term: 2)))
        #expect(group.rafts[1].log.last == LogPosition(index: 2, term: 2))
        // An older message of the same leader takes nothing back.
        let older = group.append(after: .zero, [entry(1, 1)])
        group.step(1, .received(group.message(older, from: 2, to: 1, term: 2)))
        #expect(group.rafts[1].log.last == LogPosition(index: 2, term: 2))
    }

    @Test("a hint skips whole terms that the follower lacks")
    func hints() {
        var group = TestGroup(3)
        let entries = (1...50).map { entry(LogIndex($0), $0 <= 5 ? 1 : 2) }
        group.step(1, .received(group.message(group.append(after: .zero, entries), from: 0, to: 1, term: 2)))
        group.clear()
        let probe = group.append(after: LogPosition(index: 60, term: 3))
        group.step(1, .received(group.message(probe, from: 2, to: 1, term: 3)))
        #expect(
            group.sent(1).map(\.outcome) == [.conflict(rejected: 60, hint: LogPosition(index: 50, term: 2))])
        group.clear()
        let earlier = group.append(after: LogPosition(index: 40, term: 1))
        group.step(1, .received(group.message(earlier, from: 2, to: 1, term: 3)))
        #expect(group.sent(1).map(\.outcome) == [.conflict(rejected: 40, hint: LogPosition(index: 5, term: 1))])
    }

    @Test("messages under way are bounded, and go on when they are answered")
    func window() {
        var settings = RaftSettings()
        settings.inFlightMessagesMax = 4
        settings.appendBytesMax = 64
        var group = TestGroup(2, settings: settings)
        group.elect(0)
        group.clear()
        group.propose(0, 50, bytes: 40)
        #expect(group.sent(0).count == 4)
        group.settle()
        group.run(for: .milliseconds(200))
        #expect(group.rafts[1].applied == 51)
    }

    @Test("what is not committed is bounded: more is overloaded, and a too large one is refused")
    func limits() {
        var settings = RaftSettings()
        settings.uncommittedBytesMax = 1_000
        settings.payloadBytesMax = 2_000
        var group = TestGroup(3, settings: settings)
        group.elect(0)
        group.cut = [1, 2]
        group.clear()
        group.propose(0, 40, bytes: 100)
        #expect(group.rejected(0).contains(.overloaded))
        #expect(group.rafts[0].log.last.index < 14)
        group.clear()
        group.propose(0, 1, bytes: 2_001)
        #expect(group.rejected(0) == [.tooLarge])
        group.clear()
        group.propose(1)
        #expect(group.rejected(1) == [.notLeader(TestGroup.id(0))])
    }

    @Test("a follower that was away gets what it missed")
    func catchUp() {
        var group = TestGroup(3)
        group.elect(0)
        group.cut = [2]
        group.propose(0, 200)
        group.run(for: .milliseconds(500))
        group.cut = []
        group.run(for: .seconds(1))
        #expect(group.rafts[2].applied == group.rafts[0].applied)
    }

    @Test("payloads older than the tail are loaded from storage")
    func tail() {
        var settings = RaftSettings()
        settings.tailBytesMax = 256
        var group = TestGroup(3, settings: settings)
        group.elect(0)
        group.cut = [2]
        group.propose(0, 100)
        group.run(for: .milliseconds(400))
        group.cut = []
        let loads = group.loads(0).filter { $0.purpose == .replicate(TestGroup.id(2)) }
        let entries = (2...6).map { entry(LogIndex($0), group.rafts[0].term, [UInt8($0)]) }
        #expect(loads.first?.first == 2)
        group.step(0, .loaded(.replicate(TestGroup.id(2)), entries))
        group.settle()
        #expect(group.rafts[2].log.last.index == 6)
    }
}

extension TestGroup {
    func loads(_ place: Int) -> [LoadRequest] {
        self.log[place].compactMap { effect in
            if case .load(let request) = effect { request } else { nil }
        }
    }

    func lastWrite(_ place: Int) -> UInt64 {
        self.log[place].reduce(0) { last, effect in
            if case .write(let write) = effect { max(last, write.sequence) } else { last }
        }
    }
}
