internal import HTTPTypes
internal import MeshCore
internal import MeshRuntime

extension HTTPField.Name {
    static let messageID = Self("Meshnode-Message-Id") ?? .eTag
    static let deadline = Self("Meshnode-Deadline-Ms") ?? .eTag
    static let delivery = Self("Meshnode-Delivery") ?? .eTag
    static let sender = Self("Meshnode-Sender") ?? .eTag
    static let idempotencyKey = Self("Idempotency-Key") ?? .eTag
    static let lastEventID = Self("Last-Event-ID") ?? .eTag
}

/// A request whose route is known and whose body, if the route takes one, has been read.
struct RoutedRequest: Sendable {
    static let headerValueBytesMax = 128
    static let deadlineMax: Int64 = 3_600_000

    var route: Route
    var headers: HTTPFields
    var query: [String: Substring]
    var body: [UInt8] = []

    /// Unknown parameters are refused: a filter that is spelled wrong must not answer with everything.
    init(route: Route, headers: HTTPFields, query: String?) throws(MeshError) {
        self.route = route
        self.headers = headers
        self.query = [:]
        for pair in (query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = percentDecoded(parts[0]), route.parameters.contains(name) else {
                let known =
                    route.parameters.isEmpty ? "it takes none" : "it takes \(route.parameters.joined(separator: ", "))"
                throw MeshError(.invalidArgument, "unknown query parameter '\(parts[0].prefix(64))'", hint: known)
            }
            guard let value = percentDecoded(parts.count > 1 ? parts[1] : "") else {
                throw MeshError(.invalidArgument, "the query parameter '\(name)' is not percent-encoded UTF-8")
            }
            self.query[name] = value[...]
        }
    }

    func prefix() throws(MeshError) -> String {
        let prefix = self.query["prefix"] ?? ""
        guard prefix.utf8.count <= ActorPath.bytesMax else {
            throw MeshError(.invalidArgument, "a prefix has at most \(ActorPath.bytesMax) bytes")
        }
        return String(prefix)
    }

    func isForced() throws(MeshError) -> Bool {
        switch self.query["force"] {
        case nil, "false": return false
        case "true": return true
        case .some: throw MeshError(.invalidArgument, "force is true or false")
        }
    }

    /// How long what was asked for may take.
    func patience() throws(MeshError) -> Duration? {
        guard let text = self.query["timeout_ms"] else { return nil }
        guard let milliseconds = Int64(text), 1...Self.deadlineMax ~= milliseconds else {
            throw MeshError(.invalidArgument, "timeout_ms is a whole number from 1 to \(Self.deadlineMax)")
        }
        return .milliseconds(milliseconds)
    }

    /// The last event that the reader knows. A browser that reconnects sends the header with the URL it began with, so
    /// the header is the newer one.
    func after() throws(MeshError) -> EventID? {
        if let text = self.headers[.lastEventID], !text.isEmpty {
            return try EventID.parse(text, from: "Last-Event-ID")
        }
        guard let text = self.query["after"] else { return nil }
        return try EventID.parse(text, from: "after")
    }

    /// How much of a list is wanted.
    func limit(_ name: String, default standard: Int) throws(MeshError) -> Int {
        guard let text = self.query[name] else { return standard }
        guard let number = Int(text), 0...LogQuery.linesMax ~= number else {
            throw MeshError(.invalidArgument, "\(name) is a whole number from 0 to \(LogQuery.linesMax)")
        }
        return number
    }

    /// The message that this request is, from its headers and body.
    func message(to path: ActorPath) throws(MeshError) -> OutgoingMessage {
        if let type = self.headers[.contentType], type.hasPrefix("application/json"), !isJSON(self.body) {
            throw MeshError(
                .invalidArgument, "the body is not JSON, though its Content-Type says so",
                hint: "mend the body, or send it as application/octet-stream")
        }
        var message = OutgoingMessage(path: path, body: self.body)
        message.sender = try self.text(.sender) ?? ""
        message.idempotencyKey = try self.text(.idempotencyKey)
        message.timeout = try self.timeout()
        if let delivery = self.headers[.delivery] {
            guard let delivery = Delivery(rawValue: delivery) else {
                throw MeshError(.invalidArgument, "Meshnode-Delivery is durable or ephemeral")
            }
            message.delivery = delivery
        }
        return message
    }

    private func timeout() throws(MeshError) -> Duration? {
        guard let text = self.headers[.deadline] else { return nil }
        guard let milliseconds = Int64(text), 1...Self.deadlineMax ~= milliseconds else {
            throw MeshError(
                .invalidArgument, "Meshnode-Deadline-Ms is a whole number from 1 to \(Self.deadlineMax)")
        }
        return .milliseconds(milliseconds)
    }

    /// A header that holds one short printable text.
    private func text(_ name: HTTPField.Name) throws(MeshError) -> String? {
        guard let text = self.headers[name] else { return nil }
        guard 1...Self.headerValueBytesMax ~= text.utf8.count, text.utf8.allSatisfy({ 0x20..<0x7F ~= $0 }) else {
            throw MeshError(
                .invalidArgument, "\(name.rawName) has 1 to \(Self.headerValueBytesMax) printable ASCII characters")
        }
        return text
    }
}
