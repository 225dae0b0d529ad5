internal import ArgumentParser
internal import FoundationEssentials

/// Which node a command talks to; for every command but `start`.
struct ClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A node's HTTP address; default the socket in the data folder. 'send' and 'call' try several, with commas between them.",
            valueName: "URL"))
    var node: String?

    @Option(
        name: .customLong("data-dir"),
        help: ArgumentHelp("The data folder of a node on this machine (or MESHNODE_DATA).", valueName: "DIR"))
    var dataFolder: String?

    @Option(
        help: ArgumentHelp(
            "File with the node's admin token, for --node; default MESHNODE_ADMIN_TOKEN or DIR/admin.token.",
            valueName: "FILE"))
    var tokenFile: String?

    @OptionGroup var output: OutputOptions
}

/// `--data` where it names the folder; `send` and `call` have another `--data`.
struct FolderOptions: ParsableArguments {
    @Option(name: .customLong("data"), help: ArgumentHelp("The same as --data-dir.", valueName: "DIR"))
    var dataFolder: String?
}

/// A command that asks a node.
protocol ClientCommand: AsyncParsableCommand {
    var client: ClientOptions { get }
    /// The data folder that was named, if one was.
    var namedFolder: String? { get }
}

/// One that may name the folder with `--data` too; all but `send` and `call`, whose `--data` is the body.
protocol FolderCommand: ClientCommand {
    var folder: FolderOptions { get }
}

extension FolderCommand {
    var namedFolder: String? { self.folder.dataFolder ?? self.client.dataFolder }
}

extension ClientCommand {
    var namedFolder: String? { self.client.dataFolder }

    var output: OutputOptions { self.client.output }

    func withNode<Result>(
        silenceMax: Duration? = nil, _ body: (NodeClient) async throws -> Result
    ) async throws -> Result {
        // Most commands are about the node that they ask: the first, if several are named.
        let address = try self.addresses()[0]
        return try await NodeClient.with(address, silenceMax: silenceMax, body)
    }

    func addresses() throws -> [NodeAddress] {
        try NodeAddress.all(
            node: self.client.node, data: self.namedFolder, tokenFile: self.client.tokenFile,
            environment: ProcessInfo.processInfo.environment)
    }
}
