internal import ArgumentParser
internal import FoundationEssentials

struct EventCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event", abstract: "Tell every member something small, or watch what is told.",
        subcommands: [EventSendCommand.self, EventWatchCommand.self])
}

struct EventSendCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send a named event of up to 512 bytes to every member, once.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "Up to 64 bytes.") var name: String
    @Argument(help: "Text; - reads standard input.") var payload = ""

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
            if self.isJSON { self.printAnswer(answer.body) }
        }
    }
}

struct EventWatchCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Print events as they come, one per line, until interrupted.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Option(help: ArgumentHelp("Any of member, user, definition.", valueName: "KIND[,KIND]")) var kinds: String?

    func run() async throws {
        try await self.withNode { node in
            let query = self.kinds.map { "?kinds=\(percentEncoded($0))" } ?? ""
            try await node.events("/v1/events\(query)") { kind, data in
                if self.isJSON {
                    printRaw(Array("{\"kind\":\"\(kind)\",\"event\":".utf8) + data + Array("}\n".utf8))
                } else {
                    printLine(printable("\(kind) \(String(decoding: data, as: UTF8.self))"))
                }
            }
            throw CommandFailure("the node ended the stream", status: .unreachable)
        }
    }
}
