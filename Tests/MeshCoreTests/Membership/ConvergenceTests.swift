import MeshCore
import Testing

@Suite("Convergence")
struct ConvergenceTests {
    @Test("nodes that joined through one seed all know each other", arguments: [1, 2, 3, 5, 20, 50])
    func joining(count: Int) {
        let mesh = TestMesh.joined(count)
        #expect(mesh.isConverged)
        #expect(mesh.refusals.isEmpty)
        #expect(mesh.nodes.allSatisfy { $0?.isJoined == (count > 1) })
    }

    @Test("a healthy mesh never doubts anybody and falls silent", arguments: 0..<5 as Range<UInt64>)
    func health(seed: UInt64) {
        var mesh = TestMesh.joined(10, seed: seed)
        mesh.changes.removeAll()
        mesh.run(for: .seconds(120))
        #expect(mesh.changes.isEmpty)
        #expect(mesh.nodes.allSatisfy { $0?.rumorCount == 0 && $0?.localHealth == 0 })
    }

    @Test("with 5 % of the datagrams lost nobody is called dead", arguments: 0..<5 as Range<UInt64>)
    func loss(seed: UInt64) {
        var mesh = TestMesh.joined(20, seed: seed)
        mesh.lossPercent = 5
        mesh.run(for: .seconds(180))
        #expect(!mesh.changes.contains { $0.change.to == .dead })
        mesh.lossPercent = 0
        let isReached = mesh.run(for: .seconds(60)) { $0.isConverged }
        #expect(isReached)
    }

    @Test("a node that is back with a newer boot is believed at once, whatever was said of its last life")
    func restart() {
        var mesh = TestMesh.joined(5)
        mesh.kill(2)
        let isDead = mesh.run(for: .seconds(30)) { mesh in
            [0, 1, 3, 4].allSatisfy { mesh.state(of: 2, at: $0) == .dead }
        }
        #expect(isDead)
        mesh.reboot(2, epoch: 2)
        mesh.join(2, through: 4)
        let isReached = mesh.run(for: .seconds(2)) { $0.isConverged }
        #expect(isReached)
        #expect(mesh.nodes[0]?.boot(of: TestMesh.id(2))?.epoch == 2)
    }

    @Test("a node that restarts before it was missed is taken for its new self")
    func quickRestart() {
        var mesh = TestMesh.joined(5)
        mesh.kill(2)
        mesh.run(for: .milliseconds(100))
        mesh.reboot(2, epoch: 2)
        mesh.join(2, through: 4)
        let isReached = mesh.run(for: .seconds(5)) { $0.isConverged }
        #expect(isReached)
        #expect(!mesh.changes.contains { $0.change.to == .dead })
    }

    @Test("a mesh that went down as a whole finds itself by its memory", arguments: 0..<5 as Range<UInt64>)
    func massRestart(seed: UInt64) {
        var mesh = TestMesh.joined(20, seed: seed)
        let memory = (0..<20).map { TestMesh.description($0) }
        for node in 0..<20 { mesh.reboot(node, epoch: 2) }
        for node in 0..<20 { mesh.step(node, .remember(memory)) }
        let isReached = mesh.run(for: .seconds(60)) { $0.isConverged }
        #expect(isReached)
        #expect(!mesh.changes.contains { $0.change.to == .dead })
    }

    @Test("one that comes back last is found though nobody told it a seed")
    func lastOne() {
        var mesh = TestMesh()
        for _ in 0..<2 { mesh.boot() }
        mesh.isCut = { _, _ in true }
        mesh.step(0, .remember([TestMesh.description(1)]))
        mesh.run(for: .seconds(200))
        mesh.isCut = { _, _ in false }
        let isReached = mesh.run(for: .seconds(31)) { $0.isConverged && $0.nodes[0]?.memberCount == 2 }
        #expect(isReached)
    }

    @Test("two halves of a healed partition are one mesh within two push/pull intervals", arguments: [4, 10, 30])
    func partition(count: Int) {
        var mesh = TestMesh.joined(count)
        mesh.isCut = { ($0 < count / 2) != ($1 < count / 2) }
        mesh.run(for: .seconds(120))
        #expect(mesh.state(of: count - 1, at: 0) == .dead && mesh.state(of: 0, at: count - 1) == .dead)
        mesh.isCut = { _, _ in false }
        let isReached = mesh.run(for: .seconds(60)) { $0.isConverged }
        #expect(isReached)
    }

    @Test(
        "one node cut off and back is a member again within two push/pull intervals", arguments: 0..<5 as Range<UInt64>)
    func isolation(seed: UInt64) {
        var mesh = TestMesh.joined(20, seed: seed)
        mesh.isCut = { $0 == 3 || $1 == 3 }
        mesh.run(for: .seconds(120))
        #expect((0..<20).allSatisfy { $0 == 3 || mesh.state(of: 3, at: $0) == .dead })
        mesh.isCut = { _, _ in false }
        let isReached = mesh.run(for: .seconds(60)) { $0.isConverged }
        #expect(isReached)
    }

    @Test("the dead are forgotten after a day, those that left after an hour")
    func reaping() {
        var mesh = TestMesh.joined(3)
        mesh.step(1, .leave)
        mesh.run(for: .seconds(3))
        mesh.nodes[1] = nil
        mesh.kill(2)
        mesh.run(for: .seconds(60))
        #expect(mesh.nodes[0]?.memberCount == 3)
        mesh.run(for: .seconds(3700))
        #expect(mesh.nodes[0]?.memberCount == 2)
        #expect(mesh.nodes[0]?.history(of: TestMesh.id(1)).isEmpty == true)
        mesh.run(for: .seconds(24 * 3600))
        #expect(mesh.nodes[0]?.memberCount == 1)
    }

    @Test("the neighbours are three live members, told whenever they change")
    func neighbours() {
        var mesh = TestMesh.joined(10)
        let before = mesh.neighbours[0] ?? []
        #expect(before.count == 3 && !before.contains(TestMesh.id(0)))
        let victim = Int(before[0].low)
        mesh.kill(victim)
        mesh.run(for: .seconds(10))
        let after = mesh.neighbours[0] ?? []
        #expect(after.count == 3 && !after.contains(before[0]))
        #expect(Array(after.prefix(2)) == Array(before.suffix(2)))
    }
}
