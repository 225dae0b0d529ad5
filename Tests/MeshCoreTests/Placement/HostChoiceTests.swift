import MeshCore
import Testing

private func candidate(
    _ number: UInt64, zone: String = "", rtt: Duration? = .microseconds(500), actors: Int = 0, granted: Int = 0,
    capabilities: [Label] = [], obstacle: Candidate.Obstacle? = nil
) -> Candidate {
    Candidate(
        id: NodeID(high: number, low: 7),
        facts: MemberFacts(name: "n\(number)", zone: zone, capabilities: capabilities, roundTrip: rtt),
        load: .init(actors: actors, granted: granted, cores: 400), obstacle: obstacle)
}

private func choice(
    _ candidates: [Candidate], requires: String? = nil, prefers: [(Int, String)] = [], zone: String = "eu-1",
    actor: String = "/a/b"
) throws -> HostChoice {
    HostChoice(
        for: try ActorPath(actor), requires: try requires.map { try Requirement(parsing: $0) }, among: candidates,
        by: .standard(
            zone: zone, prefers: try prefers.map { .init(weight: $0.0, when: try Requirement(parsing: $0.1)) }))
}

@Suite struct HostChoiceTests {
    private func names(_ choice: HostChoice) -> [String] { choice.judgements.map(\.name) }

    @Test("load, round trip, zone and preferences decide, and each says why") func criteria() throws {
        #expect(try self.names(choice([candidate(1, actors: 100), candidate(2)])) == ["n2", "n1"])
        #expect(try self.names(choice([candidate(1, granted: 100), candidate(2, actors: 90)])) == ["n2", "n1"])
        #expect(try self.names(choice([candidate(1, rtt: .milliseconds(30)), candidate(2)])) == ["n2", "n1"])
        #expect(try self.names(choice([candidate(1, zone: "us"), candidate(2, zone: "eu-1")])) == ["n2", "n1"])
        let both = [candidate(1, actors: 300), candidate(2, capabilities: [Label("model", "b")])]
        let wanted = [candidate(1, actors: 300, capabilities: [Label("model", "m")]), both[1]]
        #expect(try self.names(choice(both, prefers: [(500, #"model("m")"#)])) == ["n2", "n1"])
        let chosen = try choice(wanted, prefers: [(500, #"model("m")"#)])
        #expect(self.names(chosen) == ["n1", "n2"])
        guard case .fits(let score, _)? = chosen.judgements.last?.finding else {
            Issue.record("no score")
            return
        }
        #expect(score.parts.map(\.criterion) == ["load", "round trip", "zone", #"prefers model("m")"#])
        #expect(score.parts.map(\.mark.points) == [1000, 800, 0, 0])
        #expect(score.total == 140_000)
        #expect(score.parts[0].mark.because == "0 actors, 0 waiting messages")
        #expect(score.parts[1].mark.because == "500us")
        #expect(score.parts[3].mark.because == #"model "m" is not served, only "b""#)
    }

    @Test("only members that qualify are chosen, with the GPU that qualifies them") func filter() throws {
        let gpu = { (free: Int) in [Label("gpu.0.memory.free", "1000MiB"), Label("gpu.1.memory.free", "\(free)MiB")] }
        let candidates = [
            candidate(1), candidate(2, actors: 5000, capabilities: gpu(30_000)),
            candidate(3, capabilities: gpu(20_000)),
            candidate(4, capabilities: gpu(40_000), obstacle: .draining),
        ]
        let choice = try choice(candidates, requires: "gpu.memory.free >= 24GiB")
        #expect(choice.chosen?.node == candidates[1].id && choice.chosen?.device?.gpu == 1)
        #expect(self.names(choice) == ["n2", "n3", "n1", "n4"])
        #expect(choice.missing == "")
    }

    @Test("when nobody qualifies, the nearest members say what they lack") func nobody() throws {
        let candidates = (1...5).map { number in
            candidate(UInt64(number), capabilities: [Label("gpu.0.memory.free", "\(number * 1024)MiB")])
        }
        let choice = try choice(candidates, requires: "gpu.memory.free >= 24GiB")
        #expect(choice.chosen == nil)
        #expect(
            choice.missing
                == "no member qualifies. n5: gpu.memory.free is 5GiB, at least 24GiB needed. "
                + "n4: gpu.memory.free is 4GiB, at least 24GiB needed. "
                + "n3: gpu.memory.free is 3GiB, at least 24GiB needed. 2 more likewise")
        #expect(try MeshCoreTests.choice([], requires: "has(zone)").missing == "there is no member")
        let dead = try MeshCoreTests.choice([candidate(1, obstacle: .disowned("no room"))])
        #expect(dead.missing == "no member qualifies. n1: it gave the actor back: no room")
    }

    @Test("members with one score share the actors, and the order they are given in does not matter") func ties() throws
    {
        let candidates = (1...4).map { candidate($0) }
        var counts: [NodeID: Int] = [:]
        for number in 0..<1000 {
            let first = try choice(candidates, actor: "/a/\(number)")
            #expect(try first == choice(candidates.reversed(), actor: "/a/\(number)"))
            if let node = first.chosen?.node { counts[node, default: 0] += 1 }
        }
        #expect(counts.count == 4 && counts.values.allSatisfy { (200...300).contains($0) }, "\(counts)")
    }

    @Test("a member is read as gossip tells it, whatever it says") func members() {
        func member(_ state: MemberState, _ capabilities: [Label]) -> Member {
            Member(
                description: MemberDescription(
                    id: NodeID(high: 1, low: 1), boot: Boot(epoch: 1, nonce: 1),
                    endpoint: Endpoint(high: 0, low: 1, port: 1),
                    name: "n"), state: state, incarnation: 0, since: Instant(nanoseconds: 0), capabilities: capabilities
            )
        }
        let told = Candidate(
            member(
                .alive,
                [Label("mesh.actors", "12"), Label("mesh.mailbox_depth", "3"), Label("cpu.cores", "1.5")]), granted: 2)
        #expect(told.load == .init(actors: 12, waiting: 3, granted: 2, cores: 150) && told.obstacle == nil)
        let silly = Candidate(
            member(.dead, [Label("mesh.actors", "-9"), Label("mesh.mailbox_depth", "x"), Label("cpu.cores", "0")]))
        #expect(silly.load == .init(actors: 0, waiting: 0, granted: 0, cores: 1) && silly.obstacle == .dead)
        let huge = Candidate(
            member(.alive, [Label("mesh.actors", "9223372036854775807"), Label("cpu.cores", "9000000000000")]))
        #expect(LeastLoad().mark(huge).points < 10)
    }
}
