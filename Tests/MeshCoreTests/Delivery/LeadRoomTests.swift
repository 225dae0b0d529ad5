import MeshCore
import Testing

@Suite("A partition's leader and whoever waits for room")
struct LeadRoomTests {
    private static func ready(
        retry: RetryPolicy = .standard, _ change: (inout LeadLimits) -> Void
    ) -> LeadGroup {
        var limits = LeadLimits()
        change(&limits)
        return LeadGroup.ready(kinds: TestKinds(retry: retry), limits: limits)
    }

    private func finishAll(_ group: LeadGroup) {
        while let run = group.hosted.first {
            group.finish(run)
            group.settle()
        }
    }

    /// One runs, the next waits for room with each of its messages and needs it once, and a third waits behind it.
    private func crowd(_ group: LeadGroup) {
        group.call(1, to: "/hosted/a")
        group.settle()
        for number in 2...4 as ClosedRange<UInt64> {
            group.call(number, to: "/hosted/b")
            group.settle()
        }
        group.call(5, to: "/hosted/c")
        group.settle()
        #expect(group.ran == [1])
        self.finishAll(group)
    }

    @Test("a place that the first of those who wait has no use for is the next one's")
    func places() {
        let group = Self.ready { $0.activationsMax = 1 }
        self.crowd(group)
        #expect(group.ran == [1, 2, 3, 4, 5])
    }

    @Test("a host's room that the first of those who wait has no use for is the next one's")
    func hosts() {
        let group = Self.ready { $0.hostedTurnsMax = 1 }
        self.crowd(group)
        // In turns, as long as both have something to do.
        #expect(group.ran == [1, 2, 5, 3, 4])
    }

    @Test("an actor that waits for its next attempt does not keep its place from others")
    func pausedActor() {
        let backoff = Backoff(.constant, first: .seconds(3_600), max: .seconds(3_600))
        let busy = FailureType("busy")
        let policy = RetryPolicy([RetryPolicy.Rule([busy], attemptsMax: 3, backoff: backoff)])
        let group = Self.ready(retry: policy) { $0.activationsMax = 1 }
        group.handler = { order, _ in
            order.path == path("/inline/a")
                ? .failed(busy, MeshError(.handlerFailed, "busy"))
                : .finished(TurnResult(reply: order.envelope.message.body))
        }
        group.call(1, to: "/inline/a")
        group.settle()
        group.call(2, to: "/inline/b")
        group.settle()
        #expect(group.reply(to: 2) == [2])
    }

    @Test("an activation whose grant is under way is not taken for idle")
    func grantUnderWay() {
        let group = Self.ready { $0.activationsMax = 1 }
        // It only reads, so its activation has no grant yet when it rests.
        group.call(1, to: "/inline/a")
        group.settle()
        group.submit(group.letter(2, to: "/inline/a"), isRetry: true)
        group.flush()
        group.commit()
        group.flush()
        guard case .grant? = group.commands.last?.last else {
            Issue.record("no grant: \(group.commands)")
            return
        }
        group.call(3, to: "/inline/b")
        #expect(group.released.isEmpty)
        group.settle()
        #expect(group.reply(to: 2) == [2] && group.reply(to: 3) == [3])
    }

    @Test("a question for a host that is never answered is asked anew")
    func unansweredPlacement() throws {
        let group = LeadGroup.ready()
        group.call(1, to: "/placed/a")
        group.settle()
        let first = try #require(group.queries.first)
        group.pass(.seconds(7))
        #expect(group.queries.count == 2)
        // Too late, and its answer may be out of date.
        group.request(.placed(first.id, .at(LeadGroup.host(7))))
        group.settle()
        #expect(group.hosted.isEmpty)
        group.request(.placed(try #require(group.queries.last?.id), .at(LeadGroup.host(8))))
        group.settle()
        #expect(group.hosted.first?.host == LeadGroup.host(8))
    }

    @Test("a message larger than all the room there is gets through when nothing else is under way")
    func largeMessage() {
        let group = Self.ready { $0.arrivalBytesMax = 100 }
        let body = [UInt8](repeating: 7, count: 200)
        group.submit(group.letter(1, to: "/hosted/a", body: body))
        group.submit(group.letter(2, to: "/hosted/a", body: body))
        #expect(group.error(to: 2)?.code == .overloaded)
        group.settle()
        self.finishAll(group)
        #expect(group.reply(to: 1) == body)
    }

    @Test("a message that comes while an earlier one is read from the disk, and is more urgent, is read at once")
    func urgentWhileReading() {
        let group = LeadGroup.ready()
        group.holdsReads = true
        group.inject([enqueue(1, to: "/inline/a")])
        group.flush()
        let urgent = group.letter(2, to: "/inline/a", asks: false, priority: .high)
        group.inject([.enqueue(Enqueue(urgent))])
        group.holdsReads = false
        group.answerReads()
        group.settle()
        #expect(group.ran == [2, 1])
    }
}
