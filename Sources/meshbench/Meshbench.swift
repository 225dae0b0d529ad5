internal import ArgumentParser

@main
struct Meshbench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meshbench",
        abstract: "Measures parts of a node on this machine, next to the bound that its libraries set.",
        subcommands: [Packet.self, MembershipCommand.self, StorageCommand.self, MailboxCommand.self])
}
