internal import ArgumentParser
internal import Glibc

/// Runs simulated meshes: one seed, a range of them, or the same seeds under two settings.
@main
struct MeshSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meshsim",
        abstract: "Simulate meshes in virtual time, with faults drawn from a seed.",
        discussion: """
            A run is a function of its arguments: the same line gives the same trace hash.
            Exit status: 0 every invariant held, 1 one was broken, 2 the arguments make no sense.
            """,
        subcommands: [
            MembershipCommand.self, RaftCommand.self, ClusterCommand.self, CompareCommand.self, CheckCommand.self,
        ])

    static func main() {
        do {
            var command = try MeshSim.parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)
        } catch {
            guard MeshSim.exitCode(for: error) == .validationFailure else { MeshSim.exit(withError: error) }
            Console.complain(MeshSim.fullMessage(for: error))
            Glibc.exit(2)
        }
    }
}
