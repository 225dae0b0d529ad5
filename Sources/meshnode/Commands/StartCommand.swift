internal import ArgumentParser
internal import Glibc

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Run the daemon in the foreground.",
        discussion: """
            Creates a mesh, resumes the one of the data folder, or joins one with --join and a token. Every flag can \
            also be given as MESHNODE_NAME in the environment or in the file of --config; 'meshnode config' shows \
            what holds and why.
            """)

    @OptionGroup var options: NodeOptions

    func run() async throws {
        var configuration = try self.options.resolve()
        if case .flag = configuration.origins["token"] {
            warn("the token of --token shows in ps; use --token-file or MESHNODE_TOKEN")
        }
        if configuration.token == nil, let file = configuration.tokenFile {
            let bytes = try readInput(file, limit: 64 << 10)
            configuration.token = String(decoding: bytes, as: UTF8.self)
                .split(whereSeparator: \.isWhitespace).joined()
        }
        // Children that the daemon starts, and their children, would inherit it.
        _ = unsafe unsetenv("MESHNODE_TOKEN")
        try await Daemon.run(configuration) { [options] in try options.resolve() }
    }
}
