import MeshCore
import Testing

@Suite("Failure detection")
struct DetectionTests {
    /// How long until all others believe a member dead; nil if they do not within the time.
    private func verdict(on victim: Int, in mesh: inout TestMesh, within: Duration) -> Duration? {
        let start = mesh.now
        let isKnown = mesh.run(for: within) { mesh in
            mesh.nodes.indices.allSatisfy {
                mesh.nodes[$0] == nil || $0 == victim || mesh.state(of: victim, at: $0) == .dead
            }
        }
        return isKnown ? mesh.now - start : nil
    }

    @Test("a killed process is known to all within 2 s", arguments: [2, 3, 5, 20], 0..<10 as Range<UInt64>)
    func killing(count: Int, seed: UInt64) throws {
        var mesh = TestMesh.joined(count, seed: seed)
        mesh.kill(1)
        let time = try #require(self.verdict(on: 1, in: &mesh, within: .seconds(30)))
        #expect(time < .seconds(2))
        let change = try #require(mesh.changes.last { $0.change.to == .dead })
        #expect(change.change.cause == .hardEvidence)
    }

    @Test(
        "a host that falls silent is known to all within the bound", arguments: [2, 3, 5, 20], 0..<5 as Range<UInt64>)
    func silence(count: Int, seed: UInt64) throws {
        var mesh = TestMesh.joined(count, seed: seed)
        mesh.isCut = { $0 == 1 || $1 == 1 }
        // A round of probes, the longest suspicion of a small mesh, and the way of the news.
        let time = try #require(self.verdict(on: 1, in: &mesh, within: .seconds(40)))
        #expect(time > .seconds(4))
        let change = try #require(mesh.changes.last { $0.change.to == .dead && $0.node != 1 })
        #expect(change.change.cause == .suspicionExpired)
    }

    @Test("a reset stream alone is no verdict: a member that answers is not even suspect")
    func resetOnly() throws {
        var mesh = TestMesh.joined(5)
        let boot = try #require(mesh.nodes[1]?.local.boot)
        mesh.changes.removeAll()
        for node in [0, 2, 3, 4] { mesh.step(node, .streamClosed(TestMesh.id(1), boot: boot, refused: true)) }
        mesh.run(for: .seconds(20))
        #expect(mesh.changes.isEmpty)
    }

    @Test("an ack after the evidence voids it")
    func voided() throws {
        var mesh = TestMesh.joined(5)
        let boot = try #require(mesh.nodes[1]?.local.boot)
        // Cut off for just long enough to be accused on hard evidence.
        mesh.isCut = { $0 == 1 || $1 == 1 }
        // The helpers must answer, so only the victim is cut off.
        mesh.step(0, .streamClosed(TestMesh.id(1), boot: boot, refused: true))
        mesh.run(for: .milliseconds(600))
        #expect(mesh.state(of: 1, at: 0) == .suspect)
        mesh.isCut = { _, _ in false }
        mesh.run(for: .seconds(60))
        #expect(!mesh.changes.contains { $0.change.to == .dead })
        #expect(mesh.isConverged)
    }

    @Test("evidence of an earlier boot counts for nothing")
    func earlierBoot() {
        var mesh = TestMesh.joined(5)
        mesh.step(0, .streamClosed(TestMesh.id(1), boot: Boot(epoch: 1, nonce: 99), refused: true))
        mesh.isCut = { $0 == 1 || $1 == 1 }
        mesh.run(for: .seconds(3))
        #expect(mesh.state(of: 1, at: 0) != .dead)
    }

    @Test("when UDP to a member is blocked and its stream works, it is kept and the cause is told")
    func streamOnly() {
        var mesh = TestMesh.joined(5)
        mesh.loses = { $0 == 1 || $1 == 1 }
        mesh.run(for: .seconds(60))
        #expect(!mesh.changes.contains { $0.change.to == .dead || $0.change.to == .suspect })
        #expect(mesh.nodes[0]?.isStreamOnly(TestMesh.id(1)) == true)
        #expect(
            mesh.changes.filter { $0.node == 0 && $0.change.cause == .streamOnly && $0.change.id == TestMesh.id(1) }
                .count == 1)
        mesh.loses = { _, _ in false }
        mesh.run(for: .seconds(30))
        #expect(mesh.nodes[0]?.isStreamOnly(TestMesh.id(1)) == false)
    }

    @Test("UDP blocked between two is told by both, though the others ping in their place", arguments: [3, 6])
    func streamOnlyPair(count: Int) {
        var mesh = TestMesh.joined(count)
        mesh.changes.removeAll()
        mesh.loses = { $0 + $1 == 1 }
        mesh.run(for: .seconds(60))
        #expect(!mesh.changes.contains { $0.change.to != .alive })
        for (observer, member) in [(0, 1), (1, 0), (2, 0), (2, 1), (0, 2)] {
            #expect(mesh.nodes[observer]?.isStreamOnly(TestMesh.id(member)) == (observer + member == 1))
        }
        mesh.loses = { _, _ in false }
        mesh.run(for: .seconds(30))
        #expect(mesh.changes.filter { $0.change.cause == .streamOnly }.map(\.node).sorted() == [0, 1])
        #expect(mesh.changes.filter { $0.change.cause == .datagramsAgain }.map(\.node).sorted() == [0, 1])
    }

    @Test("a path that loses a packet now and then is not called blocked", arguments: 0..<5 as Range<UInt64>)
    func lossyPath(seed: UInt64) {
        var mesh = TestMesh.joined(5, seed: seed)
        mesh.lossPercent = 3
        mesh.run(for: .seconds(300))
        #expect(!mesh.changes.contains { $0.change.cause == .streamOnly })
    }

    @Test("two nodes without UDP between them stay healthy and hear each other's news")
    func streamOnlyTwo() {
        var mesh = TestMesh.joined(2)
        mesh.loses = { _, _ in true }
        mesh.run(for: .seconds(20))
        #expect(mesh.nodes.allSatisfy { $0?.localHealth == 0 })
        mesh.step(0, .raise(name: "deploy", payload: []))
        #expect(mesh.run(for: .seconds(1)) { $0.events.contains { $0.node == 1 } })
    }

    @Test("one that only some cannot reach is kept, by the word of the helpers")
    func indirect() {
        var mesh = TestMesh.joined(6)
        mesh.isCut = { ($0 == 0 && $1 == 1) || ($0 == 1 && $1 == 0) }
        mesh.changes.removeAll()
        mesh.run(for: .seconds(120))
        #expect(!mesh.changes.contains { $0.change.to == .dead || $0.change.to == .suspect })
    }

    @Test("a node that cannot hear blames itself first: its local health falls and recovers")
    func localHealth() {
        var mesh = TestMesh.joined(10)
        mesh.isCut = { $0 == 0 || $1 == 0 }
        mesh.run(for: .seconds(8))
        #expect(mesh.nodes[0]?.localHealth ?? 0 > 1)
        mesh.isCut = { _, _ in false }
        mesh.run(for: .seconds(120))
        #expect(mesh.nodes[0]?.localHealth == 0)
        #expect(mesh.isConverged)
    }

    @Test("a process that was stopped does not accuse those whose answers it slept through")
    func ownPause() {
        var mesh = TestMesh.joined(10)
        mesh.changes.removeAll()
        mesh.pause(3, for: .seconds(3))
        mesh.run(for: .seconds(40))
        #expect(!mesh.changes.contains { $0.node == 3 && $0.change.to == .suspect })
        #expect(mesh.isConverged)
    }

    @Test("history tells who accused, who confirmed and how the member answered before")
    func why() throws {
        var mesh = TestMesh.joined(6)
        mesh.run(for: .seconds(30))
        mesh.isCut = { $0 == 1 || $1 == 1 }
        mesh.run(for: .seconds(60))
        let history = try #require(mesh.nodes[0]?.history(of: TestMesh.id(1)))
        #expect(history.map(\.to) == [.alive, .suspect, .dead])
        #expect(history[0].cause == .joined && history[0].from == nil)
        #expect(history[1].accuser != nil && history[1].from == .alive)
        #expect(history[2].cause == .suspicionExpired && history[2].accuser != nil)
        #expect(!history[2].roundTrips.isEmpty && history[2].roundTrips.count <= 8)
        #expect(mesh.nodes[0]?.roundTrip(to: TestMesh.id(2)) == .milliseconds(2))
    }

    @Test("history is bounded")
    func historyBound() {
        var mesh = TestMesh.joined(3)
        for round in 0..<40 {
            mesh.step(1, .retag([Label("round", "\(round)")]))
            mesh.run(for: .seconds(1))
        }
        #expect(mesh.nodes[0]?.history(of: TestMesh.id(1)).count == 16)
    }
}
