internal import AsyncHTTPClient
internal import FoundationEssentials
internal import Glibc
internal import MeshCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Asks a node over HTTP. Every failure becomes a `CommandFailure` with its exit status.
struct NodeClient: Sendable {
    static let answerBytesMax = 64 << 20
    static let connectTimeout = Duration.seconds(3)
    static let timeoutDefault = Duration.seconds(15)
    /// A node that has no events says so every 15 seconds: after so long it hangs, or the way to it is cut.
    static let streamSilenceMax = Duration.seconds(45)

    static let mendOfSilence = "it hangs, or its machine is overloaded: its log and 'top' there tell more; try again"

    let address: NodeAddress
    private let client: HTTPClient

    struct Answer: Sendable {
        /// Of the message that the request was, if it was one.
        var messageID: String
        var body: [UInt8]
    }

    /// A node that says nothing for `silenceMax` in the middle of an answer is taken to be away.
    static func with<Result>(
        _ address: NodeAddress, silenceMax: Duration? = nil, _ body: (NodeClient) async throws -> Result
    ) async throws -> Result {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = TimeAmount(self.connectTimeout)
        configuration.timeout.read = silenceMax.map { TimeAmount($0) }
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        // Somebody waits for the answer, and "nobody there" is one.
        configuration.connectionPool.retryConnectionEstablishment = false
        return try await HTTPClient.withHTTPClient(configuration: configuration) { client in
            try await body(NodeClient(address: address, client: client))
        }
    }

    /// The answer to a success; anything else is thrown. `mend` is what can be done if none comes in time.
    func request(
        _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil,
        timeout: Duration = NodeClient.timeoutDefault, mend: String = NodeClient.mendOfSilence
    ) async throws -> Answer {
        var request = self.prepared(method, path, headers)
        if let body { request.body = .bytes(body) }
        do {
            let response = try await self.client.execute(request, timeout: TimeAmount(timeout))
            let bytes = Array(buffer: try await response.body.collect(upTo: Self.answerBytesMax))
            guard 200..<300 ~= response.status.code else { throw self.failure(response.status, bytes) }
            return Answer(messageID: response.headers.first(name: "Meshnode-Message-Id") ?? "", body: bytes)
        } catch {
            throw self.failure(error, timeout, mend, mayHaveActed: method != "GET")
        }
    }

    func decoded<Value: Decodable>(
        _ type: Value.Type, _ path: String, method: String = "GET", body: [UInt8]? = nil,
        timeout: Duration = NodeClient.timeoutDefault
    ) async throws -> (value: Value, bytes: [UInt8]) {
        let bytes = try await self.request(
            method, path, headers: [("Accept", "application/json")], body: body, timeout: timeout
        ).body
        do { return (try JSONDecoder().decode(type, from: Data(bytes)), bytes) } catch {
            throw CommandFailure(
                "the answer of \(self.address.description) is not what this version reads",
                hint: "use the meshnode of the node's version; 'meshnode version' tells it")
        }
    }

    /// Server-sent events behind `id`, or from now on, until the node ends them or falls silent.
    func events(
        _ path: String, after id: String = "", onConnect: () -> Void = {},
        _ receive: (EventParser.Event) async throws -> Void
    ) async throws {
        var headers = [("Accept", "text/event-stream")]
        if !id.isEmpty { headers.append(("Last-Event-ID", id)) }
        do {
            // The stream is meant to go on; what ends it is silence.
            let response = try await self.client.execute(
                self.prepared("GET", path, headers), timeout: .hours(24 * 365))
            guard response.status == .ok else {
                let bytes = Array(buffer: try await response.body.collect(upTo: Self.answerBytesMax))
                throw self.failure(response.status, bytes)
            }
            onConnect()
            var parser = EventParser()
            for try await buffer in response.body {
                for event in try parser.feed(buffer.readableBytesView) { try await receive(event) }
            }
        } catch {
            throw self.failure(error, Self.streamSilenceMax, Self.mendOfSilence, mayHaveActed: false)
        }
    }

    private func prepared(_ method: String, _ path: String, _ headers: [(String, String)]) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: self.address.base + path)
        request.method = .RAW(value: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let token = self.address.token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        return request
    }

    /// What the node said, in its own words.
    private func failure(_ status: HTTPResponseStatus, _ body: [UInt8]) -> CommandFailure {
        struct Body: Decodable {
            struct Failure: Decodable {
                var code: String
                var message: String
                var hint: String
                var accepted: MeshError.Accepted
            }

            var error: Failure
        }
        guard let error = try? JSONDecoder().decode(Body.self, from: Data(body)).error else {
            return CommandFailure("\(self.address.description) answers \(status.code) \(status.reasonPhrase)")
        }
        if status == .unauthorized {
            return CommandFailure(
                "\(self.address.description) asks for its admin token"
                    + (self.address.token == nil ? "" : ", and the one given is not it"),
                hint: "it is the file admin.token in that node's data folder: give it with --token-file FILE or "
                    + "MESHNODE_ADMIN_TOKEN")
        }
        var message = printable(error.message)
        switch error.accepted {
        case .yes: message += " (the message was accepted)"
        case .unknown: message += " (whether the message was accepted is unknown)"
        case .no: break
        }
        let code = MeshError.Code(rawValue: error.code)
        var failure = CommandFailure(
            message, hint: printable(error.hint), status: code.map(ExitStatus.init) ?? .failed)
        failure.code = code
        failure.accepted = error.accepted
        return failure
    }

    private func failure(
        _ error: any Error, _ timeout: Duration, _ mend: String, mayHaveActed: Bool
    ) -> any Error {
        switch error {
        case is CommandFailure, is CancellationError: return error
        case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
            var failure = CommandFailure(
                "\(self.address.description) did not answer within \(timeout)", hint: mend, status: .timedOut)
            failure.isLost = mayHaveActed
            return failure
        case is NIOTooManyBytesError:
            return CommandFailure("the answer has more than \(Self.answerBytesMax) bytes")
        case _ where isRefusal(error):
            return CommandFailure(
                "no node answers at \(self.address.description)",
                hint: "start one with 'meshnode start', or name its data folder with --data or its URL with --node",
                status: .unreachable)
        case _ where mayHaveActed:
            var failure = CommandFailure(
                "the connection to \(self.address.description) broke before the answer: whether the request was accepted "
                    + "is unknown",
                hint: "for a message, send it again with the same --idempotency-key")
            failure.isLost = true
            return failure
        default:
            return CommandFailure(
                "the connection to \(self.address.description) broke before the answer", hint: "try again",
                status: .unreachable)
        }
    }
}

/// Whether nothing was asked at all, since no connection came about.
private func isRefusal(_ error: any Error) -> Bool {
    switch error {
    case is NIOConnectionError: true
    case let error as HTTPClientError: error == .connectTimeout || error == .getConnectionFromPoolTimeout
    case let error as ChannelError: if case .connectTimeout = error { true } else { false }
    case let error as IOError:
        [ENOENT, ENOTDIR, ECONNREFUSED, EACCES, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT].contains(error.errnoCode)
    default: false
    }
}
