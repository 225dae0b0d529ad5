internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore
internal import MeshTransport

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Print the join token of the mesh that the data folder belongs to.",
        discussion: """
            Whoever has the token can join the mesh. It is read from the folder: no daemon needs to run. With --new it \
            is the token of a mesh that nobody is in yet: nodes that are given it, and each other with --join, make \
            that mesh, and none of them is the first. With --nodes it says how many of them there are: the mesh begins \
            when that many are together.
            """)

    @OptionGroup var folder: FolderOptions
    @Option(name: .customLong("data-dir"), help: ArgumentHelp("The data folder (or MESHNODE_DATA).", valueName: "DIR"))
    var dataFolder: String?
    @Flag(help: "Make the token of a new mesh; nothing is read and nothing is kept.") var new = false
    @Option(help: ArgumentHelp("With --new: how many nodes make the mesh, 2 to 255.", valueName: "N"))
    var nodes: Int?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let nodes = self.nodes {
            guard self.new else { throw ValidationError("--nodes is of the token of a new mesh: add --new") }
            guard JoinToken.foundersRange ~= nodes else {
                throw ValidationError("--nodes is \(nodes); equals that make a mesh are 2 to 255")
            }
        }
        guard !self.new || (self.folder.dataFolder == nil && self.dataFolder == nil) else {
            throw ValidationError("--new reads no data folder: leave --data out")
        }
    }

    func run() throws {
        let token = self.new ? self.newToken() : try self.tokenOfFolder()
        try self.output.show(["token": token]) { printLine(token) }
    }

    private func newToken() -> String {
        var token = MeshKeys.generate().token(cluster: .random())
        token.founders = self.nodes
        return token.text
    }

    private func tokenOfFolder() throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let path =
            self.folder.dataFolder ?? self.dataFolder ?? environment["MESHNODE_DATA"]
            ?? defaultDataFolder(home: environment["HOME"])
        guard let token = try DataFolder(existing: path).meshToken() else {
            throw CommandFailure(
                "there is no mesh in \(path)", hint: "create or join one with 'meshnode start'", status: .notFound)
        }
        return token
    }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    @OptionGroup var output: OutputOptions

    func run() throws {
        try self.output.show(["version": Meshnode.version]) { printLine("meshnode \(Meshnode.version)") }
    }
}

struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print a completion script for a shell.",
        discussion: """
            bash: meshnode completion bash > /etc/bash_completion.d/meshnode
            zsh:  meshnode completion zsh > /usr/local/share/zsh/site-functions/_meshnode
            fish: meshnode completion fish > /etc/fish/completions/meshnode.fish
            Names of members and definitions are completed too, from the node of MESHNODE_NODE or MESHNODE_DATA.
            """, aliases: ["completions"])

    enum Shell: String, ExpressibleByArgument, CaseIterable { case bash, zsh, fish }

    @Argument(help: "bash, zsh or fish.") var shell: Shell

    func run() throws {
        let shell: CompletionShell =
            switch self.shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        printLine(Meshnode.completionScript(for: shell))
    }
}
