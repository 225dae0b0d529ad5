internal import ArgumentParser

/// One binary: the daemon and the tool that talks to it.
@main
struct Meshnode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meshnode",
        abstract: "A mesh of machines that runs durable actors.",
        version: version,
        subcommands: [StartCommand.self])

    static let version = "0.1.0"
}
