import MeshCore
import Testing

@Suite("A partition's leader and turns")
struct LeadTurnTests {
    private static let failure = TurnReport.End.failed(.crashed, MeshError(.handlerFailed, "it died"))

    @Test("a repeated request is answered with the first one's outcome: under way, by its key, by its session number")
    func repeatedRequest() throws {
        let group = LeadGroup.ready()
        group.count()
        let first = group.letter(1, to: "/inline/a", key: 7)
        group.submit(first, requester: 1)
        group.flush()
        group.submit(first, requester: 2)
        group.settle()
        #expect(group.reply(to: 1) == [1] && group.reply(to: 2) == [1])
        var again = group.letter(5, to: "/inline/a", key: 7, body: [1])
        group.submit(again, requester: 5)
        group.settle()
        #expect(group.answers(to: 5).last == .outcome(id(1), .reply([1])))
        again.envelope.message.body = [99]
        again.envelope.message.id = id(6)
        group.submit(again, requester: 6)
        group.settle()
        #expect(group.error(to: 6)?.code == .conflict)

        group.request(.openSession(Requester(node: nil, number: 10)))
        group.settle()
        guard case .session(let session)? = group.answers(to: 10).first else {
            Issue.record("no session: \(group.answers)")
            return
        }
        let request = Enqueue.Request(session: session, number: 1)
        group.submit(group.letter(20, to: "/inline/b"), requester: 20, session: request)
        group.settle()
        group.submit(group.letter(20, to: "/inline/b"), requester: 21, session: request, isRetry: true)
        group.settle()
        #expect(group.reply(to: 20) == [1] && group.reply(to: 21) == [1])
        #expect(group.record(of: "/inline/b")?.version == 1)
        let third = Enqueue.Request(session: session, number: 3)
        group.submit(group.letter(22, to: "/inline/b"), requester: 22, session: third)
        group.settle()
        #expect(group.answers(to: 22) == [.outOfOrder(id(22), expected: 2)])
    }

    @Test("a request repeated to the next leader is answered with the first one's outcome")
    func repeatedAfterFailover() throws {
        let group = LeadGroup.ready(replicas: 2)
        group.count()
        group.submit(group.letter(1, to: "/inline/a", key: 7))
        group.flush()
        group.elect(1)
        #expect(group.error(to: 1)?.accepted == .unknown)
        group.submit(group.letter(1, to: "/inline/a", key: 7), requester: 2, isRetry: true)
        group.settle()
        #expect(group.reply(to: 2) == [1])
        #expect(group.record(of: "/inline/a", on: 1)?.version == 1)
    }

    @Test("limits are checked against what is applied and what is in flight")
    func limits() throws {
        let group = LeadGroup.ready(kinds: TestKinds(mailboxLimit: 3))
        group.call(1, to: "/hosted/a")
        group.settle()
        for number in 2...5 { group.call(UInt64(number), to: "/hosted/a") }
        #expect(group.error(to: 3) == nil)
        for number in [4, 5] as [UInt64] {
            let error = try #require(group.error(to: number))
            #expect(error.code == .overloaded && error.accepted == .no && error.retryAfter ?? .zero > .zero)
        }
        // One actor's limit is nobody else's.
        group.call(6, to: "/hosted/b")
        #expect(group.error(to: 6) == nil)
    }

    @Test("an actor with many messages does not starve one with a single message")
    func fairness() throws {
        let group = LeadGroup.ready(kinds: TestKinds(mailboxLimit: 20_000))
        group.count()
        group.inject((0..<400).map { enqueue($0 + 100, to: "/inline/busy") })
        for _ in 0..<4 {
            group.flush()
            group.commit()
        }
        let before = group.runs.count
        group.submit(group.letter(1, to: "/inline/idle"), isRetry: true)
        for _ in 0..<6 where group.reply(to: 1) == nil {
            group.flush()
            group.commit()
        }
        #expect(group.reply(to: 1) == [1])
        let record = try #require(group.record(of: "/inline/busy"))
        #expect(record.isBusy)
        #expect(group.runs.count - before < 400)
    }

    @Test("among waiting messages the urgent ones run first, and those of one priority in their order")
    func priorities() {
        let group = LeadGroup.ready()
        group.call(1, to: "/hosted/a")
        group.settle()
        group.call(2, to: "/hosted/a", priority: .low)
        group.call(3, to: "/hosted/a")
        group.call(4, to: "/hosted/a", priority: .high)
        group.call(5, to: "/hosted/a")
        group.settle()
        while let run = group.hosted.first {
            group.finish(run)
            group.settle()
        }
        #expect(group.ran == [1, 4, 3, 5, 2])
    }

    @Test("three grants without an applied turn make the message a dead letter")
    func poison() throws {
        let group = LeadGroup.ready(replicas: 2)
        group.submit(group.letter(1, to: "/hosted/a"))
        group.settle()
        for attempt in 2...3 {
            #expect(group.hosted.count == 1)
            group.elect(attempt % 2)
            group.settle()
        }
        #expect(group.hosted.count == 1)
        group.elect(0)
        group.settle()
        #expect(group.hosted.isEmpty)
        #expect(group.nodes[0].replica.state.deadLetterCount == 1)
        #expect(group.ran.count == 3)
        group.call(2, to: "/hosted/a")
        group.settle()
        #expect(group.hosted.first?.order.envelope.message.id == id(2))
    }

    @Test("a message past its deadline is not run, and its sender is told")
    func deadline() {
        let group = LeadGroup.ready()
        group.call(1, to: "/hosted/a")
        group.submit(group.letter(2, to: "/hosted/a", deadline: group.wall + 50))
        group.submit(group.letter(3, to: "/hosted/a", deadline: group.wall))
        #expect(group.error(to: 3)?.code == .deadlineExceeded && group.error(to: 3)?.accepted == .no)
        group.settle()
        group.pass(.milliseconds(100))
        group.finish(group.hosted[0])
        group.settle()
        #expect(group.ran == [1])
        #expect(group.error(to: 2)?.code == .deadlineExceeded && group.error(to: 2)?.accepted == .yes)
        #expect(group.record(of: "/hosted/a")?.isBusy == false)
    }

    @Test("a turn that fails is tried again after the pause of its policy, before any later message, and then given up")
    func retries() throws {
        let backoff = Backoff(.constant, first: .milliseconds(100), max: .milliseconds(100))
        let policy = RetryPolicy([RetryPolicy.Rule([.crashed], attemptsMax: 3, backoff: backoff)])
        let group = LeadGroup.ready(kinds: TestKinds(retry: policy))
        var failures = 2
        group.handler = { order, _ in
            guard order.envelope.message.id != id(2), failures > 0 else {
                return .finished(TurnResult(reply: [42], changes: [StateChange(key: [1], value: [1])], keys: 1))
            }
            failures -= 1
            return Self.failure
        }
        group.call(1, to: "/inline/a")
        group.call(2, to: "/inline/a")
        group.settle()
        #expect(group.ran == [1])
        group.pass(.milliseconds(99))
        #expect(group.ran == [1])
        group.pass(.milliseconds(2))
        #expect(group.ran == [1, 1])
        group.pass(.milliseconds(101))
        #expect(group.ran == [1, 1, 1, 2])
        #expect(group.reply(to: 1) == [42] && group.reply(to: 2) == [42])

        failures = 9
        group.call(3, to: "/inline/b")
        group.settle()
        group.pass(.seconds(1))
        #expect(group.error(to: 3)?.code == .handlerFailed && group.error(to: 3)?.accepted == .yes)
        #expect(failures == 6)
        #expect(group.nodes[0].replica.state.deadLetterCount == 1)
        let tally = group.nodes[0].lead.tally
        #expect(tally.accepted == 3 && tally.processed == 3 && tally.failed == 1)
        #expect(tally.retried == 4 && tally.deadLetters == 1)
        #expect(group.notes.count == 5)
        #expect(group.notes.last == .deadLetter(path("/inline/b"), id(3), reason: "it died"))
    }

    @Test("no later message overtakes one that failed, though the pause of its policy ends before the log has it")
    func slowFailure() {
        let busy = FailureType("busy")
        let backoff = Backoff(.constant, first: .milliseconds(1), max: .milliseconds(1))
        let policy = RetryPolicy([RetryPolicy.Rule([busy], attemptsMax: 9, backoff: backoff)])
        let group = LeadGroup.ready(kinds: TestKinds(retry: policy))
        var failures = 2
        group.handler = { order, _ in
            guard order.envelope.message.id == id(1), failures > 0 else {
                return .finished(TurnResult(reply: order.envelope.message.body))
            }
            failures -= 1
            return .failed(busy, MeshError(.handlerFailed, "busy"))
        }
        group.send(1, to: "/inline/a")
        group.send(2, to: "/inline/a")
        for _ in 0..<2 {
            // The disk takes its time.
            for _ in 0..<5 {
                group.flush()
                group.now = group.now + .milliseconds(2)
                group.step(0, .wake)
            }
            group.commit()
        }
        group.settle()
        group.pass(.milliseconds(10))
        #expect(group.ran == [1, 1, 1, 2])
    }

    @Test(
        "a message that failed where the clock was an hour ahead waits for the longest pause of its policy, and not an hour"
    )
    func retriedByAnotherClock() {
        let group = LeadGroup.ready(replicas: 2)
        var fails = true
        group.handler = { order, _ in
            fails
                ? Self.failure
                : .finished(TurnResult(reply: [1], changes: [StateChange(key: [1], value: [1])], keys: 1))
        }
        group.clockError = 3_600_000
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(group.ran == [1])
        fails = false
        group.clockError = 0
        group.elect(1)
        group.settle()
        group.pass(.seconds(29))
        #expect(group.ran == [1])
        group.pass(.seconds(2))
        #expect(group.ran == [1, 1])
    }

    @Test("an error that no rule of the policy names is the answer")
    func answeredError() {
        let group = LeadGroup.ready()
        group.handler = { _, _ in .failed(FailureType("no_such_thing"), MeshError(.handlerFailed, "no such thing")) }
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(group.error(to: 1)?.message == "no such thing")
        // It has changed nothing, so it left no trace.
        #expect(group.record(of: "/inline/a") == nil)
        #expect(group.ran == [1])
    }

    @Test("a handler that wants its message committed first gets it again when it is")
    func wantsCommit() {
        let group = LeadGroup.ready()
        group.handler = { order, _ in
            order.isCommitted
                ? .finished(TurnResult(reply: [1], changes: [StateChange(key: [1], value: [1])], keys: 1))
                : .wantsCommit
        }
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(group.runs.map(\.order.isCommitted) == [false, true])
        #expect(group.reply(to: 1) == [1])
    }

    @Test("an ephemeral message leaves no entry unless its turn changes something, and runs at most once")
    func ephemeral() {
        let group = LeadGroup.ready()
        group.submit(group.letter(1, to: "/inline/a"), delivery: .ephemeral)
        group.submit(group.letter(2, to: "/inline/a", asks: false), delivery: .ephemeral)
        group.settle()
        #expect(group.reply(to: 1) == [1] && group.isAccepted(2))
        #expect(group.commands.isEmpty)
        group.count()
        group.submit(group.letter(3, to: "/inline/a"), delivery: .ephemeral)
        group.inject([.grant(path("/inline/a"), grant(expects: nil, host: otherHost))])
        group.settle()
        // Its turn came to nothing, and nobody tries again.
        #expect(group.error(to: 3)?.code == .unavailable && group.error(to: 3)?.accepted == .no)
        #expect(group.ran == [1, 2, 3])
    }

    @Test("a turn that keeps, sends or replies more than the log takes is an error, and the node goes on")
    func oversized() {
        let group = LeadGroup.ready()
        group.handler = { order, _ in
            let change = StateChange(key: [1], value: [UInt8](repeating: 0, count: StateChange.valueBytesMax + 1))
            return .finished(TurnResult(changes: [change], keys: 1))
        }
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(group.error(to: 1)?.code == .handlerFailed)
        group.count()
        group.call(2, to: "/inline/a")
        group.settle()
        #expect(group.reply(to: 2) == [1])
    }

    @Test("whoever waits too long is told whether his message was accepted")
    func patience() {
        let group = LeadGroup.ready()
        group.submit(group.letter(1, to: "/hosted/a"), patience: .milliseconds(50))
        group.settle()
        group.pass(.milliseconds(60))
        #expect(group.error(to: 1)?.code == .deadlineExceeded && group.error(to: 1)?.accepted == .yes)
    }

    @Test("nobody at a path: not found, and nothing is kept of it")
    func notFound() {
        let group = LeadGroup.ready()
        group.call(1, to: "/nobody/a")
        #expect(group.error(to: 1)?.code == .notFound && group.error(to: 1)?.accepted == .no)
    }
}
