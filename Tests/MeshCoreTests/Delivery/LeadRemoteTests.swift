import MeshCore
import Testing

@Suite("A partition's leader and hosts on other nodes")
struct LeadRemoteTests {
    private static let far = LeadGroup.host(7, boot: 3)

    /// A leader whose one message is being run on a host far away.
    private static func running(_ group: LeadGroup, patience: Duration = .seconds(60)) throws -> TurnOrder {
        group.submit(group.letter(1, to: "/placed/a"), patience: patience)
        group.settle()
        group.request(.placed(try #require(group.queries.last?.id), .at(Self.far)))
        group.settle()
        return try #require(group.hosted.last?.order)
    }

    private static func elected(_ group: LeadGroup) throws -> PlacementQuery {
        group.elect(1)
        group.settle()
        group.submit(group.letter(1, to: "/placed/a"), isRetry: true)
        group.settle()
        return try #require(group.queries.last)
    }

    @Test("a new leader asks for the host that its predecessor granted to, which loses nothing by that")
    func inherited() throws {
        let group = LeadGroup.ready(replicas: 2)
        let order = try Self.running(group)
        let before = try #require(group.record(of: "/placed/a")?.holder)
        let query = try Self.elected(group)
        #expect(query.holder == Self.far)
        #expect(group.released.isEmpty, "the host is left to the next leader")
        group.request(.placed(query.id, .at(Self.far)))
        group.settle()
        let again = try #require(group.hosted.last?.order)
        // By these two the host sees that it is at this very turn.
        #expect(again.envelope.message.id == order.envelope.message.id && again.version == order.version)
        let after = try #require(group.record(of: "/placed/a")?.holder)
        #expect(after.host == before.host && after.token > before.token, "fenced all the same")
        // What it says as the host of the first leader comes to nothing.
        group.request(.turn(TurnReport(order.activation, number: 1, .finished(TurnResult(reply: [66])))))
        group.settle()
        #expect(group.reply(to: 1) == nil)
        group.request(.turn(TurnReport(again.activation, number: again.number, .finished(TurnResult(reply: [7])))))
        group.settle()
        #expect(group.reply(to: 1) == [7])
    }

    @Test("leaders that come and go while a host is at a long turn make no poison of its message")
    func noPoison() throws {
        let group = LeadGroup.ready(replicas: 2)
        _ = try Self.running(group)
        for round in 1...6 {
            group.elect(round % 2)
            group.settle()
            group.request(.placed(try #require(group.queries.last?.id), .at(Self.far)))
            group.settle()
        }
        #expect(group.record(of: "/placed/a")?.count == 1 && group.hosted.last?.order.number == 1)
        #expect(group.notes.isEmpty)
    }

    @Test("a message that ends one host after the other is poison, under however many leaders")
    func poison() throws {
        let group = LeadGroup.ready(replicas: 2)
        for round in 0..<4 {
            if round == 0 {
                _ = try Self.running(group)
            } else {
                group.elect(round % 2)
                group.settle()
                guard let query = group.queries.last else { break }
                group.request(.placed(query.id, .at(LeadGroup.host(7 + round))))
                group.settle()
            }
            group.request(.hostGone(LeadGroup.host(7 + round, boot: 3)))
            group.settle()
        }
        #expect(group.record(of: "/placed/a")?.isBusy == false)
        #expect(group.notes.contains { if case .deadLetter = $0 { true } else { false } })
    }

    @Test("a host that the same leader has given up is not asked for again")
    func givenUp() throws {
        let group = LeadGroup.ready(replicas: 2)
        _ = try Self.running(group)
        let query = try Self.elected(group)
        group.request(.placed(query.id, .at(Self.far)))
        group.settle()
        group.request(.disowned(try #require(group.hosted.last?.order.activation)))
        group.settle()
        #expect(group.queries.last?.id != query.id && group.queries.last?.holder == nil)
    }

    @Test("a grant that is given back unused counts against no message, however often") func givenBack() throws {
        let group = LeadGroup.ready()
        var order = try Self.running(group)
        for _ in 0..<10 {
            group.request(.turn(TurnReport(order.activation, number: order.number, .notBegun)))
            group.settle()
            group.request(.placed(try #require(group.queries.last?.id), .at(Self.far)))
            group.settle()
            order = try #require(group.hosted.last?.order)
        }
        group.request(
            .turn(TurnReport(order.activation, number: order.number, .finished(TurnResult(reply: [7])))))
        group.settle()
        #expect(group.reply(to: 1) == [7] && group.notes.isEmpty)
    }

    @Test("a host on another node is asked for its turn; an order that was lost is sent again with all it needs")
    func lostOrder() throws {
        let group = LeadGroup.ready()
        let order = try Self.running(group)
        #expect(order.state != nil)
        group.pass(.seconds(3))
        let check = try #require(group.checks.last)
        #expect(check.id == order.activation && check.order == order.number && check.host == Self.far)
        group.request(.missing(check.id, order: check.order))
        #expect(group.hosted.last?.order == order)
        // About another order it does not matter.
        let count = group.hosted.count
        group.request(.missing(check.id, order: check.order + 1))
        #expect(group.hosted.count == count)
    }

    @Test("a host that answers keeps its turn beyond the silence that is allowed; one that does not loses it")
    func silence() throws {
        let group = LeadGroup.ready()
        let order = try Self.running(group)
        for _ in 0..<10 {
            group.pass(.seconds(2))
            group.request(.renewed(order.activation))
        }
        #expect(group.released.isEmpty)
        group.pass(.seconds(11))
        #expect(group.released == [order.activation])
    }

    @Test("a host lost while the actor's state is read is not used")
    func lostWhileLoading() throws {
        let group = LeadGroup.ready()
        group.call(1, to: "/placed/a")
        group.settle()
        group.holdsReads = true
        group.request(.placed(try #require(group.queries.last?.id), .at(Self.far)))
        group.request(.hostGone(Self.far))
        group.holdsReads = false
        group.answerReads()
        group.pass(.seconds(2))
        #expect(group.hosted.isEmpty && group.queries.count == 2)
    }

    @Test("how an actor came from host to host is told, with the reasons")
    func moves() throws {
        let group = LeadGroup.ready()
        _ = try Self.running(group)
        group.request(.hostGone(Self.far))
        group.settle()
        group.request(.placed(try #require(group.queries.last?.id), .at(LeadGroup.host(8))))
        group.settle()
        let move = try #require(group.nodes[0].lead.activity(of: path("/placed/a"))?.moves.last)
        #expect(move.from == Self.far.node && move.to == LeadGroup.host(8).node && move.reason == "its host was lost")
    }

    @Test("a drain does not wait for turns on other nodes: they go on under the next leader")
    func drain() throws {
        let group = LeadGroup.ready()
        _ = try Self.running(group)
        group.request(.drain(by: group.now + .seconds(60)))
        #expect(group.drained == 1)
    }
}
