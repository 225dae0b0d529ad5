import MeshCore
import MeshRuntime
import Testing

@Suite("Finding hosts for activations") struct ActivationPlacerTests {
    private static let local = NodeID(high: 0, low: 1)
    private static let group = GroupID(4)

    private static func node(_ number: UInt64) -> NodeID { NodeID(high: 0, low: number) }
    private static func host(_ number: UInt64) -> Host { Host(node: Self.node(number), boot: 1) }

    private static func member(
        _ number: UInt64, gpu: Bool = false, boot: UInt64 = 1, actors: Int = 0,
        health: PlacementView.Member.Health = .alive(since: Instant(nanoseconds: 0))
    ) -> MeshMember {
        MeshMember(
            id: Self.node(number), name: "n\(number)", endpoint: Endpoint(ipv4: 1, port: 1), health: health, boot: boot,
            labels: gpu ? [Label("gpu", "yes")] : [],
            capabilities: actors > 0 ? [Label(AdvertisedField.actors, "\(actors)")] : [])
    }

    private struct Mesh {
        var placer = ActivationPlacer(local: ActivationPlacerTests.local)
        var now = Instant(nanoseconds: 0)
        let key: Residences.Key
        var last: UInt64 = 0
        var placement = ActorPlacement()

        init(_ members: [MeshMember], requires: String? = #"label("gpu") == "yes""#) throws {
            self.key = Residences.Key(group: ActivationPlacerTests.group, path: try ActorPath("/a"))
            if let requires { self.placement.requires = try Requirement(parsing: requires) }
            self.take(members)
        }

        @discardableResult
        mutating func take(_ members: [MeshMember]) -> [ActivationPlacer.Effect] {
            self.step(.members(members, obstacles: [:]))
        }

        mutating func step(_ input: ActivationPlacer.Input) -> [ActivationPlacer.Effect] {
            var effects: [ActivationPlacer.Effect] = []
            self.placer.step(input, at: self.now, into: &effects)
            return effects
        }

        var id: ActivationID { ActivationID(term: 1, number: self.last) }

        mutating func ask(holder: Host? = nil) -> [ActivationPlacer.Effect] {
            self.last += 1
            let query = PlacementQuery(id: self.id, path: self.key.path, holder: holder)
            return self.step(.ask(query, self.placement, self.key.group))
        }

        mutating func answer(_ placed: PartitionRequest.Placed, from node: UInt64) -> [ActivationPlacer.Effect] {
            self.step(.placed(self.id, placed, self.key, from: ActivationPlacerTests.node(node)))
        }
    }

    @Test("who has what is required is asked, and nobody else") func requirement() throws {
        var mesh = try Mesh([Self.member(1), Self.member(2, gpu: true), Self.member(3)])
        #expect(mesh.ask().asked == [Self.node(2)])
        let told = mesh.answer(.at(Self.host(2)), from: 2)
        #expect(told == [.tell(mesh.id, .at(Self.host(2)), Self.group)])
    }

    @Test("an actor without requirements runs where its leader is, whatever is said of the members")
    func unconstrained() throws {
        var mesh = try Mesh([], requires: nil)
        #expect(mesh.ask().asked == [Self.local])
        mesh.take([Self.member(1, actors: 1_000), Self.member(2)])
        #expect(mesh.ask().asked == [Self.local])
    }

    @Test("one that refuses is passed over; when all have, the leader hears what each of them lacks") func refused()
        throws
    {
        var mesh = try Mesh([Self.member(1), Self.member(2, gpu: true), Self.member(3, gpu: true)])
        let first = try #require(mesh.ask().asked.first)
        let second = try #require(mesh.answer(.nowhere(missing: "no room"), from: first.low).asked.first)
        #expect(Set([first, second]) == [Self.node(2), Self.node(3)])
        // Too late.
        #expect(mesh.answer(.at(Host(node: first, boot: 1)), from: first.low).isEmpty)
        guard
            case .tell(_, .nowhere(let missing), _)? = mesh.answer(.nowhere(missing: "no room"), from: second.low).first
        else {
            Issue.record("no answer")
            return
        }
        #expect(
            missing.contains("n1: label(\"gpu\") is not advertised")
                && missing.contains("n2: it gave the actor back: no room"))
    }

    @Test("one that says nothing is passed over when the leader asks again; one that is at it is not") func silent()
        throws
    {
        var mesh = try Mesh([Self.member(2, gpu: true), Self.member(3, gpu: true)])
        let first = try #require(mesh.ask().asked.first)
        #expect(mesh.step(.starting(mesh.id, mesh.key, from: first)).isEmpty)
        #expect(mesh.ask().asked == [first])
        // It has not answered the second question.
        let second = try #require(mesh.ask().asked.first)
        #expect(second != first)
    }

    @Test("what cannot be started anywhere is told as that") func unstartable() throws {
        var mesh = try Mesh((2...6).map { Self.member($0, gpu: true) })
        var effects = mesh.ask()
        var tries = 0
        while let node = effects.asked.first {
            tries += 1
            effects = mesh.answer(.unstartable("not there"), from: node.low)
        }
        #expect(tries == 3 && effects == [.tell(mesh.id, .unstartable("not there"), Self.group)])
    }

    @Test("who has the actor keeps it while he qualifies, whatever the others score") func holder() throws {
        let busy = Self.member(3, gpu: true, actors: 500)
        var mesh = try Mesh([Self.member(1), Self.member(2, gpu: true), busy])
        #expect(mesh.ask(holder: Self.host(3)).asked == [Self.node(3)])
        #expect(
            mesh.step(.placed(mesh.id, .nowhere(missing: "full"), mesh.key, from: Self.node(3))).asked == [Self.node(2)]
        )
        _ = mesh.answer(.at(Self.host(2)), from: 2)
        mesh.take([Self.member(1), Self.member(2, gpu: true), Self.member(3)])
        #expect(mesh.ask(holder: Self.host(3)).asked == [Self.node(2)])
        guard case .tell(_, .at(_, let because), _)? = mesh.answer(.at(Self.host(2)), from: 2).first else {
            Issue.record("no answer")
            return
        }
        #expect(because.contains("gpu"))
    }

    @Test("the end of a host's life is told once, and whoever waited for it is placed elsewhere") func lost() throws {
        var mesh = try Mesh([Self.member(2, gpu: true), Self.member(3, gpu: true)])
        let first = try #require(mesh.ask().asked.first)
        let other: UInt64 = first == Self.node(2) ? 3 : 2
        let dead = Self.member(first.low, gpu: true, health: .dead(since: Instant(nanoseconds: 0)))
        let effects = mesh.take([dead, Self.member(other, gpu: true)])
        #expect(effects.first == .lost(Host(node: first, boot: 1)) && effects.asked == [Self.node(other)])
        #expect(mesh.take([dead, Self.member(other, gpu: true)]).isEmpty)
        // Back in another life, which ends as well; and one that is forgotten.
        #expect(mesh.take([Self.member(first.low, gpu: true, boot: 2), Self.member(other, gpu: true)]).isEmpty)
        let restarted = mesh.take([Self.member(first.low, gpu: true, boot: 3), Self.member(other, gpu: true)])
        #expect(restarted == [.lost(Host(node: first, boot: 2))])
        #expect(mesh.take([Self.member(other, gpu: true)]) == [.lost(Host(node: first, boot: 3))])
    }

    @Test("activations that are on their way count as load, so that they spread") func spread() throws {
        var mesh = try Mesh((2...5).map { Self.member($0, gpu: true) })
        var hosts: [NodeID: Int] = [:]
        for _ in 0..<40 {
            let node = try #require(mesh.ask().asked.first)
            hosts[node, default: 0] += 1
            _ = mesh.answer(.at(Host(node: node, boot: 1)), from: node.low)
        }
        #expect(hosts.count == 4 && hosts.values.allSatisfy { (8...12).contains($0) }, "\(hosts)")
    }
}

extension [ActivationPlacer.Effect] {
    fileprivate var asked: [NodeID] { self.compactMap { if case .ask(_, _, let node) = $0 { node } else { nil } } }
}
