internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore

/// The flags of `start` and `config`: one per setting, all read as text so that one parser judges every layer.
struct NodeOptions: ParsableArguments {
    @Option(help: .of("data")) var data: String?
    @Option(help: .of("name")) var name: String?
    @Option(help: .of("bind")) var bind: String?
    @Option(help: .of("advertise")) var advertise: String?
    @Option(help: .of("http")) var http: String?
    @Option(help: .of("profile")) var profile: String?
    @Option(help: .of("zone")) var zone: String?
    @Option(help: .of("tag")) var tag: [String] = []
    @Option(help: .of("capability")) var capability: [String] = []
    @Option(help: .of("nvml")) var nvml: String?
    @Option(help: .of("memory")) var memory: String?
    @Option(help: .of("log-format")) var logFormat: String?
    @Option(help: .of("log-level")) var logLevel: String?
    @Option(help: .of("join")) var join: [String] = []
    @Option(help: .of("token-file")) var tokenFile: String?
    @Option(help: .of("token")) var token: String?
    @Option(help: ArgumentHelp("YAML file with any of these, each under the name of its flag.", valueName: "FILE"))
    var config: String?

    /// By the setting's name.
    var given: [String: [String]] {
        [
            "data": self.data.map { [$0] }, "name": self.name.map { [$0] }, "bind": self.bind.map { [$0] },
            "advertise": self.advertise.map { [$0] }, "http": self.http.map { [$0] },
            "profile": self.profile.map { [$0] }, "zone": self.zone.map { [$0] }, "tag": self.tag,
            "capability": self.capability, "nvml": self.nvml.map { [$0] }, "memory": self.memory.map { [$0] },
            "log-format": self.logFormat.map { [$0] },
            "log-level": self.logLevel.map { [$0] }, "join": self.join, "token-file": self.tokenFile.map { [$0] },
            "token": self.token.map { [$0] },
        ].compactMapValues { $0 }
    }

    /// All layers together; a mistake in any of them is one of usage.
    func resolve() throws -> NodeConfiguration {
        let environment = ProcessInfo.processInfo.environment
        var layers = ConfigurationLayers(flags: self.given, environment: environment)
        if let path = self.config ?? environment["MESHNODE_CONFIG"], !path.isEmpty {
            layers.file = (path, try readInput(path, limit: DocumentParser.bytesMax))
        }
        do { return try layers.resolve() } catch { throw CommandFailure(error, status: .usage) }
    }
}

extension ArgumentHelp {
    /// From the table of settings, which a test compares with the flags above.
    fileprivate static func of(_ name: String) -> ArgumentHelp {
        guard let setting = Setting.named(name) else { preconditionFailure("no setting \(name)") }
        return ArgumentHelp("\(setting.help)", valueName: setting.placeholder)
    }
}
