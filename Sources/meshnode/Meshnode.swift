internal import ArgumentParser
internal import Glibc

/// One binary: the daemon and the tool that talks to it.
@main
struct Meshnode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meshnode",
        abstract: "A mesh of machines that runs durable actors.",
        version: version,
        subcommands: [
            StartCommand.self, StatusCommand.self, MembersCommand.self, CapabilitiesCommand.self, LeaveCommand.self,
            KeysCommand.self,
            TokenCommand.self,
            ApplyCommand.self, GetCommand.self, DeleteCommand.self, SendCommand.self, CallCommand.self,
            ActorsCommand.self, EventCommand.self, LogsCommand.self, ConfigCommand.self, VersionCommand.self,
            CompletionCommand.self, ReadGPUsCommand.self,
            GuardCommand.self,
        ])

    static let version = "0.1.0"

    /// In place of the parser's own `main`: the exit statuses are ours.
    static func main() async {
        do {
            var command = try self.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Glibc.exit(self.report(error).rawValue)
        }
    }
}
