import MeshCore
import Testing

@Suite("A partition's leader and the log")
struct LeadCommitTests {
    @Test("nothing is visible before the commit")
    func nothingBeforeCommit() {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/inline/a")
        group.send(2, to: "/hosted/b")
        group.flush()
        #expect(group.ran == [1])
        #expect(group.answers.isEmpty)
        #expect(group.hosted.isEmpty)
        group.commit()
        #expect(group.reply(to: 1) == [1])
        #expect(group.isAccepted(2))
    }

    @Test("a new leader serves nothing until its no-op is applied")
    func servesNothingBeforeNoop() {
        let group = LeadGroup()
        group.call(1, to: "/inline/a")
        #expect(group.answers(to: 1) == [.elsewhere(nil)])
        #expect(group.runs.isEmpty)
        group.elect(0)
        group.call(2, to: "/inline/a")
        group.settle()
        #expect(group.reply(to: 2) == [2])
    }

    @Test("an idle inline actor's message, its grant and its turn share one entry")
    func oneEntry() throws {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(group.commands.count == 1)
        guard case .enqueueAndTurn(_, _, let turn)? = group.commands.first?.first, case .granted = turn.fence else {
            Issue.record("\(group.commands)")
            return
        }
        group.call(2, to: "/inline/a")
        group.call(3, to: "/inline/a")
        group.settle()
        // The turns of one activation follow each other without waiting for the commit of the one before.
        #expect(group.commands.count == 2)
        #expect(group.reply(to: 3) == [3])
        #expect(group.record(of: "/inline/a")?.version == 3)
    }

    @Test("turns of one activation do not wait for the commit of the one before")
    func pipelined() {
        let group = LeadGroup.ready()
        group.count()
        for number in 1...5 {
            group.call(UInt64(number), to: "/inline/a")
            group.flush()
        }
        #expect(group.ran == [1, 2, 3, 4, 5])
        #expect(group.answers.isEmpty)
        group.settle()
        #expect(group.reply(to: 5) == [5])
    }

    @Test("if the turn of a shared entry is stale, the message stays queued, is acknowledged, and runs again")
    func staleTurnKeepsMessage() {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/inline/a")
        group.send(2, to: "/inline/a")
        // Somebody else's grant is in the log before the entry of this one.
        group.inject([.grant(path("/inline/a"), grant(expects: nil, host: otherHost))])
        group.flush()
        group.commit()
        #expect(group.isAccepted(2))
        #expect(group.reply(to: 1) == nil)
        group.settle()
        #expect(group.reply(to: 1) == [1])
        #expect(group.record(of: "/inline/a")?.version == 2)
        #expect(group.ran == [1, 2, 1, 2])
    }

    @Test("a turn that is not applied ends its activation")
    func staleTurnEndsActivation() throws {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/inline/a")
        let first = try #require(group.runs.first?.order.activation)
        group.inject([.grant(path("/inline/a"), grant(expects: nil, host: otherHost))])
        group.settle()
        #expect(group.released.contains(first))
        #expect(group.runs.last?.order.activation != first)
    }

    @Test("a message queued before the leader's term runs only when a grant for it is committed")
    func queuedBeforeTerm() throws {
        let group = LeadGroup(replicas: 2)
        group.count()
        group.elect(0)
        group.settle()
        group.inject([enqueue(1, to: "/inline/a")])
        group.elect(1)
        // In the first turn of the loop its body is read, and the grant is proposed in the next.
        group.flush()
        group.flush()
        #expect(group.runs.isEmpty)
        guard case .grant(_, let granted)? = group.commands.last?.first else {
            Issue.record("\(group.commands)")
            return
        }
        #expect(granted.head == group.record(of: "/inline/a")?.first)
        group.commit()
        #expect(group.ran == [1])
    }

    @Test("a message retried by its client runs only when it and a grant for it are committed")
    func retriedByClient() {
        let group = LeadGroup.ready()
        group.submit(group.letter(1, to: "/inline/a"), isRetry: true)
        group.flush()
        #expect(group.runs.isEmpty)
        group.commit()
        #expect(group.runs.isEmpty)
        group.flush()
        group.commit()
        #expect(group.ran == [1])
        #expect(group.runs.first?.order.isCommitted == true)
        group.settle()
        #expect(group.reply(to: 1) == [1])
    }

    @Test("loss of leadership ends all activations, and whoever waits learns whether his message was accepted")
    func lossOfLeadership() throws {
        let group = LeadGroup.ready(replicas: 2)
        group.call(1, to: "/hosted/committed")
        group.settle()
        group.call(2, to: "/hosted/proposed")
        group.flush()
        group.holdsReads = true
        group.call(3, to: "/inline/in-hand")
        group.flush()
        let activation = try #require(group.hosted.first?.order.activation)
        group.elect(1, losing: 1)
        #expect(group.error(to: 1)?.accepted == .yes)
        #expect(group.error(to: 2)?.accepted == .unknown)
        #expect(group.error(to: 3)?.accepted == .no)
        #expect([1, 2, 3].allSatisfy { group.error(to: $0)?.code == .unavailable })
        #expect(group.released.contains(activation))
    }

    @Test("a refused proposal is accepted: no, and its actor goes on afterwards")
    func refusedProposal() {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/inline/a")
        group.refusesProposals = true
        group.flush()
        #expect(group.error(to: 1)?.accepted == .no)
        #expect(group.error(to: 1)?.retryAfter != nil)
        group.refusesProposals = false
        group.pass(.seconds(1))
        group.call(2, to: "/inline/a")
        group.settle()
        #expect(group.reply(to: 2) == [1])
    }

    @Test("a turn that only reads leaves no entry, and its reply waits for the lease")
    func readOnly() {
        let group = LeadGroup.ready()
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(group.reply(to: 1) == [1])
        #expect(group.commands.isEmpty)
        group.hasLease = false
        group.call(2, to: "/inline/a")
        group.settle()
        #expect(group.reply(to: 2) == nil)
        group.call(3, to: "/inline/a")
        group.settle()
        #expect(group.confirmations.count == 1)
        group.confirm()
        // The third came after that round had begun.
        #expect(group.reply(to: 2) == [2])
        #expect(group.reply(to: 3) == nil)
        group.confirm()
        #expect(group.reply(to: 3) == [3])
    }

    @Test("a read waits until what it saw is committed")
    func readWaitsForCommit() {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/inline/a")
        group.handler = { _, state in .finished(TurnResult(reply: state[[0]] ?? [], keys: 1)) }
        group.call(2, to: "/inline/a")
        group.flush()
        #expect(group.ran == [1, 2])
        #expect(group.reply(to: 2) == nil)
        group.commit()
        #expect(group.reply(to: 2) == [1])
    }
}
