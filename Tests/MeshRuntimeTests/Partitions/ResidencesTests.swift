import MeshCore
import MeshRuntime
import Testing

/// A node's programs as a value: what leaders and programs say goes in, what is to be done comes out.
private struct Node {
    static let host = Host(node: NodeID(high: 0, low: 9), boot: 4)
    static let first = NodeID(high: 0, low: 1)
    static let second = NodeID(high: 0, low: 2)

    var residences: Residences
    var now = Instant(nanoseconds: 1_000_000_000)
    let key: Residences.Key

    init(workersMax: Int = 4) throws {
        var configuration = RuntimeConfiguration()
        configuration.workersMax = workersMax
        self.residences = Residences(host: Self.host, configuration: configuration)
        self.key = Residences.Key(group: GroupID(1), path: try ActorPath("/a/b"))
    }

    @discardableResult
    mutating func step(_ input: Residences.Input, of key: Residences.Key? = nil) -> [Residences.Effect] {
        var effects: [Residences.Effect] = []
        self.residences.step(input, of: key ?? self.key, at: self.now, into: &effects)
        return effects
    }

    func query(_ id: ActivationID, revision: UInt64 = 0) -> PlacementQuery {
        PlacementQuery(id: id, path: self.key.path, revision: revision)
    }

    func order(
        _ id: ActivationID, _ number: UInt64, message: UInt64, version: UInt64 = 5, state: [StorageEntry]? = []
    ) -> TurnOrder {
        TurnOrder(
            activation: id, path: self.key.path, number: number,
            envelope: Envelope(Message(id: MessageID(high: 0, low: message), body: [7])), version: version,
            isEphemeral: false, isCommitted: true, state: state, limit: .seconds(30))
    }

    /// With a program that runs for this activation, and has nothing to do.
    mutating func placed(_ id: ActivationID, by lead: NodeID = Node.first) {
        self.step(.place(self.query(id), revision: 0, from: lead))
        self.step(.started)
    }

    static func finished(_ reply: UInt8) -> Residences.TurnEnd { .report(.finished(TurnResult(reply: [reply]))) }
}

extension [Residences.Effect] {
    fileprivate var frames: [HostFrame] {
        self.compactMap { if case .tell(let frame, _, _) = $0 { frame } else { nil } }
    }
    fileprivate var leads: [NodeID] { self.compactMap { if case .tell(_, _, let lead) = $0 { lead } else { nil } } }
    fileprivate var orders: [TurnOrder] {
        self.compactMap { if case .turn(_, let order, _) = $0 { order } else { nil } }
    }
    fileprivate var ends: Int { self.count { if case .end = $0 { true } else { false } } }
    fileprivate var starts: Int { self.count { if case .start = $0 { true } else { false } } }
}

@Suite("Activations on this node") struct ResidencesTests {
    private static let one = ActivationID(term: 3, number: 1)
    /// Of the next leader.
    private static let two = ActivationID(term: 4, number: 1)

    @Test("a place is given when the program runs, and its turns are reported to who ordered them") func turns() throws
    {
        var node = try Node()
        let asked = node.step(.place(node.query(Self.one), revision: 0, from: Node.first))
        #expect(asked.frames == [.starting(Self.one, node.key.path)] && asked.starts == 1)
        #expect(node.step(.started).frames == [.placed(Self.one, node.key.path, .at(Node.host))])
        #expect(node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first)).orders.count == 1)
        let end = node.step(.finished(Node.finished(1), ActorState()))
        #expect(end.frames == [.report(TurnReport(Self.one, number: 1, .finished(TurnResult(reply: [1]))))])
        #expect(end.leads == [Node.first])
        let next = node.step(.run(node.order(Self.one, 2, message: 2, state: nil), keys: nil, from: Node.first))
        #expect(next.orders.map(\.number) == [2])
    }

    @Test("the next leader's order for the turn that is under way is that turn, and he gets its report") func joined()
        throws
    {
        var node = try Node()
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 7, message: 1, version: 5), keys: nil, from: Node.first))
        let placed = node.step(.place(node.query(Self.two), revision: 0, from: Node.second))
        #expect(placed.frames == [.placed(Self.two, node.key.path, .at(Node.host))] && placed.ends == 0)
        let joined = node.step(.run(node.order(Self.two, 1, message: 1, version: 5), keys: nil, from: Node.second))
        #expect(joined.orders.isEmpty && joined.frames == [.renewed(Self.two)])
        // The first leader has nothing to say any more.
        #expect(node.step(.release(Self.one)).isEmpty)
        let end = node.step(.finished(Node.finished(1), ActorState()))
        #expect(end.frames == [.report(TurnReport(Self.two, number: 1, .finished(TurnResult(reply: [1]))))])
        #expect(end.leads == [Node.second])
    }

    @Test("a turn that ended between two leaders is reported to the second") func joinedAfterwards() throws {
        var node = try Node()
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 7, message: 1), keys: nil, from: Node.first))
        node.step(.finished(Node.finished(1), ActorState()))
        node.step(.place(node.query(Self.two), revision: 0, from: Node.second))
        let joined = node.step(.run(node.order(Self.two, 1, message: 1), keys: nil, from: Node.second))
        #expect(joined.orders.isEmpty)
        #expect(joined.frames == [.report(TurnReport(Self.two, number: 1, .finished(TurnResult(reply: [1]))))])
    }

    @Test("a turn that failed is run again", arguments: [true, false]) func failedBefore(hasSuccessor: Bool) throws {
        var node = try Node()
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first))
        let error = MeshError(.handlerFailed, "no")
        node.step(.finished(.report(.failed(FailureType("busy"), error)), ActorState()))
        let id = hasSuccessor ? Self.two : Self.one
        if hasSuccessor { node.step(.place(node.query(id), revision: 0, from: Node.second)) }
        let state: [StorageEntry]? = hasSuccessor ? [] : nil
        let again = node.order(id, hasSuccessor ? 1 : 2, message: 1, state: state)
        #expect(node.step(.run(again, keys: nil, from: Node.second)).orders.count == 1)
    }

    @Test(
        "another message, or the same on another version, is another turn: it waits until the program is free",
        arguments: [(2, 5), (1, 6)] as [(UInt64, UInt64)])
    func other(message: UInt64, version: UInt64) throws {
        var node = try Node()
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 7, message: 1, version: 5), keys: nil, from: Node.first))
        node.step(.place(node.query(Self.two), revision: 0, from: Node.second))
        let order = node.order(Self.two, 1, message: message, version: version)
        #expect(node.step(.run(order, keys: nil, from: Node.second)).isEmpty)
        #expect(node.step(.check(Self.two, order: 1, from: Node.second)).frames == [.renewed(Self.two)])
        // What the program was at comes to nothing, and nobody hears of it.
        let end = node.step(.finished(Node.finished(66), ActorState()))
        #expect(end.frames.isEmpty && end.orders.map(\.activation) == [Self.two])
    }

    @Test("a leader that was followed by another is not heard") func oldLeader() throws {
        var node = try Node()
        node.placed(Self.two, by: Node.second)
        #expect(node.step(.place(node.query(Self.one), revision: 0, from: Node.first)).isEmpty)
        #expect(node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first)).orders.isEmpty)
    }

    @Test("the same leader that asks for a place again has ended the activation: it gets another program") func anew()
        throws
    {
        var node = try Node()
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first))
        node.step(.finished(Node.finished(1), ActorState()))
        let again = ActivationID(term: 3, number: 2)
        let asked = node.step(.place(node.query(again), revision: 0, from: Node.first))
        #expect(asked.ends == 1 && asked.frames == [.starting(again, node.key.path)])
        #expect(node.step(.ended).starts == 1)
        #expect(node.step(.started).frames == [.placed(again, node.key.path, .at(Node.host))])
    }

    @Test("a program of another definition does not go on for the next leader") func otherDefinition() throws {
        var node = try Node()
        node.placed(Self.one)
        #expect(node.step(.place(node.query(Self.two, revision: 2), revision: 2, from: Node.second)).ends == 1)
        #expect(node.step(.ended).starts == 1)
        // Here the new definition is not known yet.
        let third = ActivationID(term: 5, number: 1)
        let refused = node.step(.place(node.query(third, revision: 3), revision: 2, from: Node.first))
        guard case .placed(third, _, .nowhere)? = refused.frames.first else {
            Issue.record("\(refused)")
            return
        }
    }

    @Test("an order that came twice is run once; one that got lost, or its state, is asked for") func lost() throws {
        var node = try Node()
        node.placed(Self.one)
        #expect(
            node.step(.check(Self.one, order: 1, from: Node.first)).frames == [.missing(Self.one, order: 1)])
        var order = node.order(Self.one, 1, message: 1, state: nil)
        let entries = [StorageEntry(key: [1], value: [2]), StorageEntry(key: [3], value: [4])]
        node.step(.state(Self.one, [entries[0]]))
        #expect(node.step(.run(order, keys: 2, from: Node.first)).frames == [.missing(Self.one, order: 1)])
        for entry in entries { node.step(.state(Self.one, [entry])) }
        let run = node.step(.run(order, keys: 2, from: Node.first))
        guard case .turn(_, _, let state)? = run.first else {
            Issue.record("\(run)")
            return
        }
        #expect(!state.isEmpty)
        #expect(node.step(.run(order, keys: nil, from: Node.first)).frames == [.renewed(Self.one)])
        let report = node.step(.finished(Node.finished(1), ActorState())).frames
        // The report got lost as well.
        #expect(node.step(.check(Self.one, order: 1, from: Node.first)).frames == report)
        order.state = entries
        #expect(node.step(.run(order, keys: nil, from: Node.first)).frames == report)
    }

    @Test("what is not there is disowned") func disowned() throws {
        var node = try Node()
        #expect(node.step(.check(Self.one, order: 1, from: Node.first)).frames == [.disowned(Self.one)])
        #expect(
            node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first)).frames
                == [.report(TurnReport(Self.one, number: 1, .notBegun))])
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first))
        node.step(.finished(Node.finished(1), ActorState()))
        let gone = node.step(.gone)
        #expect(gone.frames.isEmpty && gone.ends == 1)
        #expect(node.step(.check(Self.one, order: 2, from: Node.first)).frames == [.disowned(Self.one)])
    }

    @Test("without room the longest idle makes some, and whoever asked is told to ask again") func room() throws {
        var node = try Node(workersMax: 1)
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first))
        node.step(.finished(Node.finished(1), ActorState()))
        let other = Residences.Key(group: GroupID(2), path: try ActorPath("/c"))
        let id = ActivationID(term: 1, number: 1)
        let query = PlacementQuery(id: id, path: other.path)
        let asked = node.step(.place(query, revision: 0, from: Node.second), of: other)
        #expect(asked.ends == 1 && asked.frames.count == 1)
        guard case .placed(id, _, .nowhere)? = asked.frames.first else {
            Issue.record("\(asked)")
            return
        }
        node.step(.ended)
        #expect(node.step(.place(query, revision: 0, from: Node.second), of: other).starts == 1)
    }

    @Test("a program that is always busy gives its room to one that waits, in the order in which they came") func line()
        throws
    {
        var node = try Node(workersMax: 1)
        node.placed(Self.one)
        let others = try ["/c", "/d"].map { Residences.Key(group: GroupID(2), path: try ActorPath($0)) }
        func ask(_ key: Residences.Key) -> [Residences.Effect] {
            let query = PlacementQuery(id: ActivationID(term: 1, number: 1), path: key.path)
            return node.step(.place(query, revision: 0, from: Node.second), of: key)
        }
        node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first))
        for other in others { #expect(ask(other).starts == 0) }
        var end: [Residences.Effect] = []
        var turn: UInt64 = 1
        while end.ends == 0, turn < 1_000 {
            end = node.step(.finished(Node.finished(1), ActorState()))
            turn += 1
            if end.ends == 0 {
                let order = node.order(Self.one, turn, message: turn, state: nil)
                node.step(.run(order, keys: nil, from: Node.first))
            }
        }
        // Nothing but the report of its last turn, which its leader is about to commit.
        #expect(turn == 65 && end.frames.count == 1)
        node.step(.ended)
        let again = PlacementQuery(id: ActivationID(term: 3, number: 2), path: node.key.path)
        #expect(node.step(.place(again, revision: 0, from: Node.first)).starts == 0)
        #expect(ask(others[1]).starts == 0 && ask(others[0]).starts == 1)
        // Whoever does not ask any more keeps nobody waiting.
        node.now = node.now + .seconds(6)
        node.step(.failed(reason: "no"), of: others[0])
        node.step(.ended, of: others[0])
        #expect(node.step(.place(again, revision: 0, from: Node.first)).starts == 1)
    }

    @Test("a program that was gone before it was given its message gives the grant back, and its next start waits")
    func gone() throws {
        var node = try Node()
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first))
        let end = node.step(.finished(.gone, ActorState()))
        #expect(end.ends == 1 && end.frames == [.report(TurnReport(Self.one, number: 1, .notBegun))])
        node.step(.ended)
        let again = ActivationID(term: 3, number: 2)
        let asked = node.step(.place(node.query(again), revision: 0, from: Node.first))
        guard case .placed(again, _, .unstartable)? = asked.frames.first else {
            Issue.record("\(asked)")
            return
        }
    }

    @Test("a node that retires sends its actors away, those at a turn after it, and takes in no other") func retiring()
        throws
    {
        var node = try Node()
        node.placed(Self.one)
        node.step(.run(node.order(Self.one, 1, message: 1), keys: nil, from: Node.first))
        let idle = Residences.Key(group: GroupID(2), path: try ActorPath("/c"))
        let id = ActivationID(term: 1, number: 1)
        node.step(.place(PlacementQuery(id: id, path: idle.path), revision: 0, from: Node.second), of: idle)
        node.step(.started, of: idle)
        var effects: [Residences.Effect] = []
        node.residences.retire(into: &effects)
        #expect(effects.ends == 1)
        let end = node.step(.finished(Node.finished(1), ActorState()))
        #expect(end.ends == 1 && end.frames.count == 1)
        let refused = node.step(.place(node.query(Self.two), revision: 0, from: Node.second))
        #expect(refused.frames == [.placed(Self.two, node.key.path, .nowhere(missing: "it is shutting down"))])
    }

    @Test("a place that nobody uses is given up, and so is one whose leader was never heard of again") func forgotten()
        throws
    {
        var node = try Node()
        node.placed(Self.one)
        node.now = node.now + .seconds(9)
        #expect(node.step(.wake).isEmpty)
        node.now = node.now + .seconds(2)
        #expect(node.step(.wake).ends == 1)
        node.step(.ended)
        node.placed(Self.two)
        node.step(.run(node.order(Self.two, 1, message: 1), keys: nil, from: Node.first))
        node.now = node.now + .seconds(1_000)
        #expect(node.step(.wake).isEmpty, "it has a turn")
        node.step(.finished(Node.finished(1), ActorState()))
        node.now = node.now + .seconds(361)
        let end = node.step(.wake)
        #expect(end.ends == 1 && end.frames.isEmpty)
    }

    @Test("what cannot be started is told with the reason, and tried again after a pause") func unstartable() throws {
        var node = try Node()
        node.step(.place(node.query(Self.one), revision: 0, from: Node.first))
        #expect(
            node.step(.failed(reason: "not there")).frames
                == [.placed(Self.one, node.key.path, .unstartable("not there"))])
        node.step(.ended)
        let again = node.step(.place(node.query(Self.two), revision: 0, from: Node.first))
        #expect(again.starts == 0 && again.frames == [.placed(Self.two, node.key.path, .unstartable("not there"))])
        node.now = node.now + .seconds(31)
        #expect(node.step(.place(node.query(Self.two), revision: 0, from: Node.first)).starts == 1)
    }
}
