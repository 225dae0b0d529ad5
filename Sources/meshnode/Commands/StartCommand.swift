internal import ArgumentParser

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Run the daemon in the foreground: create a mesh, resume one, or join one.")

    func run() async throws {
        try await Daemon.run(NodeConfiguration())
    }
}
