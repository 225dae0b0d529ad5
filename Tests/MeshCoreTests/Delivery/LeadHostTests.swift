import MeshCore
import Testing

@Suite("A partition's leader and hosts, timers, memory")
struct LeadHostTests {
    @Test("a placed actor runs where its grant names, and its host's death grants it anew under a higher token")
    func remoteGrant() throws {
        let group = LeadGroup.ready()
        group.call(1, to: "/placed/a")
        group.settle()
        let far = LeadGroup.host(7, boot: 3)
        group.request(.placed(try #require(group.queries.first?.id), .at(far)))
        group.settle()
        #expect(group.hosted.first?.host == far)
        let first = try #require(group.record(of: "/placed/a")?.holder)
        #expect(first.host == far.node && first.boot == 3)
        // An earlier boot's end is nothing to this one.
        group.request(.hostGone(LeadGroup.host(7, boot: 2)))
        #expect(group.hosted.count == 1)
        let lost = try #require(group.hosted.first)
        group.request(.hostGone(far))
        group.settle()
        group.request(.placed(try #require(group.queries.last?.id), .at(LeadGroup.host(8))))
        group.settle()
        let second = try #require(group.record(of: "/placed/a")?.holder)
        #expect(second.token.index > first.token.index && second.host == LeadGroup.host(8).node)
        // What the lost host still says comes to nothing.
        group.finish(lost, .finished(TurnResult(reply: [66])))
        group.settle()
        #expect(group.reply(to: 1) == nil)
        group.finish(try #require(group.hosted.first), .finished(TurnResult(reply: [77])))
        group.settle()
        #expect(group.reply(to: 1) == [77])
    }

    @Test("nobody qualifies: the actor waits, and the sender learns at the end of his patience what was missing")
    func nowhere() throws {
        let group = LeadGroup.ready()
        group.submit(group.letter(1, to: "/placed/a"), patience: .milliseconds(500))
        group.settle()
        group.request(.placed(try #require(group.queries.first?.id), .nowhere(missing: "gpu.count >= 1")))
        group.pass(.milliseconds(600))
        #expect(group.error(to: 1)?.message.contains("gpu.count >= 1") == true)
        #expect(group.error(to: 1)?.accepted == .yes)
        group.pass(.seconds(1))
        #expect(group.queries.count >= 2)
    }

    @Test("what cannot be started is told at once to who asks, before and after, and tried again")
    func unstartable() throws {
        let group = LeadGroup.ready()
        group.call(1, to: "/placed/a")
        group.settle()
        group.request(.placed(try #require(group.queries.first?.id), .unstartable("it is not there")))
        group.settle()
        #expect(group.error(to: 1)?.code == .handlerFailed && group.error(to: 1)?.accepted == .yes)
        #expect(group.error(to: 1)?.message.contains("it is not there") == true)
        group.call(2, to: "/placed/a")
        group.settle()
        #expect(group.error(to: 2)?.accepted == .yes)
        group.pass(.seconds(2))
        group.request(.placed(try #require(group.queries.last?.id), .at(LeadGroup.host(8))))
        group.settle()
        #expect(group.hosted.first?.order.envelope.message.id == id(1))
        group.call(3, to: "/placed/a")
        group.settle()
        for _ in 1...3 {
            group.finish(try #require(group.hosted.first), .finished(TurnResult(reply: [7])))
            group.settle()
        }
        #expect(group.reply(to: 3) == [7])
    }

    @Test("a host that is silent for longer than a turn may take loses the activation; one that says it works does not")
    func turnLimit() throws {
        let group = LeadGroup.ready()
        group.call(1, to: "/hosted/a")
        group.settle()
        let first = try #require(group.hosted.first?.order.activation)
        group.pass(.seconds(20))
        group.request(.renewed(first))
        group.pass(.seconds(20))
        #expect(group.released.isEmpty)
        group.pass(.seconds(11))
        #expect(group.released == [first])
        #expect(group.hosted.first.map { $0.order.activation != first } == true)
    }

    @Test("without a lease no turn begins that could touch what is outside, until a quorum confirms the leader")
    func outsideEffects() {
        let group = LeadGroup.ready()
        group.hasLease = false
        group.call(1, to: "/hosted/a")
        group.settle()
        #expect(group.hosted.isEmpty && group.isAccepted(1))
        group.confirm()
        #expect(group.hosted.count == 1)
    }

    @Test("an actor's state is read back when it is activated again")
    func stateReadBack() {
        let group = LeadGroup.ready(replicas: 2)
        group.count()
        group.call(1, to: "/inline/a")
        group.settle()
        group.elect(1)
        group.settle()
        group.call(2, to: "/inline/a")
        group.settle()
        #expect(group.reply(to: 2) == [2])
    }

    @Test("drain finishes the turns in flight and begins no other; what comes meanwhile is queued")
    func drain() throws {
        let group = LeadGroup.ready(replicas: 2)
        group.call(1, to: "/hosted/a")
        group.call(2, to: "/hosted/a")
        group.settle()
        group.request(.drain(by: group.now + .seconds(10)))
        group.call(3, to: "/inline/b")
        group.settle()
        #expect(group.isAccepted(3) && group.ran == [1] && group.drained == 0)
        group.finish(try #require(group.hosted.first))
        group.settle()
        #expect(group.drained == 1 && group.ran == [1] && group.reply(to: 1) == [1])
        group.elect(1)
        group.settle()
        #expect(Set(group.ran) == [1, 2, 3])
    }

    @Test("drain does not wait for ever")
    func drainDeadline() {
        let group = LeadGroup.ready()
        group.call(1, to: "/hosted/a")
        group.settle()
        group.request(.drain(by: group.now + .seconds(1)))
        group.pass(.seconds(2))
        #expect(group.drained == 1 && group.hosted.isEmpty)
    }

    @Test("a drain that is called off goes on where it stopped")
    func resume() {
        let group = LeadGroup.ready()
        group.request(.drain(by: group.now + .seconds(1)))
        group.call(1, to: "/inline/a")
        group.settle()
        #expect(group.runs.isEmpty)
        group.request(.resume)
        group.settle()
        #expect(group.ran == [1])
    }

    @Test("a delayed message runs when its time has come by the clocks of a quorum, once")
    func delayed() {
        let group = LeadGroup.ready()
        group.submit(group.letter(1, to: "/inline/a", notBefore: group.wall + 1_000))
        group.settle()
        #expect(group.isAccepted(1) && group.runs.isEmpty)
        group.pass(.milliseconds(900))
        #expect(group.runs.isEmpty)
        group.pass(.milliseconds(200))
        #expect(group.ran == [1])
        group.pass(.seconds(5))
        #expect(group.ran == [1])
    }

    @Test("a leader whose own clock is an hour behind fires timers by the clocks of a quorum")
    func slowClock() {
        let group = LeadGroup.ready()
        group.clockError = -3_600_000
        group.submit(group.letter(1, to: "/inline/a", notBefore: group.wall + 1_000))
        group.settle()
        group.pass(.seconds(11))
        #expect(group.ran == [1])
    }

    @Test("a timer that repeats fires at each of its times; those that were missed become one")
    func repeats() {
        let group = LeadGroup.ready()
        let due = group.wall + 1_000
        group.handler = { order, state in
            let changes = [StateChange(key: [0], value: [1])]
            guard order.envelope.kind != .timer else { return .finished(TurnResult(changes: changes, keys: 1)) }
            let timer = TimerChange.set(name: "tick", due: due, schedule: "1000", body: [9])
            return .finished(TurnResult(changes: changes, keys: 1, timers: [timer]))
        }
        group.call(1, to: "/inline/a")
        group.settle()
        group.pass(.milliseconds(3_500))
        #expect(group.runs.filter { $0.order.envelope.kind == .timer }.count == 3)
        group.wall += 60_000
        group.pass(.milliseconds(500))
        #expect(group.runs.filter { $0.order.envelope.kind == .timer }.count == 4)
    }

    @Test("an activation that nobody needs ends, and the state forgets its token")
    func idle() {
        let group = LeadGroup.ready()
        group.count()
        group.call(1, to: "/inline/a")
        group.settle()
        group.pass(.seconds(301))
        #expect(group.released.count == 1)
        #expect(group.record(of: "/inline/a")?.holder == nil)
        group.call(2, to: "/inline/a")
        group.settle()
        #expect(group.reply(to: 2) == [2])
    }

    @Test("more actors than there are places all get their turns")
    func places() {
        var limits = LeadLimits()
        limits.activationsMax = 2
        limits.turnsPerPlace = 1
        let group = LeadGroup.ready(limits: limits)
        group.count()
        for number in 1...8 { group.call(UInt64(number), to: "/inline/\(number)") }
        group.settle()
        #expect((1...8).allSatisfy { group.reply(to: UInt64($0)) == [1] })
    }

    @Test("the bodies of a long mailbox are not all kept in memory")
    func boundedTail() {
        let group = LeadGroup.ready()
        group.call(1, to: "/hosted/a")
        group.settle()
        for number in 2...99 { group.call(UInt64(number), to: "/hosted/a") }
        group.settle()
        #expect(group.nodes[0].lead.bodiesInMemory <= LeadLimits().tailMax)
        while let run = group.hosted.first {
            group.finish(run)
            group.settle()
        }
        #expect(group.ran == Array(1...99))
        #expect(group.nodes[0].lead.bodiesInMemory == 0)
    }
}
