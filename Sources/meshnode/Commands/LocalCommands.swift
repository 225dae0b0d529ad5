internal import ArgumentParser
internal import FoundationEssentials

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Print the join token of the mesh that the data folder belongs to.",
        discussion: "Whoever has the token can join the mesh. It is read from the folder: no daemon needs to run.")

    @OptionGroup var folder: FolderOptions
    @Option(name: .customLong("data-dir"), help: ArgumentHelp("The data folder (or MESHNODE_DATA).", valueName: "DIR"))
    var dataFolder: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
        let environment = ProcessInfo.processInfo.environment
        let path =
            self.folder.dataFolder ?? self.dataFolder ?? environment["MESHNODE_DATA"]
            ?? defaultDataFolder(home: environment["HOME"])
        guard let token = try DataFolder(existing: path).meshToken() else {
            throw CommandFailure(
                "there is no mesh in \(path)", hint: "create or join one with 'meshnode start'", status: .notFound)
        }
        switch self.output.format {
        case .table: printLine(token)
        case .json: try printJSON(["token": token])
        }
    }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    @OptionGroup var output: OutputOptions

    func run() throws {
        switch self.output.format {
        case .table: printLine("meshnode \(Meshnode.version)")
        case .json: try printJSON(["version": Meshnode.version])
        }
    }
}

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Print a completion script for a shell.",
        discussion: "For bash: meshnode completions bash > /etc/bash_completion.d/meshnode")

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
