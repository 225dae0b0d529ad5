import MeshCore
import Testing

@Suite("An election")
struct ElectionTests {
    @Test("makes one leader, which appends a no-op and serves once that is applied", arguments: [1, 2, 3, 5])
    func oneLeader(count: Int) {
        var group = TestGroup(count)
        group.run(for: .seconds(3))
        #expect(group.leaders.count == 1)
        for raft in group.rafts {
            #expect(raft.term == group.rafts[0].term)
            #expect(raft.log.last.index >= 1)
            #expect(raft.applied == raft.log.last.index)
        }
    }

    @Test("a candidate sends nothing in its new term before term and vote are durable")
    func voteBeforeMessages() {
        var group = TestGroup(3)
        group.stuck = [0]
        group.pass(.milliseconds(700))
        group.step(0, .wake)
        group.settle()
        #expect(group.rafts[0].role == .candidate)
        #expect(group.sent(0).allSatisfy { $0.term == 0 }, "only pre-votes have left")
        group.step(0, .stored(through: 1))
        #expect(group.sent(0).contains { $0.term == 1 })
    }

    @Test("a vote is sent when it is durable, and not before")
    func voteIsDurable() {
        var group = TestGroup(3)
        group.pass(.seconds(1))
        group.stuck = [1]
        group.step(1, .received(group.message(group.voteRequest(term: 1, last: .zero), from: 0, to: 1, term: 1)))
        #expect(group.sent(1).isEmpty)
        group.step(1, .stored(through: 2))
        #expect(group.sent(1).map(\.granted) == [true])
    }

    @Test("a voter votes once per term, and for the same candidate again")
    func oneVote() {
        var group = TestGroup(3)
        group.pass(.seconds(1))
        for (candidate, granted) in [(0, true), (2, false), (0, true)] {
            group.clear()
            group.step(
                1, .received(group.message(group.voteRequest(term: 1, last: .zero), from: candidate, to: 1, term: 1)))
            #expect(group.sent(1).map(\.granted) == [granted])
        }
    }

    @Test("a learner names no leader that it has not heard for an election timeout, and does when it hears one")
    func silentLeader() throws {
        var group = TestGroup(3, learners: 1)
        group.run(for: .seconds(3))
        let leader = try #require(group.leaders.first)
        #expect(group.rafts[2].leader == group.rafts[leader].id)
        group.cut = [2]
        group.step(2, .peer(.silent(group.rafts[leader].id.node)))
        group.run(for: .seconds(3))
        #expect(group.rafts[2].leader == nil)
        #expect(group.rafts[2].nextWake == .distantFuture)
        group.cut = []
        group.run(for: .seconds(3))
        #expect(group.rafts[2].leader == group.rafts[leader].id)
    }

    @Test("a voter refuses whoever lacks entries that it has")
    func upToDate() {
        var group = TestGroup(3)
        group.step(
            1,
            .received(group.message(group.append(after: .zero, [entry(1, 1), entry(2, 1)]), from: 0, to: 1, term: 1)))
        group.pass(.seconds(1))
        for (last, granted) in [
            (LogPosition(index: 1, term: 1), false), (LogPosition(index: 9, term: 0), false),
            (LogPosition(index: 2, term: 1), true), (LogPosition(index: 1, term: 2), true),
        ] {
            group.clear()
            group.step(
                1,
                .received(
                    group.message(group.voteRequest(term: 9, last: last, isPreVote: true), from: 2, to: 1, term: 8)))
            #expect(group.sent(1).map(\.granted) == [granted], "\(last)")
        }
    }

    @Test("within L of a heartbeat a voter grants nothing and learns no term, but for a transfer")
    func stickiness() {
        var group = TestGroup(3)
        group.pass(.seconds(1))
        group.step(1, .received(group.message(group.append(after: .zero), from: 0, to: 1, term: 1)))
        group.pass(.milliseconds(249))
        group.clear()
        group.step(1, .received(group.message(group.voteRequest(term: 2, last: .zero), from: 2, to: 1, term: 2)))
        #expect(group.sent(1).isEmpty)
        #expect(group.rafts[1].term == 1)
        group.step(
            1,
            .received(
                group.message(group.voteRequest(term: 2, last: .zero, isTransfer: true), from: 2, to: 1, term: 2)))
        #expect(group.sent(1).map(\.granted) == [true])
    }

    @Test("within L of its own start a voter grants nothing: it may have promised something in its last life")
    func stickyAfterStart() {
        var group = TestGroup(3)
        group.pass(.milliseconds(249))
        group.step(1, .received(group.message(group.voteRequest(term: 1, last: .zero), from: 0, to: 1, term: 1)))
        #expect(group.sent(1).isEmpty)
        group.pass(.milliseconds(2))
        group.step(1, .received(group.message(group.voteRequest(term: 1, last: .zero), from: 0, to: 1, term: 1)))
        #expect(group.sent(1).map(\.granted) == [true])
    }

    @Test("a replica that is cut off asks in vain and raises no term, so its return disturbs nobody")
    func preVote() {
        var group = TestGroup(3)
        group.elect(0)
        let term = group.rafts[0].term
        group.cut = [2]
        group.run(for: .seconds(5))
        #expect(group.rafts[2].term == term)
        group.cut = []
        group.run(for: .seconds(2))
        #expect(group.leaders == [0])
        #expect(group.rafts[0].term == term)
    }

    @Test("a leader that hears no quorum steps down")
    func checkQuorum() {
        var group = TestGroup(3)
        group.elect(0)
        group.cut = [0]
        group.run(for: .seconds(1))
        #expect(group.rafts[0].role != .leader)
    }

    @Test("a hint that the leader is gone makes followers campaign after L, not before")
    func hint() {
        var group = TestGroup(3)
        group.elect(0)
        group.cut = [0]
        let term = group.rafts[1].term
        group.step(1, .peer(.suspected(TestGroup.node(0))))
        group.run(for: .milliseconds(240))
        #expect(group.rafts[1].term == term)
        group.run(for: .milliseconds(100))
        #expect(group.leaders.contains(1), "well before the election timeout of 400 ms")
    }

    @Test("who is asked votes, whatever its own configuration says of it and of who asks")
    func whoeverIsAsked() {
        var group = TestGroup(3, learners: 1)
        group.pass(.seconds(1))
        group.step(2, .received(group.message(group.voteRequest(term: 1, last: .zero), from: 9, to: 2, term: 1)))
        #expect(group.sent(2).map(\.granted) == [true])
    }

    @Test("a learner never campaigns")
    func learner() {
        var group = TestGroup(3, learners: 1)
        group.cut = [0, 1]
        group.run(for: .seconds(5))
        #expect(group.rafts[2].term == 0)
        #expect(group.sent(2).isEmpty)
    }
}
