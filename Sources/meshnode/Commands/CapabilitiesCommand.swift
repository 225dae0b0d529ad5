internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore
internal import MeshRuntime

struct CapabilitiesCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "capabilities", abstract: "Show what members can do: hardware, and what operators said.",
        discussion: "With --probe no node is asked: shows what one started here would advertise of this machine.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "Only this member, with every key.") var member: String?
    @Flag(help: "Read this machine; no daemon needs to run.") var probe = false
    @Option(help: ArgumentHelp("With --probe: as for 'start'.", valueName: "auto|none|PATH")) var nvml: String?

    private struct Nodes: Decodable { var nodes: [CapabilitiesView] }

    func validate() throws {
        guard !(self.probe && self.member != nil) else { throw ValidationError("--probe asks no member: leave it out") }
        guard self.probe || self.nvml == nil else { throw ValidationError("--nvml is for --probe") }
    }

    func run() async throws {
        if self.probe { return try self.showThisMachine() }
        try await self.withNode { node in
            let query = self.member.map { "?node=\(percentEncoded($0))" } ?? ""
            let (view, bytes) = try await node.decoded(Nodes.self, "/v1/capabilities\(query)")
            try self.output.show(bytes) { self.print(view.nodes) }
        }
    }

    private func print(_ nodes: [CapabilitiesView]) {
        guard self.member != nil, let only = nodes.first else {
            return printLine(CapabilitiesText.members(nodes, width: Terminal.width, color: Terminal.hasColor))
        }
        printLine(printable("\(only.name) (\(only.id.prefix(8))) is \(only.state)") + "\n")
        printLine(CapabilitiesText.all(only.capabilities, width: Terminal.width))
    }

    private struct Probed: Encodable {
        var capabilities: [String: String]
        var hardware: HardwareView?
        var failures: [String: String]
    }

    private func showThisMachine() throws {
        let environment = ProcessInfo.processInfo.environment
        let setting = try NVMLSetting(parsing: self.nvml ?? environment["MESHNODE_NVML"] ?? "auto")
        let host = HostReading(
            dataFolder: self.namedFolder ?? environment["MESHNODE_DATA"]
                ?? defaultDataFolder(home: environment["HOME"]))
        let answer = GPUReader(setting).read()
        let facts = host.facts + (answer?.reading?.facts ?? [])
        let labels = Dictionary(facts.map { ($0.label.key, $0.label.value) }, uniquingKeysWith: { $1 })
        var failures = host.failures.merging(answer?.reading?.failures ?? [:]) { $1 }
        failures["gpu"] = answer?.failure ?? failures["gpu"]
        try self.output.show(Probed(capabilities: labels, hardware: HardwareView(labels), failures: failures)) {
            printLine(CapabilitiesText.all(labels, width: Terminal.width))
            for (what, reason) in failures.sorted(by: { $0.key < $1.key }) {
                warn("\(what) is not advertised: \(printable(reason))")
            }
        }
    }
}
