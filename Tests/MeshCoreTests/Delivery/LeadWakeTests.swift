import MeshCore
import Testing

@Suite("A partition's leader is not woken for nothing")
struct LeadWakeTests {
    private static func ready(_ change: (inout LeadLimits) -> Void) -> LeadGroup {
        var limits = LeadLimits()
        change(&limits)
        return LeadGroup.ready(limits: limits)
    }

    @Test("a leader is not due while it waits for inline turns to be reported")
    func inlineLimit() {
        let group = Self.ready { $0.inlineTurnsMax = 1 }
        var wakes: [Instant] = []
        group.handler = { [unowned group] order, _ in
            if order.envelope.message.id == id(1) {
                group.call(2, to: "/inline/b")
                wakes.append(group.nodes[0].lead.nextWake)
            }
            return .finished(TurnResult(reply: order.envelope.message.body))
        }
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(wakes.count == 1 && wakes.allSatisfy { $0 > group.now })
        #expect(group.reply(to: 1) == [1] && group.reply(to: 2) == [2])
    }

    @Test("log time is to go on by itself only when no entry is under way")
    func tick() {
        let group = Self.ready { $0.tickInterval = .seconds(5) }
        group.request(.openSession(Requester(node: nil, number: 1)))
        group.settle()
        group.send(2, to: "/hosted/a")
        group.flush()
        group.now = group.now + .seconds(20)
        group.step(0, .wake)
        #expect(group.nodes[0].lead.nextWake > group.now)
        group.settle()
        while let run = group.hosted.first {
            group.finish(run)
            group.settle()
        }
        let before = group.commands.count
        group.pass(.seconds(6))
        #expect(group.commands.dropFirst(before).contains { $0.isEmpty })
    }

    @Test("a drain past its deadline waits for what is under way to the log without being woken for it")
    func drainDeadline() throws {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/hosted/a")
        group.settle()
        group.request(.drain(by: group.now + .seconds(1)))
        group.finish(try #require(group.hosted.first))
        group.flush()
        group.now = group.now + .seconds(2)
        group.step(0, .wake)
        #expect(group.drained == 0 && group.nodes[0].lead.nextWake > group.now)
        group.commit()
        #expect(group.drained == 1)
    }
}
