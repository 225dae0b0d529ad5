import MeshCore
import MeshRuntime
import Testing

/// A router alone: what it sends, and what it makes of answers.
private struct Bench: Sendable {
    static let local = NodeID(high: 0, low: 1)
    static let peer = NodeID(high: 0, low: 2)
    static let other = NodeID(high: 0, low: 3)
    static let partition = Partition(index: 4)
    static let session = SessionID(incarnation: GroupIncarnation(counter: 1, id: 9), index: 7, command: 0)

    var router = PartitionRouter(local: Self.local, index: 0, of: 1, seed: 1)
    var now = Instant(nanoseconds: 1_000_000_000)
    var effects: [PartitionRouter.Effect] = []

    init(leader: NodeID? = Self.peer) {
        self.step(.members([Self.local, Self.peer, Self.other]))
        if let leader { self.step(.leader(Self.partition, leader)) }
    }

    mutating func step(_ input: PartitionRouter.Input) {
        self.router.step(input, at: Moment(now: self.now, wall: 0), into: &self.effects)
    }

    mutating func pass(_ duration: Duration) {
        self.now = self.now + duration
        self.step(.wake)
    }

    static func id(_ number: UInt64) -> MessageID { MessageID(high: 0, low: number) }

    mutating func request(
        _ number: UInt64, kind: Envelope.Kind = .tell, delivery: MessageRequest.Delivery = .durable,
        key: Fingerprint? = nil, patience: Duration = .seconds(30), isRead: Bool = false
    ) {
        let message = Message(id: Self.id(number), body: [1], idempotency: key)
        self.step(
            .request(
                .init(
                    number: number, partition: Self.partition,
                    letter: Letter(path("/meshnode/echo/a"), Envelope(message, kind: kind)), delivery: delivery,
                    deadline: self.now + patience, isRead: isRead)))
    }

    /// What was sent since this was last asked.
    mutating func sent() -> [(ask: PartitionFrame.Ask?, number: UInt64, to: NodeID)] {
        defer { self.effects.removeAll { if case .send = $0 { true } else { false } } }
        return self.effects.compactMap { effect in
            guard case .send(let frame, let number, let node) = effect else { return nil }
            if case .message(let ask, _) = frame { return (ask, number, node) }
            return (nil, number, node)
        }
    }

    /// The number under which the own shard was last asked for a session.
    mutating func submittedSession() -> UInt64? {
        for case .submit(.openSession(let requester), _) in self.effects.reversed() { return requester.number }
        return nil
    }

    /// The number under which the own shard was last given a message.
    func submittedMessage() -> UInt64? {
        for case .submit(.message(let request), _) in self.effects.reversed() { return request.requester.number }
        return nil
    }

    mutating func openSession() {
        for opening in self.sent() where opening.ask == nil {
            self.step(.answer(opening.number, .session(Self.session), from: opening.to))
        }
    }

    /// The last sending of a message.
    mutating func lastAsk() throws -> (ask: PartitionFrame.Ask, number: UInt64, to: NodeID) {
        let last = try #require(self.sent().last { $0.ask != nil })
        return (try #require(last.ask), last.number, last.to)
    }

    var accepted: [UInt64] { self.effects.compactMap { if case .accepted(let number, _) = $0 { number } else { nil } } }
    func outcome(_ number: UInt64) -> Outcome? {
        for case .ended(number, _, let outcome) in self.effects { return outcome }
        return nil
    }
    func error(_ number: UInt64) -> MeshError? {
        if case .failed(let error) = self.outcome(number) { error } else { nil }
    }
}

@Suite("A router of requests") struct RouterTests {
    @Test("opens a session first, and sends under its numbers one after the other") func numbers() throws {
        var bench = Bench()
        bench.request(1)
        bench.openSession()
        var (ask, number, node) = try bench.lastAsk()
        #expect(ask.session == .init(session: Bench.session, number: 1))
        #expect(!ask.isRetry)
        #expect(node == Bench.peer)
        bench.step(.answer(number, .accepted(Bench.id(1)), from: node))
        #expect(bench.accepted == [1])
        bench.request(2)
        (ask, number, node) = try bench.lastAsk()
        #expect(ask.session == .init(session: Bench.session, number: 2))
    }

    @Test("has one request in flight per session") func oneInFlight() throws {
        var bench = Bench()
        bench.request(1)
        bench.openSession()
        _ = try bench.lastAsk()
        bench.request(2)
        // Another session is asked for, and nothing is sent under the first.
        let sent = bench.sent()
        #expect(sent.count == 1)
        #expect(sent.first?.ask == nil)
    }

    @Test("sends again under the same number when the leader's stream breaks, and says that it does") func again()
        throws
    {
        var bench = Bench()
        bench.request(1)
        bench.openSession()
        let first = try bench.lastAsk()
        bench.step(.disconnected(Bench.peer))
        bench.step(.leader(Bench.partition, Bench.other))
        let second = try bench.lastAsk()
        #expect(second.ask.session == first.ask.session)
        #expect(second.ask.isRetry)
        #expect(second.to == Bench.other)
        bench.step(.answer(second.number, .accepted(Bench.id(1)), from: Bench.other))
        #expect(bench.accepted == [1])
    }

    @Test("asks for no session for what only reads, and asks again as if it were the first time") func reads() throws {
        var bench = Bench()
        bench.request(1, kind: .ask, isRead: true)
        let first = try bench.lastAsk()
        #expect(first.ask.session == nil)
        bench.step(.disconnected(Bench.peer))
        bench.step(.leader(Bench.partition, Bench.other))
        let second = try bench.lastAsk()
        #expect(second.ask.session == nil)
        #expect(!second.ask.isRetry)
        #expect(second.to == Bench.other)
        bench.step(.answer(second.number, .outcome(Bench.id(1), .reply([7])), from: Bench.other))
        #expect(bench.outcome(1) == .reply([7]))
    }

    @Test("goes where it is told that the leader is") func elsewhere() throws {
        var bench = Bench()
        bench.request(1)
        bench.openSession()
        let first = try bench.lastAsk()
        bench.step(.answer(first.number, .elsewhere(Bench.other), from: Bench.peer))
        let second = try bench.lastAsk()
        #expect(second.to == Bench.other)
        #expect(!second.ask.isRetry)
    }

    @Test("uses a number again whose only try did nothing") func reused() throws {
        var bench = Bench()
        bench.request(1)
        bench.openSession()
        let first = try bench.lastAsk()
        let full = MeshError(.overloaded, "full", retryAfter: .seconds(1))
        bench.step(.answer(first.number, .outcome(Bench.id(1), .failed(full)), from: Bench.peer))
        #expect(bench.error(1)?.accepted == .no)
        bench.request(2)
        let second = try bench.lastAsk()
        #expect(second.ask.session == .init(session: Bench.session, number: 1))
    }

    @Test("never uses a number again of which nobody knows what became") func abandoned() throws {
        var bench = Bench()
        bench.request(1, patience: .seconds(1))
        bench.openSession()
        _ = try bench.lastAsk()
        bench.pass(.seconds(2))
        #expect(bench.error(1)?.code == .deadlineExceeded)
        #expect(bench.error(1)?.accepted == .unknown)
        bench.request(2)
        let sent = bench.sent()
        #expect(sent.allSatisfy { $0.ask == nil })
    }

    @Test("says unknown when a try was refused after one was lost") func refusedAfterLost() throws {
        var bench = Bench()
        bench.request(1)
        bench.openSession()
        _ = try bench.lastAsk()
        bench.step(.disconnected(Bench.peer))
        bench.step(.leader(Bench.partition, Bench.other))
        let second = try bench.lastAsk()
        let full = MeshError(.overloaded, "full", retryAfter: .seconds(1))
        bench.step(.answer(second.number, .outcome(Bench.id(1), .failed(full)), from: Bench.other))
        #expect(bench.error(1)?.code == .overloaded)
        #expect(bench.error(1)?.accepted == .unknown)
    }

    @Test("needs no session for a message with a key, and none for one that is not kept") func withoutSession() throws {
        var bench = Bench()
        bench.request(1, key: Fingerprint(high: 1, low: 1))
        var ask = try bench.lastAsk()
        #expect(ask.ask.session == nil)
        bench.request(2, delivery: .ephemeral)
        ask = try bench.lastAsk()
        #expect(ask.ask.session == nil)
    }

    @Test("does not repeat an ephemeral message that may have run") func ephemeral() throws {
        var bench = Bench()
        bench.request(1, kind: .ask, delivery: .ephemeral)
        _ = try bench.lastAsk()
        bench.step(.disconnected(Bench.peer))
        #expect(bench.error(1)?.code == .unavailable)
        #expect(bench.error(1)?.accepted == .unknown)
        bench.step(.leader(Bench.partition, Bench.other))
        let sent = bench.sent()
        #expect(sent.isEmpty)
    }

    @Test("asks the next leader for the outcome of what was accepted") func outcomeAfterFailover() throws {
        var bench = Bench()
        bench.request(1, kind: .ask)
        bench.openSession()
        let first = try bench.lastAsk()
        bench.step(.answer(first.number, .accepted(Bench.id(1)), from: Bench.peer))
        #expect(bench.outcome(1) == nil)
        bench.step(.leader(Bench.partition, Bench.other))
        let second = try bench.lastAsk()
        #expect(second.ask.session == first.ask.session)
        #expect(second.ask.isRetry)
        bench.step(.answer(second.number, .outcome(Bench.id(1), .reply([2])), from: Bench.other))
        #expect(bench.outcome(1) == .reply([2]))
    }

    @Test("goes on until somebody leads, and says when nobody was found") func nobodyLeads() throws {
        var bench = Bench(leader: nil)
        bench.request(1, key: Fingerprint(high: 1, low: 1), patience: .seconds(1))
        for _ in 0..<40 {
            for case .submit(.message(let request), _) in bench.effects {
                bench.step(.unsent(request.requester.number))
            }
            bench.effects.removeAll { if case .submit = $0 { true } else { false } }
            for sent in bench.sent() { bench.step(.answer(sent.number, .elsewhere(nil), from: sent.to)) }
            bench.pass(.milliseconds(50))
        }
        #expect(bench.error(1)?.code == .deadlineExceeded)
        #expect(bench.error(1)?.accepted == .no)
    }

    @Test("asks around when a leader is silent, and does not go back to it though somebody still names it")
    func silent() throws {
        var bench = Bench()
        for number in 1...8 as ClosedRange<UInt64> { bench.request(number, key: Fingerprint(high: 1, low: number)) }
        #expect(bench.sent().allSatisfy { $0.to == Bench.peer })
        bench.pass(.seconds(3))
        // At first the own shard, which may have a replica.
        #expect(bench.sent().isEmpty)
        for case .submit(.message(let request), _) in bench.effects {
            #expect(request.isRetry)
            bench.step(.answer(request.requester.number, .elsewhere(nil), from: Bench.local))
        }
        let asked = bench.sent()
        #expect(asked.map(\.to) == Array(repeating: Bench.other, count: 8))
        for ask in asked { bench.step(.answer(ask.number, .elsewhere(Bench.peer), from: Bench.other)) }
        #expect(bench.sent().isEmpty)
        bench.pass(.milliseconds(60))
        #expect(bench.sent().isEmpty)
        // Its replica hears it again.
        bench.step(.leader(Bench.partition, Bench.peer))
        bench.pass(.seconds(1))
        for number in 9...12 as ClosedRange<UInt64> { bench.request(number, key: Fingerprint(high: 1, low: number)) }
        #expect(bench.sent().count { $0.to == Bench.peer } >= 4)
    }

    @Test("asks those first whose stream did not just break") func broken() {
        var bench = Bench()
        for number in 1...8 as ClosedRange<UInt64> { bench.request(number, key: Fingerprint(high: 1, low: number)) }
        _ = bench.sent()
        bench.step(.disconnected(Bench.peer))
        bench.pass(.milliseconds(60))
        for case .submit(.message(let request), _) in bench.effects {
            bench.step(.answer(request.requester.number, .elsewhere(nil), from: Bench.local))
        }
        let asked = bench.sent()
        #expect(asked.map(\.to) == Array(repeating: Bench.other, count: 8))
        // It may lead all the same.
        for ask in asked { bench.step(.answer(ask.number, .elsewhere(Bench.peer), from: Bench.other)) }
        #expect(bench.sent().map(\.to) == Array(repeating: Bench.peer, count: 8))
    }

    /// The own replica was told of the election once, and will not be told again.
    @Test("asks the own replica when an elected leader says that it does not lead") func notYet() throws {
        var bench = Bench()
        bench.request(1, key: Fingerprint(high: 1, low: 1))
        let first = try bench.lastAsk()
        bench.step(.answer(first.number, .elsewhere(nil), from: Bench.peer))
        bench.pass(.milliseconds(60))
        let own = try #require(bench.submittedMessage())
        bench.step(.answer(own, .elsewhere(Bench.peer), from: Bench.local))
        #expect(try bench.lastAsk().to == Bench.peer)
    }

    @Test("keeps nothing of what is over") func forgets() throws {
        var bench = Bench()
        bench.request(1)
        bench.openSession()
        let ask = try bench.lastAsk()
        bench.step(.answer(ask.number, .accepted(Bench.id(1)), from: Bench.peer))
        #expect(bench.router.count == 0)
    }

    /// A node without replicas hears of no leader by itself.
    @Test("asks others for a session when nobody here knows the leader, and pauses between those who name each other")
    func strangers() throws {
        var bench = Bench(leader: nil)
        bench.request(1)
        // At first the own shard, which has no replica.
        let own = bench.submittedSession()
        bench.step(.unsent(try #require(own)))
        bench.pass(.milliseconds(60))
        var asked = try #require(bench.sent().last)
        #expect(asked.to != Bench.local)
        var hops = 0
        for _ in 0..<20 {
            let other = asked.to == Bench.peer ? Bench.other : Bench.peer
            bench.step(.answer(asked.number, .elsewhere(other), from: asked.to))
            guard let next = bench.sent().last else { break }
            hops += 1
            asked = next
        }
        #expect(hops < 5)
        bench.pass(.milliseconds(60))
        asked = try #require(bench.sent().last)
        bench.step(.answer(asked.number, .session(Bench.session), from: asked.to))
        #expect(try bench.lastAsk().ask.session == .init(session: Bench.session, number: 1))
    }

    @Test("remembers who answered as only a leader does, and asks it first the next time") func wordOfLeader() throws {
        for answer in [.refused(MeshError(.notFound, "nobody is there")), .outcome(Bench.id(1), .reply([1]))]
            as [PartitionAnswer]
        {
            var bench = Bench(leader: nil)
            bench.request(1, delivery: .ephemeral)
            bench.step(.unsent(try #require(bench.submittedMessage())))
            bench.pass(.milliseconds(60))
            let asked = try bench.lastAsk()
            #expect(asked.to != Bench.local)
            bench.step(.answer(asked.number, answer, from: asked.to))
            bench.request(2, delivery: .ephemeral)
            #expect(try bench.lastAsk().to == asked.to)
        }
    }

    @Test("brings a delivery to one member after another until somebody knows the leader") func deliveries() {
        var bench = Bench(leader: nil)
        var receivers: Set<NodeID> = []
        for number in 0..<64 as Range<UInt64> {
            let delivery = Delivery(source: Partition(index: 1), stream: 1, first: number + 1, letters: [])
            bench.step(.deliver(OutboxDelivery(delivery), to: Bench.partition))
            for sent in bench.sent() { receivers.insert(sent.to) }
        }
        #expect(receivers == [Bench.peer, Bench.other])
    }

    @Test("wakes for each request in its time, though most end long before their deadlines") func deadlines() throws {
        var bench = Bench()
        bench.request(1, key: Fingerprint(ofKey: "a", path: path("/meshnode/echo/a")), patience: .seconds(3))
        for number in 2..<3_000 as Range<UInt64> {
            bench.request(number, key: Fingerprint(ofKey: "\(number)", path: path("/meshnode/echo/a")))
            let (_, attempt, node) = try bench.lastAsk()
            bench.step(.answer(attempt, .accepted(Bench.id(number)), from: node))
        }
        bench.effects = []
        bench.pass(.milliseconds(2_100))
        #expect(bench.submittedMessage() != nil)
        bench.pass(.seconds(1))
        #expect(bench.error(1)?.code == .deadlineExceeded)
    }

    /// Nothing would tell it of the leader again.
    @Test("does not forget a leader that is elected and not ready yet", arguments: [Bench.local, Bench.peer])
    func notReady(leader: NodeID) throws {
        var bench = Bench(leader: leader)
        bench.request(1, key: Fingerprint(high: 1, low: 1))
        let number = try #require(leader == Bench.local ? bench.submittedMessage() : bench.sent().last?.number)
        bench.step(.answer(number, .elsewhere(leader), from: leader))
        #expect(bench.router.leader(of: Bench.partition) == leader)
        bench.pass(.milliseconds(60))
        #expect((leader == Bench.local ? bench.submittedMessage() : bench.sent().last?.number) != number)
        #expect(bench.error(1) == nil)
    }
}
