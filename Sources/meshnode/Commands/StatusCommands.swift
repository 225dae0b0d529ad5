internal import ArgumentParser
internal import MeshCore
internal import MeshRuntime

struct StatusCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the mesh, this node, and every member.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Flag(help: "Show it again every second until interrupted.") var watch = false
    @Flag(help: "Show each member's processors, memory and GPUs too.") var wide = false
    @Option(help: ArgumentHelp("Tell the story of one member instead.", valueName: "NODE"), completion: .members)
    var why: String?
    @Flag(help: "Only ask whether the node is in its mesh and serves: exit status 0 if so. For health checks.")
    var ready = false

    func validate() throws {
        let asked = [self.watch, self.why != nil, self.ready].count { $0 }
        guard asked <= 1 else { throw ValidationError("--watch, --why and --ready exclude each other") }
    }

    func run() async throws {
        try await self.withNode { node in
            if self.ready {
                _ = try await node.request("GET", "/readyz")
                return try self.output.show(["state": "ready"]) { printLine("ready") }
            }
            if let name = self.why {
                let (view, bytes) = try await node.decoded(
                    WhyView.self, "/v1/members/\(percentEncoded(name))/why")
                return try self.output.show(bytes) {
                    printLine(StatusText.why(view, width: Terminal.width, color: Terminal.hasColor))
                }
            }
            repeat { try await self.show(node) } while try await self.shouldRepeat()
        }
    }

    private func show(_ node: NodeClient) async throws {
        do {
            let (view, bytes) = try await node.decoded(StatusView.self, "/v1/status")
            let text = {
                self.clear()
                printLine(StatusText.status(view, isWide: self.wide, width: Terminal.width, color: Terminal.hasColor))
            }
            self.watch ? try self.output.showNext(bytes, text: text) : try self.output.show(bytes, text: text)
        } catch let failure as CommandFailure where self.watch && failure.isAbsence {
            // A watcher outlives the restart of its node.
            self.clear()
            printLine(failure.message)
        }
    }

    private func clear() {
        if self.watch, Terminal.isInteractive { printRaw(Array("\u{1B}[H\u{1B}[2J".utf8)) }
    }

    private func shouldRepeat() async throws -> Bool {
        guard self.watch else { return false }
        try await Task.sleep(for: .seconds(1))
        return true
    }
}

struct MembersCommand: FolderCommand {
    static let configuration = CommandConfiguration(commandName: "members", abstract: "List the members of the mesh.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions

    @Flag(help: "Show each member's processors, memory and GPUs too.") var wide = false

    private struct Members: Decodable { var members: [MemberView] }

    func run() async throws {
        try await self.withNode { node in
            let (view, bytes) = try await node.decoded(Members.self, "/v1/members")
            try self.output.show(bytes) {
                printLine(
                    StatusText.members(
                        view.members, isWide: self.wide, width: Terminal.width, color: Terminal.hasColor))
            }
        }
    }
}

struct ActorsCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "actors", abstract: "List actors that have a mailbox or an activation.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "Only paths that begin so, such as /text/.") var prefix = ""

    func run() async throws {
        try await self.withNode { node in
            let (view, bytes) = try await node.decoded(
                ActorsView.self, "/v1/actors?prefix=\(percentEncoded(self.prefix))")
            try self.output.show(bytes) { self.print(view) }
        }
    }

    private func print(_ view: ActorsView) {
        var table = Table([
            .flexible("PATH", min: 24), .flexible("NODE", min: 8), .flexible("DEFINITION", min: 8), .left("STATE"),
            .right("DEPTH"), .right("PROCESSED"),
        ])
        for actor in view.actors {
            table.add(
                [
                    actor.path, actor.node, Human.text(actor.definition), actor.state, String(actor.depth),
                    String(actor.processed),
                ], styles: [3: Style(state: actor.state)])
        }
        printLine(table.text(width: Terminal.width, color: Terminal.hasColor))
        if !view.missing.isEmpty {
            warn(
                "no answer in time from \(printable(view.missing.joined(separator: ", "))): their actors are missing"
            )
        }
    }
}

struct LeaveCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave", abstract: "Make the node leave the mesh and end its daemon.",
        discussion: """
            It gives away what it leads and holds first, so that the others need it no more. If that is not done in time the \
            node stays and says why. For a node that comes back soon a stop is enough, or 'drain'.
            """)

    /// For turns under way, once nothing holds the node back.
    private static let patience = Duration.seconds(60)

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Flag(help: "Go at once: the others may have no quorum without what is here.") var force = false
    @Option(help: ArgumentHelp("How long giving away what it holds may take, up to 1h.", valueName: "DURATION"))
    var timeout = "2m"

    func run() async throws {
        let patience: Duration
        do { patience = try Duration(parsing: self.timeout) } catch {
            throw CommandFailure("--timeout: \(error)", status: .usage)
        }
        try await self.withNode { node in
            _ = try await node.request(
                "POST", "/v1/leave?force=\(self.force)&timeout_ms=\(patience.nanoseconds / 1_000_000)",
                timeout: patience + NodeClient.timeoutDefault)
            try await self.waitForEnd(of: node)
            try self.output.show(["state": "left"]) {
                printLine("left the mesh")
            }
        }
    }

    /// The daemon lets turns in flight end and tells the members before it goes.
    private func waitForEnd(of node: NodeClient) async throws {
        let deadline = ContinuousClock.now + Self.patience
        while ContinuousClock.now < deadline {
            do { _ = try await node.request("GET", "/healthz") } catch let failure as CommandFailure {
                // A connection that broke in the middle of the end counts as well: nobody is there.
                guard failure.status != .unreachable else { return }
                throw failure
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw CommandFailure(
            "the node is leaving, and still runs after \(Self.patience)", hint: "its log tells what it waits for",
            status: .timedOut)
    }
}
