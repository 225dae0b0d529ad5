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
            StartCommand.self, StatusCommand.self, MembersCommand.self, CapabilitiesCommand.self, DoctorCommand.self,
            LeaveCommand.self, DrainCommand.self, KeysCommand.self, TokenCommand.self, DataCommand.self,
            ApplyCommand.self, GetCommand.self, DeleteCommand.self, SendCommand.self, CallCommand.self,
            ActorsCommand.self, PartitionsCommand.self, ExplainCommand.self, DeadLettersCommand.self, InitCommand.self,
            EventCommand.self,
            LogsCommand.self, ConfigCommand.self, VersionCommand.self,
            CompletionCommand.self, ReadGPUsCommand.self,
            GuardCommand.self,
        ])

    static let version = "0.1.0"

    /// In place of the parser's own `main`: the exit statuses are ours.
    static func main() async {
        do {
            try self.checkArguments()
            var command = try await self.asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Glibc.exit(self.report(error).rawValue)
        }
    }

    /// Arguments arrive here as text with every byte that is not UTF-8 replaced: to go on would be to send something else
    /// than what was given.
    private static func checkArguments() throws {
        for index in 0..<Int(CommandLine.argc) {
            guard let argument = unsafe CommandLine.unsafeArgv[index] else { return }
            let bytes = unsafe UnsafeBufferPointer(start: argument, count: strlen(argument)).map {
                UInt8(bitPattern: $0)
            }
            guard String(validating: bytes, as: UTF8.self) == nil else { continue }
            throw CommandFailure(
                "argument \(index) is not UTF-8: '\(String(decoding: bytes, as: UTF8.self).prefix(64))'",
                hint: "give bytes that are no text on standard input, with - in their place, or with --file",
                status: .usage)
        }
    }
}
