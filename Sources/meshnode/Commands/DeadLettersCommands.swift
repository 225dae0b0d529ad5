internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore
internal import MeshRuntime

struct DeadLettersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deadletters", abstract: "Look at messages that could not be processed, and replay or purge them.",
        discussion: """
            A message becomes a dead letter when its turns failed as often as its actor's retry policy allows, or when it \
            has ended three activations. Whoever waited for its reply was told. The youngest 1000 of each partition are kept.
            """,
        subcommands: [
            DeadLettersListCommand.self, DeadLettersShowCommand.self, DeadLettersReplayCommand.self,
            DeadLettersPurgeCommand.self,
        ])
}

struct DeadLettersListCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List them by partition, the oldest first, one page at a time.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "Only of paths that begin so, such as /text/.") var prefix = ""
    @Option(help: ArgumentHelp("Those behind this one.", valueName: "ID")) var after: String?
    @Option(help: ArgumentHelp("At most so many, up to 256.", valueName: "N")) var limit = 100

    func run() async throws {
        try await self.withNode { node in
            var query = "/v1/deadletters?limit=\(self.limit)&prefix=\(percentEncoded(self.prefix))"
            if let after = self.after { query += "&after=\(percentEncoded(after))" }
            let (view, bytes) = try await node.decoded(DeadLettersView.self, query)
            try self.output.show(bytes) { self.print(view) }
        }
    }

    private func print(_ view: DeadLettersView) {
        var table = Table([
            .left("ID"), .flexible("PATH", min: 16), .left("SINCE"), .right("FAILURES"), .right("SIZE"),
            .flexible("REASON", min: 16),
        ])
        for letter in view.dead_letters {
            table.add([
                letter.id, letter.path, wallTime(letter.at), String(letter.failures),
                Human.bytes(Int(clamping: letter.bytes)), letter.reason,
            ])
        }
        printLine(table.text(width: Terminal.width, color: Terminal.hasColor))
        if let next = view.next { warn("there may be more: --after \(next)") }
        if !view.missing.isEmpty {
            warn("no answer in time from \(printable(view.missing.joined(separator: ", "))): what they lead is missing")
        }
    }
}

struct DeadLettersShowCommand: FolderCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one with its body.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "As 'list' names it, such as 17-3.") var id: String

    func run() async throws {
        try await self.withNode { node in
            let (letter, bytes) = try await node.decoded(
                DeadLetterView.self, "/v1/deadletters/\(percentEncoded(self.id))")
            try self.output.show(bytes) { self.print(letter) }
        }
    }

    private func print(_ letter: DeadLetterView) {
        printLine("id        \(letter.id)")
        printLine("path      \(printable(letter.path))")
        printLine("message   \(printable(letter.message_id))")
        printLine("sender    \(letter.sender.isEmpty ? "-" : printable(letter.sender))")
        printLine("since     \(wallTime(letter.at))")
        printLine("failures  \(letter.failures)")
        printLine("reason    \(printable(letter.reason))")
        if let body = letter.body { printLine("body      \(printable(body))") }
        if let body = letter.body_base64 { printLine("body      base64 \(body)") }
    }
}

private struct SelectionBody: Encodable {
    var ids: [String]?
    var prefix: String?
}

/// Something that is done to dead letters, each named or all of some paths.
protocol DeadLetterActCommand: FolderCommand {
    var ids: [String] { get }
    var prefix: String? { get }
    static var action: String { get }
    /// In the past tense.
    static var verb: String { get }
}

extension DeadLetterActCommand {
    func checkSelection() throws {
        guard self.ids.isEmpty != (self.prefix == nil) else {
            throw ValidationError("name dead letters by their ids, or all of some paths with --prefix")
        }
    }

    func run() async throws {
        let body = try jsonBytes(SelectionBody(ids: self.prefix == nil ? self.ids : nil, prefix: self.prefix))
        try await self.withNode { node in
            let (view, bytes) = try await node.decoded(
                DeadLetterResultView.self, "/v1/deadletters/\(Self.action)", method: "POST", body: body,
                timeout: .seconds(120))
            try self.output.show(bytes) { printLine("\(Self.verb) \(view.done.count)") }
            if !view.absent.isEmpty {
                warn("not there, or not any more: \(printable(view.absent.prefix(16).joined(separator: ", ")))")
            }
            if view.more { warn("there are more: say it again") }
            if !view.unreached.isEmpty {
                warn("no answer in time from \(printable(view.unreached.joined(separator: ", "))): say it again later")
            }
            guard self.prefix != nil || !view.done.isEmpty else { throw ExitCode(ExitStatus.notFound.rawValue) }
        }
    }
}

struct DeadLettersReplayCommand: DeadLetterActCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Put them back at the end of their mailboxes, without a deadline.")
    static let action = "replay"
    static let verb = "replayed"

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "As 'list' names them.") var ids: [String] = []
    @Option(help: ArgumentHelp("All of the paths that begin so; / is all there are.", valueName: "PATH"))
    var prefix: String?

    func validate() throws { try self.checkSelection() }
}

struct DeadLettersPurgeCommand: DeadLetterActCommand {
    static let configuration = CommandConfiguration(commandName: "purge", abstract: "Delete them for good.")
    static let action = "purge"
    static let verb = "purged"

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "As 'list' names them.") var ids: [String] = []
    @Option(help: ArgumentHelp("All of the paths that begin so; / is all there are.", valueName: "PATH"))
    var prefix: String?

    func validate() throws { try self.checkSelection() }
}
