internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore
internal import MeshRuntime

struct DrainCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Make a node give away what it leads and holds, for as long as its machine is worked on.",
        discussion: """
            Without a name it is the node that is asked. No call fails by it: leadership moves after the turns under way, a \
            few partitions at a time, and replicas where another member can take them; where none can they stay, and the \
            node may be stopped all the same. The mark is kept over restarts, until --cancel.
            """)

    private static let interval = Duration.milliseconds(250)

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "Name, id or beginning of the id of a member.") var member: String?
    @Flag(help: "End the drain: the node gets its share again.") var cancel = false
    @Flag(help: "Only show how far it is.") var status = false
    @Flag(help: "Do not wait until it is done.") var noWait = false
    @Option(help: ArgumentHelp("Why, for those who ask later.", valueName: "TEXT")) var reason = ""
    @Option(help: ArgumentHelp("How long to wait until it is done.", valueName: "DURATION")) var timeout = "10m"

    func validate() throws {
        guard !(self.cancel && self.status) else { throw ValidationError("give one of --cancel and --status") }
    }

    func run() async throws {
        let patience: Duration
        do { patience = try Duration(parsing: self.timeout) } catch {
            throw CommandFailure("--timeout: \(error)", status: .usage)
        }
        try await self.withNode { node in
            let name = try await self.name(at: node)
            let path = "/v1/members/\(percentEncoded(name))/drain"
            let (method, query) =
                self.status
                ? ("GET", "") : self.cancel ? ("DELETE", "") : ("POST", "?reason=\(percentEncoded(self.reason))")
            var (view, bytes) = try await node.decoded(DrainView.self, path + query, method: method)
            if method == "POST", !self.noWait {
                let deadline = ContinuousClock.now + patience
                while view.state == "draining" {
                    guard ContinuousClock.now < deadline else {
                        throw CommandFailure(
                            "\(printable(view.name)) is not drained after \(self.timeout): \(Self.rest(of: view))",
                            hint: "it goes on by itself; look with --status, or end it with --cancel", status: .timedOut
                        )
                    }
                    try await Task.sleep(for: Self.interval)
                    let before = view
                    (view, bytes) = try await node.decoded(DrainView.self, path)
                    let isNews = (view.leads, view.replicas) != (before.leads, before.replicas)
                    if isNews, view.state == "draining", self.output.isText { warn(Self.rest(of: view)) }
                }
            }
            try self.output.show(bytes) { printLine(Self.text(of: view)) }
        }
    }

    private func name(at node: NodeClient) async throws -> String {
        if let member = self.member { return member }
        return try await node.decoded(StatusView.self, "/v1/status").value.node.id
    }

    private static func rest(of view: DrainView) -> String {
        "\(view.leads) partitions to hand over, \(view.replicas) replicas"
    }

    private static func text(of view: DrainView) -> String {
        let name = printable(view.name)
        let reason = view.reason.isEmpty ? "" : " (\(printable(view.reason)))"
        switch view.state {
        case "active": return "\(name) is active: it leads \(view.leads) partitions and holds \(view.replicas) replicas"
        case "drained" where view.kept == 0: return "\(name) is drained\(reason): it leads and holds nothing"
        case "drained":
            return
                "\(name) is drained\(reason): it leads nothing; \(view.kept) replicas stay, since no other member could "
                + "take them"
        default: return "\(name) is \(view.state)\(reason): \(self.rest(of: view))"
        }
    }
}
