internal import ArgumentParser
internal import FoundationEssentials
internal import MeshRuntime

struct DoctorCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look for what is wrong with a node, its machine and the ways to other members.",
        discussion: """
            Asks the daemon, which examines the ways to all members: UDP and TCP in both directions, packet sizes, \
            clocks, versions. Where no daemon runs, what can be seen before the first start is looked at: the data folder, \
            the disk, limits, ports and seeds. Ends with 1 if there is a problem; warnings alone end with 0.
            """)

    private static let patience = Duration.seconds(60)

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Option(help: ArgumentHelp("Ports to look at where no daemon runs.", valueName: "HOST:PORT")) var bind: String?
    @Option(help: ArgumentHelp("Likewise.", valueName: "HOST:PORT|none")) var http: String?
    @Option(help: ArgumentHelp("Seeds to look at where no daemon runs.", valueName: "HOST:PORT[,...]")) var join:
        [String] = []
    @Option(help: ArgumentHelp("The YAML file that 'start' is given.", valueName: "FILE")) var config: String?

    func run() async throws {
        let (view, bytes) = try await self.examined()
        try self.output.show(try bytes ?? jsonBytes(view)) {
            printLine(DoctorText.text(view, color: Terminal.hasColor))
        }
        if view.count(.problem) > 0 { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    private func examined() async throws -> (DoctorView, [UInt8]?) {
        do {
            return try await self.withNode { node in
                let (view, bytes) = try await node.decoded(DoctorView.self, "/v1/doctor", timeout: Self.patience)
                return (view, bytes)
            }
        } catch let failure as CommandFailure where failure.status == .unreachable && self.client.node == nil {
            return (await Doctor.examine(try self.configuration()), nil)
        }
    }

    /// As `start` would see it.
    private func configuration() throws -> NodeConfiguration {
        let environment = ProcessInfo.processInfo.environment
        var flags: [String: [String]] = [:]
        flags["data"] = self.namedFolder.map { [$0] }
        flags["bind"] = self.bind.map { [$0] }
        flags["http"] = self.http.map { [$0] }
        if !self.join.isEmpty { flags["join"] = self.join }
        var layers = ConfigurationLayers(flags: flags, environment: environment)
        if let path = self.config ?? environment["MESHNODE_CONFIG"], !path.isEmpty {
            layers.file = (path, try readInput(path, limit: DocumentParser.bytesMax))
        }
        do { return try layers.resolve() } catch { throw CommandFailure(error, status: .usage) }
    }
}
