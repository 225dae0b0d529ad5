import MeshCore
import Testing

@Suite("Convergence")
struct ConvergenceTests {
    @Test("nodes that joined through one seed all know each other", arguments: [2, 5, 20, 50])
    func joining(count: Int) {
        let mesh = TestMesh.joined(count)
        #expect(mesh.isConverged)
        #expect(mesh.refusals.isEmpty, "\(mesh.refusals.first.map { "\($0)" } ?? "")")
    }

    @Test("a killed process is known to all within the target", arguments: [5, 20], 0..<10 as Range<UInt64>)
    func killing(count: Int, seed: UInt64) {
        var mesh = TestMesh.joined(count, seed: seed)
        let start = mesh.now
        mesh.kill(2)
        let all = mesh.run(for: .seconds(30)) { mesh in
            mesh.nodes.indices.allSatisfy { $0 == 2 || mesh.state(of: 2, at: $0) == .dead }
        }
        #expect(all)
        #expect(mesh.now - start < .milliseconds(2550))
    }
}
