internal import FoundationEssentials
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import MeshCore
internal import Metrics
internal import NIOCore
internal import NIOHTTP1

/// One request from its head to the end of its answer: routed, authorised, read within limits, answered, counted.
struct RequestService: Sendable {
    let handler: RequestHandler
    let token: BearerToken?
    let limits: HTTPGateway.Limits
    let connections: Connections
    let logger: Logger

    /// What the peer is still sending when its answer is already gone; after that the connection is cut.
    private static let drainedBytesMax = 8 << 20
    private static let drainTimeout = Duration.seconds(2)

    /// Throwing ends the connection.
    @concurrent
    func respond(to request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel) async throws {
        self.connections.add(channel)
        defer { self.connections.remove(channel) }
        let begin = ContinuousClock.now
        var body = BodyReader(request, channel)
        if request.headers[.expect]?.lowercased() == "100-continue", self.mayRead(request) {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        let (route, answer) = try await self.answer(to: request, &body)
        var response = request.method == .head ? answer.createHeadResponse() : answer
        response.headers[.date] = httpDate(secondsSince1970: Int(Date.now.timeIntervalSince1970))
        if !body.isFinished { response.headers[.connection] = "close" }
        try await self.write(response, writer, channel)
        self.count(route, response, since: begin)
        if !body.isFinished {
            // Closing while the peer still writes would reset the connection and could take the answer with it.
            await body.drain(upTo: Self.drainedBytesMax, within: Self.drainTimeout)
            throw ConnectionDone()
        }
    }

    @concurrent
    private func answer(to request: Request, _ body: inout BodyReader) async throws -> (Route?, Response) {
        var route: Route?
        do {
            let path = request.uri.path
            guard path.utf8.count + (request.uri.query?.utf8.count ?? 0) <= self.limits.targetBytesMax else {
                throw MeshError(.invalidArgument, "the target has more than \(self.limits.targetBytesMax) bytes")
            }
            if path != "/healthz", path != "/readyz" { try self.token?.check(request.headers) }
            let found = try Route(method: request.method, path: path)
            route = found
            var routed = try RoutedRequest(route: found, headers: request.headers, query: request.uri.query)
            if found.takesBody {
                try self.checkLength(request)
                routed.body = try await body.collect(
                    upTo: self.limits.bodyBytesMax, within: self.limits.bodyTimeout)
            }
            return (found, try await self.handler.respond(to: routed))
        } catch let error as HTTPParserError {
            throw error
        } catch {
            let failure = HTTPFailure(unexpected: error)
            if failure.status == .internalServerError {
                self.logger.error("request failed", metadata: ["route": "\(route?.name ?? "")", "error": "\(error)"])
            }
            return (route, failure.response)
        }
    }

    /// Before a byte of the body is read.
    private func checkLength(_ request: Request) throws {
        guard let length = request.headers[.contentLength], Int(length) ?? .max > self.limits.bodyBytesMax else {
            return
        }
        throw MeshError.bodyTooLarge(self.limits.bodyBytesMax)
    }

    /// Whether a peer that waits for leave to send its body gets it; otherwise the answer tells it why not.
    private func mayRead(_ request: Request) -> Bool {
        let length = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        return length <= self.limits.bodyBytesMax
    }

    @concurrent
    private func write(
        _ response: Response, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        guard response.body.contentLength == nil else {
            try await writer.write(response: response.head, body: response.body)
            return
        }
        let limit = self.limits.writeTimeout
        let body = ResponseBody { writer in
            try await response.body.write(BoundedWriter(writer, on: channel, limit: limit))
        }
        try await writer.write(response: response.head, body: body)
    }

    private func count(_ route: Route?, _ response: Response, since begin: ContinuousClock.Instant) {
        let name = route?.name ?? "none"
        let metrics = self.handler.metrics
        Counter(
            label: "meshnode_http_requests", dimensions: [("route", name), ("status", "\(response.status.code)")],
            factory: metrics
        ).increment()
        guard route != .events else { return }
        Metrics.Timer(label: "meshnode_http_request", dimensions: [("route", name)], factory: metrics)
            .recordNanoseconds((ContinuousClock.now - begin).nanoseconds)
    }
}

/// Ends a connection on purpose; the server closes the channel of a service that throws.
private struct ConnectionDone: Error {}

extension MeshError {
    fileprivate static func bodyTooLarge(_ limit: Int) -> MeshError {
        MeshError(
            .tooLarge, "the body has more than \(limit) bytes", hint: "split it, or send where the data lies instead")
    }
}

/// The body of one request, with one iterator for reading it and for getting rid of the rest.
struct BodyReader {
    private let channel: any Channel
    private var iterator: RequestBody.AsyncIterator?
    private let body: RequestBody
    /// Nothing of the body is left to read; so from the start if none was announced.
    private(set) var isFinished: Bool

    init(_ request: Request, _ channel: any Channel) {
        self.channel = channel
        self.body = request.body
        let length = request.headers[.contentLength]
        self.isFinished = (length == nil || length == "0") && request.headers[.transferEncoding] == nil
    }

    /// A peer that is too slow loses its sending half, which ends the wait and leaves the other half for the answer.
    @concurrent
    mutating func collect(upTo limit: Int, within timeout: Duration) async throws -> [UInt8] {
        guard !self.isFinished else { return [] }
        let alarm = Alarm(on: self.channel, after: timeout) { $0.close(mode: .input, promise: nil) }
        defer { alarm.cancel() }
        var bytes: [UInt8] = []
        do {
            while let buffer = try await self.next() {
                guard bytes.count + buffer.readableBytes <= limit else { throw MeshError.bodyTooLarge(limit) }
                bytes.append(contentsOf: buffer.readableBytesView)
            }
        } catch let error as HTTPParserError {
            guard alarm.hasFired else { throw error }
        }
        guard !alarm.hasFired else {
            throw HTTPFailure(
                .requestTimeout, "deadline_exceeded", "the body did not arrive within \(timeout)",
                hint: "send it faster, or in smaller parts")
        }
        return bytes
    }

    /// Reads and forgets, within bounds.
    @concurrent
    mutating func drain(upTo limit: Int, within timeout: Duration) async {
        let alarm = Alarm(on: self.channel, after: timeout) { $0.close(promise: nil) }
        defer { alarm.cancel() }
        var count = 0
        while count < limit, let buffer = try? await self.next() { count += buffer.readableBytes }
    }

    @concurrent
    private mutating func next() async throws -> ByteBuffer? {
        var iterator = self.iterator ?? self.body.makeAsyncIterator()
        let buffer = try await iterator.next()
        self.iterator = iterator
        if buffer == nil { self.isFinished = true }
        return buffer
    }
}
