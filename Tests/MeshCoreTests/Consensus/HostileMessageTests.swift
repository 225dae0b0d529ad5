import MeshCore
import Testing

@Suite("A replica that is told anything")
struct HostileMessageTests {
    enum State: CaseIterable {
        case fresh, follower, preCandidate, candidate, leader, asleep, installing, replacing, short, transferring
    }

    /// A group whose replica 0 is in that state.
    private func group(_ state: State) -> TestGroup {
        var group = TestGroup(3)
        switch state {
        case .fresh: break
        case .follower: group.elect(1)
        case .preCandidate:
            group.cut = [1, 2]
            group.elect(0)
        case .candidate:
            group.stuck = [0]
            group.elect(0)
        case .leader: group.elect(0)
        case .asleep:
            group.elect(1)
            group.run(for: .milliseconds(300))
            let sleep = Sleep(index: group.rafts[0].applied, stamp: group.now)
            group.step(0, .received(group.message(.sleep(sleep), from: 1, to: 0, term: group.rafts[0].term)))
        case .installing, .replacing:
            let chunk = SnapshotChunk(
                position: LogPosition(index: 50, term: 1),
                replicas: .init(index: 0, replicas: group.rafts[0].replicas), offset: 0, isLast: state == .replacing,
                stamp: group.now, bytes: [1, 2, 3])
            group.step(0, .received(group.message(.snapshotChunk(chunk), from: 1, to: 0, term: 1)))
        case .short:
            let append = group.append(after: .zero, [entry(1, 1)], acknowledged: 5)
            group.step(0, .received(group.message(append, from: 1, to: 0, term: 1)))
        case .transferring:
            group.elect(0)
            group.cut = [2]
            group.step(0, .transfer(1, to: TestGroup.id(2)))
        }
        return group
    }

    @Test("is in the state that its name says")
    func states() {
        #expect(self.group(.follower).rafts[0].role == .follower)
        #expect(self.group(.preCandidate).rafts[0].role == .preCandidate)
        #expect(self.group(.candidate).rafts[0].role == .candidate)
        #expect(self.group(.leader).rafts[0].role == .leader)
        #expect(self.group(.asleep).rafts[0].isAsleep)
        #expect(self.group(.installing).rafts[0].isInstalling)
        #expect(self.group(.replacing).rafts[0].isReplacing)
        #expect(self.group(.short).rafts[0].shortfall != nil)
    }

    @Test("keeps its invariants, whatever arrives in whatever state", arguments: State.allCases)
    func everyMessageInEveryState(state: State) {
        var random = RandomSource(seed: 11)
        for _ in 0..<150 {
            var group = self.group(state)
            for _ in 0..<12 {
                let before = group.rafts[0]
                group.clear()
                group.step(0, .received(self.message(in: group, drawing: &random)))
                let after = group.rafts[0]
                #expect(after.term >= before.term)
                #expect(
                    after.term > before.term || before.vote == nil || after.vote == before.vote, "one vote per term")
                #expect(after.commit >= before.commit)
                #expect(after.commit <= after.log.last.index)
                #expect(after.applied <= after.commit)
                #expect(after.log.durable <= after.log.last.index)
                #expect(group.sent(0).allSatisfy { $0.term <= after.term })
                group.pass(.milliseconds(Int(random.next(upperBound: 400 as UInt64))))
                if random.next(upperBound: 3 as UInt64) == 0 { group.step(0, .wake) }
            }
        }
    }

    /// Near enough to what is plausible that much of it is let in.
    private func message(in group: TestGroup, drawing random: inout RandomSource) -> RaftMessage {
        func below(_ bound: UInt64) -> UInt64 { random.next(upperBound: bound) }
        let raft = group.rafts[0]
        let term = below(8) == 0 ? random.next() : raft.term &+ below(4) &- 1
        let last = raft.log.last
        func position() -> LogPosition {
            below(3) == 0
                ? LogPosition(index: below(60), term: below(4)) : LogPosition(index: last.index, term: last.term)
        }
        let stamp = below(2) == 0 ? group.now : Instant(nanoseconds: random.next())
        let body: RaftMessage.Body
        switch below(9) {
        case 0:
            body = .voteRequest(
                VoteRequest(
                    isPreVote: below(2) == 0, isTransfer: below(2) == 0, term: term &+ below(2), last: position(),
                    round: below(3), vouchedLife: below(3)))
        case 1:
            body = .voteResponse(
                VoteResponse(
                    isPreVote: below(2) == 0, isGranted: below(2) == 0, term: term, round: below(3), shortLife: below(2)
                ))
        case 2:
            let previous = position()
            let entries = (0..<below(4)).map { offset in
                entry(
                    previous.index &+ offset &+ 1, below(4) == 0 ? below(9) : max(previous.term, term), [UInt8(offset)])
            }
            body = .append(
                Append(
                    previous: previous, commit: below(60), stamp: stamp, acknowledged: below(20), heldByAll: below(20),
                    entries: entries))
        case 3:
            let outcome: AppendResponse.Outcome =
                below(2) == 0
                ? .matched(below(4) == 0 ? random.next() : below(last.index + 2))
                : .conflict(rejected: below(60), hint: position())
            body = .appendResponse(
                AppendResponse(outcome: outcome, stamp: stamp, applied: below(60), isShort: below(4) == 0))
        case 4:
            body = .snapshotChunk(
                SnapshotChunk(
                    position: position(), replicas: .init(index: below(9), replicas: raft.replicas), offset: below(5),
                    isLast: below(2) == 0, stamp: stamp, bytes: [1, 2]))
        case 5:
            body = .snapshotResponse(
                SnapshotResponse(position: position(), next: random.next(), isInstalled: below(2) == 0, stamp: stamp))
        case 6: body = .timeoutNow
        case 7: body = .sleep(Sleep(index: below(4) == 0 ? below(60) : last.index, stamp: stamp))
        default: body = .sleepResponse(Sleep(index: last.index, stamp: stamp))
        }
        return group.message(body, from: Int(below(4)) + (below(3) == 0 ? 0 : 1), to: 0, term: term)
    }

    @Test("counts by reason what is not for it")
    func reasons() {
        var group = TestGroup(3)
        func refusal(_ change: (inout RaftMessage) -> Void) -> [Raft.RefusalReason] {
            var message = group.message(group.append(after: .zero), from: 1, to: 0, term: 1)
            change(&message)
            group.clear()
            group.step(0, .received(message))
            return group.refused(0)
        }
        #expect(refusal { $0.group = GroupID(8) } == [.wrongGroup])
        #expect(refusal { $0.incarnation.counter = 0 } == [.olderIncarnation])
        #expect(refusal { $0.incarnation.counter = 2 } == [.newerIncarnation])
        #expect(refusal { $0.incarnation.id = 1 } == [.foreignIncarnation])
        #expect(refusal { $0.to.addedAt = 4 } == [.wrongReplica])
        #expect(refusal { $0.term = 0 } == [.impossibleTerm])
        #expect(refusal { $0.term = .max } == [.impossibleTerm])
        #expect(refusal { $0.body = group.append(after: .zero, [entry(2, 1)]) } == [.malformedEntries])
        #expect(refusal { $0.body = group.append(after: .zero, [entry(1, 2)]) } == [.malformedEntries])
        let many = (1...4_097).map { entry(LogIndex($0), 1) }
        #expect(refusal { $0.body = group.append(after: .zero, many) } == [.oversized])
        #expect(refusal { _ in } == [])
        #expect(refusal { $0.from = TestGroup.id(2) } == [.secondLeader])
        let committed = group.append(after: .zero, [entry(1, 1)], commit: 1)
        #expect(refusal { $0.body = committed } == [])
        #expect(
            refusal {
                $0.term = 2
                $0.body = group.append(after: .zero, [entry(1, 2)])
            } == [.contradictsCommitted])
    }

    @Test("answers of strangers count for nothing")
    func strangers() {
        var group = TestGroup(3)
        group.elect(0)
        group.clear()
        let response = AppendResponse(outcome: .matched(1), stamp: group.now, applied: 1, isShort: false)
        group.step(
            0, .received(group.message(.appendResponse(response), from: 7, to: 0, term: group.rafts[0].term)))
        #expect(group.refused(0) == [.unknownReplica])
    }
}
