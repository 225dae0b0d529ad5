import MeshCore
import Testing

@Suite("A leader")
struct LeadershipTests {
    private func led(_ count: Int = 3) -> TestGroup {
        var group = TestGroup(count)
        group.elect(0)
        group.run(for: .milliseconds(100))
        group.clear()
        return group
    }

    // MARK: Reads

    @Test("reads by its lease without a message, until 0.95 L after it sent what a quorum acknowledged")
    func lease() throws {
        var group = self.led()
        group.propose(0)
        group.settle()
        group.clear()
        let end = try #require(group.rafts[0].leaseEnd(at: group.now))
        #expect(end - group.now <= .microseconds(237_500))
        group.step(0, .read(1))
        #expect(group.readsReady(0) == [1])
        #expect(group.sent(0).isEmpty)
        group.now = end
        #expect(group.rafts[0].leaseEnd(at: group.now) == nil)
    }

    @Test("counts its lease from the sending, however late the answer comes")
    func leaseFromSending() {
        var group = self.led()
        group.pass(.seconds(1))
        let sent = group.now
        group.propose(0)
        group.pass(.milliseconds(200))
        // Both appends, and one answer: a quorum with the leader itself.
        for _ in 0..<3 { group.deliver(group.wire.removeFirst()) }
        #expect(group.rafts[0].leaseEnd(at: group.now) == sent + .microseconds(237_500))
    }

    @Test("without a lease it reads after a round that began when the read was there")
    func round() {
        var group = self.led()
        group.pass(.milliseconds(300))
        group.step(0, .read(1))
        #expect(group.readsReady(0).isEmpty)
        group.settle()
        #expect(group.readsReady(0) == [1])
    }

    @Test("cut off, it serves no read; the reads are rejected when it steps down")
    func cutOff() {
        var group = self.led()
        group.cut = [0]
        group.pass(.milliseconds(300))
        group.step(0, .read(1))
        group.run(for: .seconds(1))
        #expect(group.readsReady(0).isEmpty)
        #expect(group.rejected(0) == [.notLeader(nil)])
    }

    @Test("serves no read before it has applied its no-op")
    func noop() {
        var group = TestGroup(3)
        group.stuck = [1, 2]
        group.pass(.milliseconds(700))
        group.step(0, .wake)
        group.settle()
        // Term and vote, and not the no-op that comes after them.
        for place in [1, 2] { group.step(place, .stored(through: 2)) }
        group.settle()
        #expect(group.leaders == [0])
        group.step(0, .read(1))
        group.settle()
        #expect(group.readsReady(0).isEmpty)
        #expect(group.rafts[0].leaseEnd(at: group.now) == nil)
        group.stuck = []
        for place in [1, 2] { group.step(place, .stored(through: group.lastWrite(place))) }
        group.settle()
        #expect(group.readsReady(0) == [1])
    }

    // MARK: Handing over

    @Test("hands over at once when asked, to the one that was named")
    func transfer() {
        var group = self.led()
        let term = group.rafts[0].term
        group.step(0, .transfer(9, to: TestGroup.id(2)))
        group.settle()
        #expect(group.leaders == [2])
        #expect(group.rafts[2].term == term + 1)
    }

    @Test("hands over to a voter that it hears, though a silent one holds as much", arguments: [1, 2])
    func transferPastTheDead(dead: Int) {
        var group = self.led()
        group.run(for: .seconds(2))
        group.cut = [dead]
        group.step(0, .peer(.silent(TestGroup.node(dead))))
        group.run(for: .seconds(1))
        #expect(group.leaders == [0])
        group.step(0, .transfer(9, to: nil))
        group.settle()
        #expect(group.leaders == [3 - dead])
    }

    @Test("has no lease and takes no proposals once it has ordered a transfer, and no lease again in that term")
    func transferFails() {
        var group = self.led()
        group.cut = [2]
        group.step(0, .transfer(9, to: TestGroup.id(2)))
        group.settle()
        #expect(group.rafts[0].leaseEnd(at: group.now) == nil)
        group.clear()
        group.propose(0)
        #expect(group.rejected(0) == [.transferring])
        group.cut = [2]
        group.clear()
        group.run(for: .seconds(1))
        #expect(group.rejected(0) == [.timedOut])
        group.propose(0)
        group.settle()
        #expect(group.rafts[0].role == .leader)
        #expect(group.rafts[0].leaseEnd(at: group.now) == nil)
        group.clear()
        group.step(0, .read(3))
        group.settle()
        #expect(group.readsReady(0) == [3], "by a round")
    }

    // MARK: Changes

    @Test("makes one change at a time")
    func oneChange() {
        var group = self.led()
        group.cut = [1, 2]
        group.step(0, .change(1, .addLearner(TestGroup.node(5))))
        group.step(0, .change(2, .addLearner(TestGroup.node(6))))
        #expect(group.rejected(0) == [.changePending])
        #expect(group.rafts[0].replicas.learners.map(\.node) == [TestGroup.node(5)])
    }

    @Test("makes no change before it has committed an entry of its own term")
    func changeNeedsOwnTerm() {
        var group = TestGroup(3)
        group.stuck = [0]
        group.pass(.milliseconds(700))
        group.step(0, .wake)
        group.settle()
        group.step(0, .stored(through: 1))
        group.settleWithoutAppends()
        #expect(group.leaders == [0])
        group.step(0, .change(1, .addLearner(TestGroup.node(5))))
        #expect(group.rejected(0) == [.notReady])
    }

    @Test("a configuration is in force when appended and undone when truncated")
    func truncation() {
        var group = self.led()
        let before = group.rafts[0].replicas
        group.cut = [0]
        group.step(0, .change(1, .remove(TestGroup.id(2))))
        #expect(group.rafts[0].replicas.voters.count == 2)
        group.run(for: .seconds(3))
        group.cut = []
        group.run(for: .seconds(2))
        #expect(group.rafts[0].replicas == before)
    }

    @Test("a learner is promoted when it has caught up, and another replica than before when added again")
    func learner() throws {
        var group = self.led(4)
        group.step(0, .change(1, .remove(TestGroup.id(3))))
        group.settle()
        group.run(for: .milliseconds(300))
        group.step(0, .change(2, .addLearner(TestGroup.node(3))))
        let added = try #require(group.rafts[0].replicas.learners.first)
        #expect(added.node == TestGroup.node(3))
        #expect(added != TestGroup.id(3))
        #expect(added.addedAt == group.rafts[0].log.last.index)
        group.settle()
        group.clear()
        group.step(0, .change(3, .promote(added)))
        #expect(group.rejected(0) == [.behind])
        group.add(
            .fresh(
                group: TestGroup.group, incarnation: TestGroup.incarnation, id: added, replicas: .empty,
                settings: RaftSettings()))
        group.run(for: .milliseconds(500))
        group.step(0, .change(4, .promote(added)))
        group.settle()
        #expect(group.rafts[0].replicas.isVoter(added))
    }

    @Test("a change out of two voters commits only when both hold it")
    func twoVoters() {
        var group = self.led(2)
        group.cut = [1]
        group.step(0, .change(1, .remove(TestGroup.id(1))))
        group.run(for: .milliseconds(300))
        #expect(group.rafts[0].commit < group.rafts[0].log.last.index)
        group.cut = []
        group.run(for: .seconds(1))
        #expect(group.rafts[0].commit == group.rafts[0].log.last.index)
        #expect(group.log[1].contains { if case .removed = $0 { true } else { false } })
    }

    @Test("a voter removed by an entry that only it holds is elected, commits it, and goes")
    func lastHolder() {
        var group = self.led(4)
        group.cut = [1, 3]
        group.step(0, .change(1, .remove(TestGroup.id(2))))
        group.settle()
        let entry = group.rafts[0].log.last.index
        #expect(group.rafts[2].log.last.index == entry && group.rafts[0].commit < entry)
        group.cut = [0]
        group.run(for: .seconds(5))
        #expect(group.rafts[1].commit >= entry && group.rafts[3].commit >= entry)
        #expect(group.log[2].contains { if case .removed = $0 { true } else { false } })
    }

    @Test("does not remove itself")
    func ownRemoval() {
        var group = self.led()
        group.step(0, .change(1, .remove(TestGroup.id(0))))
        #expect(group.rejected(0) == [.invalidChange])
    }

    // MARK: Sleep

    @Test("a group with nothing to say falls asleep, and wakes when somebody speaks")
    func sleep() {
        var group = self.led()
        group.run(for: .seconds(2))
        #expect(group.leaders == [0])
        #expect(group.rafts[0].claim(on: TestGroup.node(1))?.isAsleep == true)
        #expect(group.rafts[0].nextWake == .distantFuture)
        group.propose(0)
        group.settle()
        #expect(!group.rafts[1].isAsleep)
        #expect(group.rafts[0].nextWake != .distantFuture)
        #expect(group.rafts[1].log.last == group.rafts[0].log.last)
    }
}
