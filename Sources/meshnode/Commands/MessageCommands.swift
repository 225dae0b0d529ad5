internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore
internal import MeshRuntime

/// What `send` and `call` have in common: a path, a body and how to deliver it.
struct MessageOptions: ParsableArguments {
    static let bodyBytesMax = 1 << 20
    /// What a node takes for one request.
    private static let timeouts: ClosedRange<Duration> = .milliseconds(1) ... .seconds(3600)

    @Argument(help: "The actor's path, such as /text/wordcount/a.") var path: String
    @Argument(help: ArgumentHelp("Reads the body from standard input.", valueName: "-")) var standardInput: String?

    @Option(help: ArgumentHelp("The body itself, such as '{\"add\":1}'.", valueName: "JSON")) var data: String?
    @Option(help: ArgumentHelp("A file that is the body; - is standard input.", valueName: "FILE")) var file: String?
    @Option(help: ArgumentHelp("How long it may take, such as 500ms or 30s.", valueName: "DURATION"))
    var timeout: String?
    @Option(help: ArgumentHelp("The same key and body are processed once.", valueName: "KEY"))
    var idempotencyKey: String?
    @Option(help: "durable survives crashes; ephemeral is faster and may be lost.") var delivery: MeshRuntime.Delivery =
        .durable

    func validate() throws {
        let sources = [self.data, self.file, self.standardInput].compactMap { $0 }
        guard sources.count <= 1 else { throw ValidationError("give one of --data, --file and -") }
        guard self.standardInput ?? "-" == "-" else {
            throw ValidationError("unexpected '\(self.standardInput ?? "")'; the body comes with --data, --file or -")
        }
    }

    func checkedPath() throws -> ActorPath {
        // As one segment it would be the actor of that very name, which nobody means.
        if let brace = self.path.firstIndex(of: "{") {
            let rest = self.path[brace...]
            let placeholder = rest.firstIndex(of: "}").map { String(rest[...$0]) } ?? String(rest)
            throw CommandFailure(
                "the path \(self.path) has a placeholder, which stands for the name of one actor",
                hint: "put a name in the place of \(placeholder), such as "
                    + self.path.replacing(placeholder, with: "a"), status: .usage)
        }
        do { return try ActorPath(self.path) } catch {
            throw CommandFailure(
                error.description, hint: "a path is such as /text/wordcount/a; encode other characters as %20",
                status: .usage)
        }
    }

    func body() throws -> [UInt8] {
        if let data = self.data { return Array(data.utf8) }
        guard let file = self.file ?? self.standardInput else { return [] }
        return try readInput(
            file, limit: Self.bodyBytesMax, mend: "split it, or send where the data lies instead of the data")
    }

    func checkedTimeout(default standard: Duration) throws -> Duration {
        guard let text = self.timeout else { return standard }
        let timeout: Duration
        do { timeout = try Duration(parsing: text) } catch {
            throw CommandFailure("--timeout: \(error)", status: .usage)
        }
        guard Self.timeouts.contains(timeout) else {
            throw CommandFailure(
                "--timeout: '\(text)' is not from 1ms to 1h",
                hint: "for what takes longer, 'send' the message: it is processed however long that takes",
                status: .usage)
        }
        return timeout
    }

    /// With a deadline the message itself expires: a call that nobody waits for need not run, but a sent message waits
    /// as long as it must, however short its sender's patience.
    func courier(_ addresses: [NodeAddress], _ body: [UInt8], timeout: Duration, expires: Bool) -> MessageCourier {
        let key = self.idempotencyKey ?? (self.delivery == .durable ? MessageCourier.newKey() : nil)
        return MessageCourier(
            addresses: addresses, method: "POST", headers: self.headers(body, key: key), body: body, timeout: timeout,
            expires: expires, isRepeatable: key != nil)
    }

    private func headers(_ body: [UInt8], key: String?) -> [(String, String)] {
        var headers = [
            ("Meshnode-Delivery", self.delivery.rawValue),
            ("Content-Type", isJSON(body) ? "application/json" : "application/octet-stream"),
        ]
        if let key { headers.append(("Idempotency-Key", key)) }
        return headers
    }
}

extension MeshRuntime.Delivery: ExpressibleByArgument {
    package static var allValueStrings: [String] { [Self.durable.rawValue, Self.ephemeral.rawValue] }
}

struct SendCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send a message to an actor; returns when it is durable.",
        discussion: "The data folder is named with --data-dir here, since --data is the body.")

    @OptionGroup var message: MessageOptions
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let (path, body) = (try self.message.checkedPath(), try self.message.body())
        let timeout = try self.message.checkedTimeout(default: .seconds(10))
        let courier = self.message.courier(try self.addresses(), body, timeout: timeout, expires: false)
        let answer = try await courier.deliver("/v1/send\(path)")
        try self.output.show(answer.body) {
            printLine(try JSONDecoder().decode(MessageReceipt.self, from: Data(answer.body)).id)
        }
    }
}

struct CallCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "call", abstract: "Send a message to an actor and print its reply.",
        discussion: "The data folder is named with --data-dir here, since --data is the body.")

    @OptionGroup var message: MessageOptions
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let (path, body) = (try self.message.checkedPath(), try self.message.body())
        let timeout = try self.message.checkedTimeout(default: .seconds(30))
        let courier = self.message.courier(try self.addresses(), body, timeout: timeout, expires: true)
        let answer = try await courier.deliver("/v1/call\(path)")
        let json =
            Array("{\"id\":\"\(answer.messageID)\",\"reply\":".utf8) + self.embedded(answer.body) + Array("}".utf8)
        try self.output.show(json) { self.printReply(answer.body) }
    }

    /// As it came; a newline only after JSON, where it changes nothing, and for eyes.
    private func printReply(_ body: [UInt8]) {
        let needsNewline = body.last != 0x0A && (isJSON(body) || Terminal.isInteractive)
        printRaw(needsNewline ? body + [0x0A] : body)
    }

    /// JSON as it is, text as a string, other bytes in base64 under a name that says so.
    private func embedded(_ body: [UInt8]) -> [UInt8] {
        if isJSON(body) { return body }
        let encoder = JSONEncoder()
        guard let text = String(validating: body, as: UTF8.self) else {
            return Array("{\"base64\":\"\(Data(body).base64EncodedString())\"}".utf8)
        }
        return (try? encoder.encode(text)).map { Array($0) } ?? []
    }
}
