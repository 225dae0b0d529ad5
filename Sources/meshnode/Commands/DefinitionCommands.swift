internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore
internal import MeshRuntime

private struct Definitions: Codable { var definitions: [DefinitionView] }

struct ApplyCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Create or change definitions from YAML or JSON: all of them or none.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Option(name: .shortAndLong, help: ArgumentHelp("The definitions; - is standard input.", valueName: "FILE"))
    var file: String

    func run() async throws {
        let bytes = try readInput(self.file, limit: DocumentParser.bytesMax)
        // Read here first: a mistake names the file, and no node is needed to find it.
        do { _ = try DefinitionReader.read(bytes) } catch {
            throw CommandFailure(
                "\(self.file == "-" ? "standard input" : self.file): \(error.message)", hint: error.hint)
        }
        try await self.withNode { node in
            let (view, answer) = try await node.decoded(
                Definitions.self, "/v1/definitions", method: "POST", body: bytes)
            try self.output.show(answer) {
                for definition in view.definitions { printLine(printable("\(definition.name) \(definition.change)")) }
            }
        }
    }
}

struct GetCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "List the definitions, or print one as it was applied.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "The name of a definition.", completion: .definitions) var name: String?

    func run() async throws {
        try await self.withNode { node in
            if let name = self.name {
                let (view, bytes) = try await node.decoded(
                    DefinitionView.self, "/v1/definitions/\(percentEncoded(name))")
                return try self.output.show(bytes) {
                    printRaw(Array((view.source.hasSuffix("\n") ? view.source : view.source + "\n").utf8))
                }
            }
            let (view, bytes) = try await node.decoded(Definitions.self, "/v1/definitions")
            try self.output.show(bytes) { self.print(view.definitions) }
        }
    }

    private func print(_ definitions: [DefinitionView]) {
        var table = Table([
            .flexible("NAME", min: 12), .flexible("PATH", min: 20), .right("VERSION"),
            .flexible("APPLIED AT", min: 8),
        ])
        for definition in definitions {
            table.add([definition.name, definition.path, String(definition.version), definition.origin])
        }
        printLine(table.text(width: Terminal.width, color: Terminal.hasColor))
    }
}

struct DeleteCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a definition; its actors stop answering, and their messages wait.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "The name of the definition.", completion: .definitions) var name: String

    private struct Deleted: Encodable {
        var change = "deleted"
        var name: String
        // The name in the JSON.
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var messages_waiting: Int
    }

    /// Messages for its actors, on the members that answer.
    private func waiting(_ node: NodeClient) async throws -> (path: String, count: Int) {
        let view = try await node.decoded(DefinitionView.self, "/v1/definitions/\(percentEncoded(self.name))").value
        guard let pattern = try? PathPattern(view.path) else { return (view.path, 0) }
        let actors = try await node.decoded(
            ActorsView.self, "/v1/actors?prefix=\(percentEncoded(pattern.prefix))"
        ).value.actors
        return (view.path, actors.filter { $0.definition == self.name }.reduce(0) { $0 + $1.depth })
    }

    func run() async throws {
        try await self.withNode { node in
            // Afterwards nobody could say whose they were.
            let waiting = try await self.waiting(node)
            _ = try await node.request("DELETE", "/v1/definitions/\(percentEncoded(self.name))")
            try self.output.show(Deleted(name: self.name, messages_waiting: waiting.count)) {
                printLine(printable("\(self.name) deleted"))
                guard waiting.count > 0 else { return }
                let count = waiting.count == 1 ? "1 message waits" : "\(waiting.count) messages wait"
                printLine(printable("\(count) until a definition for \(waiting.path) is applied again"))
            }
        }
    }
}
