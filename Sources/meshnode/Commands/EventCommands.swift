internal import ArgumentParser
internal import FoundationEssentials
internal import MeshRuntime

struct EventCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event", abstract: "Watch what happens in the mesh, or tell every member something small.",
        subcommands: [EventSendCommand.self, EventListCommand.self, EventFollowCommand.self],
        defaultSubcommand: EventFollowCommand.self, aliases: ["events"])
}

struct EventSendCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send a named event of up to 512 bytes to every member, once.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "Up to 64 bytes.") var name: String
    @Argument(help: "Text; - reads standard input, which may be any bytes.") var payload = ""

    private struct Body: Encodable {
        var name: String
        var payload: String?
        // The name in the JSON.
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var payload_base64: String?
    }

    func run() async throws {
        let payload = self.payload == "-" ? try readInput("-", limit: 64 << 10) : Array(self.payload.utf8)
        var body = Body(name: self.name, payload: String(validating: payload, as: UTF8.self))
        if body.payload == nil { body.payload_base64 = Data(payload).base64EncodedString() }
        let bytes = Array(try JSONEncoder().encode(body))
        try await self.withNode { node in
            let answer = try await node.request(
                "POST", "/v1/events", headers: [("Content-Type", "application/json")], body: bytes)
            try self.output.show(answer.body) {}
        }
    }
}

/// Which events; for `list` and `follow`.
struct EventOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Any of membership, definitions, user, logs; default the first three.", valueName: "TYPE[,TYPE]"))
    var type: String?
    @Option(help: ArgumentHelp("Only what came after the event with this id, such as 7-1042.", valueName: "ID"))
    var after: String?

    /// Of the query.
    var parameters: [String] {
        let types = self.type ?? EventKind.allCases.filter { $0 != .logs }.map(\.rawValue).joined(separator: ",")
        return ["type=\(percentEncoded(types))"] + (self.after.map { ["after=\(percentEncoded($0))"] } ?? [])
    }
}

struct EventListCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print the last events that the node keeps.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @OptionGroup var events: EventOptions
    @Option(help: ArgumentHelp("How many, at most.", valueName: "N")) var lines = 100

    private struct List: Decodable {
        var events: [EventRecord]
        var gap: GapRecord?
    }

    func run() async throws {
        let parameters = self.events.parameters + ["limit=\(self.lines)"]
        try await self.withNode { node in
            let (list, answer) = try await node.decoded(
                List.self, "/v1/events?\(parameters.joined(separator: "&"))")
            try self.output.show(answer) {
                if let gap = list.gap { warn(gap.text) }
                for event in list.events { printLine(event.text) }
            }
        }
    }
}

struct EventFollowCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Print events as they come, one per line, until interrupted.",
        discussion: """
            When the node goes away, it is asked again every second and told the last event that was printed: nothing \
            is printed twice, and a line on standard error says what is missing.
            """, aliases: ["watch"])

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @OptionGroup var events: EventOptions

    func run() async throws {
        try await self.withNode(silenceMax: NodeClient.streamSilenceMax) { node in
            var last = ""
            var wasConnected = false
            while true {
                do {
                    let path = "/v1/events?\(self.events.parameters.joined(separator: "&"))"
                    try await node.events(path, after: last, onConnect: { wasConnected = true }) { event in
                        last = event.id
                        try self.show(event)
                    }
                    warn("the node ended the stream; it is asked again every second")
                } catch let failure as CommandFailure where failure.isAbsence && wasConnected {
                    warn("\(failure.message); it is asked again every second")
                }
                try await self.reconnect(to: node)
            }
        }
    }

    /// Until the node answers again.
    private func reconnect(to node: NodeClient) async throws {
        while true {
            try await Task.sleep(for: .seconds(1))
            do {
                _ = try await node.request("GET", "/healthz")
                return
            } catch let failure as CommandFailure where failure.isAbsence {
                continue
            }
        }
    }

    private func show(_ event: EventParser.Event) throws {
        if event.kind == "gap" {
            let gap = try JSONDecoder().decode(GapRecord.self, from: Data(event.data))
            // For programs too: a gap is not an event.
            return warn(gap.text)
        }
        try self.output.showNext(event.data) {
            printLine(try JSONDecoder().decode(EventRecord.self, from: Data(event.data)).text)
        }
    }
}
