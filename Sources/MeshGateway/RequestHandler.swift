internal import FoundationEssentials
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import NIOCore

/// Answers requests that are already routed, authorised and read: asks the node, shapes what it says.
struct RequestHandler: Sendable {
    let control: any NodeControl
    let decodeDefinitions: DefinitionDecoder
    let metrics: PrometheusRegistry
    let streams: EventStreams
    let keepAlive: Duration

    func respond(to request: RoutedRequest) async throws -> Response {
        switch request.route {
        case .health: return .text("ok\n")
        case .ready: return self.ready()
        case .metrics:
            await self.control.measure()
            return .text(self.metrics.text(), type: PrometheusText.contentType)
        case .status: return .json(await self.control.status())
        case .members: return .json(Members(members: await self.control.status().members))
        case .doctor: return .json(await self.control.doctor())
        case .why(let node): return .json(try await self.control.why(node))
        case .drain(let node):
            let reason = String(request.query["reason"] ?? "")
            return .json(try await self.control.drain(node, .begin(reason: reason)))
        case .lookAtDrain(let node): return .json(try await self.control.drain(node, .look))
        case .cancelDrain(let node): return .json(try await self.control.drain(node, .cancel))
        case .capabilities:
            return .json(Nodes(nodes: try await self.control.capabilities(of: request.query["node"].map(String.init))))
        case .actors: return .json(try await self.control.actors(prefix: request.prefix()))
        case .partitions: return .json(try await self.control.partitions())
        case .verifiedPartitions: return .json(try await self.control.verifyPartitions())
        case .explain(let path): return .json(try await self.control.explain(ActorPath(path)))
        case .deadLetters: return .json(try await self.control.deadLetters(request.deadLetterPage()))
        case .deadLetter(let id): return .json(try await self.deadLetter(DeadLetterID(checking: id)))
        case .replay: return .json(try await self.control.act(.replay, on: request.deadLetterSelection()))
        case .purge: return .json(try await self.control.act(.purge, on: request.deadLetterSelection()))
        case .found:
            try await self.control.found(isForced: request.query["force"] == "true")
            return .json(["state": "founded"])
        case .send(let path): return try await self.send(request, to: path)
        case .call(let path): return try await self.call(request, to: path)
        case .definitions: return .json(Definitions(definitions: await self.control.definitions()))
        case .definition(let name): return try await self.definition(name, request)
        case .apply:
            let definitions = try self.decodeDefinitions(request.body)
            return .json(Definitions(definitions: try await self.control.apply(definitions)))
        case .delete(let name):
            try await self.control.delete(definition: name)
            return Response(status: .noContent)
        case .raise: return try await self.raise(request)
        case .events: return try self.events(request)
        case .keys: return .json(await self.control.keys())
        case .installKey: return .json(try await self.control.installKey())
        case .useKey(let key): return .json(try await self.control.useKey(key, force: request.isForced()))
        case .removeKey(let key): return .json(try await self.control.removeKey(key, force: request.isForced()))
        case .logs: return try await self.logs(request)
        case .leave:
            try await self.control.leave(within: request.patience(), isForced: request.isForced())
            return .json(["state": "leaving"], status: .accepted)
        }
    }

    private func ready() -> Response {
        let phase = self.control.phase()
        guard phase == .ready else {
            return HTTPFailure(
                MeshError(
                    .unavailable, "the node is \(phase.rawValue)",
                    hint: phase == .joining ? "it waits for a seed to answer" : "")
            ).response
        }
        return .text("ready\n")
    }

    private func send(_ request: RoutedRequest, to path: String) async throws -> Response {
        let receipt = try await self.control.send(request.message(to: ActorPath(path)))
        return .json(receipt, status: .accepted, headers: [.messageID: receipt.id])
    }

    private func call(_ request: RoutedRequest, to path: String) async throws -> Response {
        let reply = try await self.control.call(request.message(to: ActorPath(path)))
        let type = isJSON(reply.body) ? "application/json" : "application/octet-stream"
        return Response(
            status: .ok, headers: [.contentType: type, .messageID: reply.id],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: reply.body)))
    }

    /// As JSON, or the document itself for whoever asks for YAML.
    private func definition(_ name: String, _ request: RoutedRequest) async throws -> Response {
        guard let definition = await self.control.definitions().first(where: { $0.name == name }) else {
            throw MeshError(
                .notFound, "there is no definition '\(name.prefix(64))'", hint: "GET /v1/definitions lists them")
        }
        let wantsYAML = request.headers[.accept]?.contains("yaml") ?? false
        return wantsYAML ? .text(definition.source, type: "application/yaml") : .json(definition)
    }

    private func raise(_ request: RoutedRequest) async throws -> Response {
        let event: EventBody
        do { event = try JSONDecoder().decode(EventBody.self, from: Data(request.body)) } catch {
            throw MeshError(
                .invalidArgument, "the body is not an event",
                hint: #"write {"name":"deploy","payload":"v2"}, or payload_base64 for bytes"#)
        }
        try await self.control.raise(event: try event.checkedName(), payload: try event.checkedPayload())
        return .json(["name": event.name], status: .accepted)
    }

    /// A stream, or for who accepts JSON and no stream, a list of what there is.
    private func events(_ request: RoutedRequest) throws -> Response {
        let kinds = try EventKind.parse(request.query["type"])
        let after = try request.after()
        let journal = self.control.journal
        if request.headers[.accept]?.hasPrefix("application/json") ?? false {
            let limit = try request.limit("limit", default: 100)
            let page =
                after.map { journal.read(after: $0, kinds: kinds, limit: limit) }
                ?? journal.read(last: limit, kinds: kinds)
            return .json(EventList(page))
        }
        let subscription = try self.streams.open(journal)
        // Asked for now and not when the body is written: what happens in between is not lost.
        let id = after ?? journal.end
        let body = ResponseBody { [keepAlive] writer in
            try await subscription.write(journal, after: id, kinds: kinds, keepAlive: keepAlive) { buffer in
                try await writer.write(buffer)
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"], body: body)
    }

    private func logs(_ request: RoutedRequest) async throws -> Response {
        var query = LogQuery(
            after: try request.after(), lines: try request.limit("lines", default: LogQuery.linesDefault))
        if let text = request.query["level"] {
            guard let level = Logger.Level(rawValue: String(text)) else {
                throw MeshError(
                    .invalidArgument, "'\(text.prefix(64))' is no level",
                    hint: "levels are \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            query.level = level
        }
        if let text = request.query["age_ms"] {
            guard let milliseconds = Int64(text), milliseconds >= 0 else {
                throw MeshError(.invalidArgument, "age_ms is a whole number of milliseconds, 0 or more")
            }
            query.age = .milliseconds(min(milliseconds, 1 << 53))
        }
        return .json(LogList(try await self.control.logs(of: request.query["node"].map(String.init), query)))
    }
}

private struct Members: Encodable { var members: [MemberView] }

private struct Nodes: Encodable { var nodes: [CapabilitiesView] }

private struct Definitions: Encodable { var definitions: [DefinitionView] }

/// The body of `POST /v1/events`.
private struct EventBody: Decodable {
    static let nameBytesMax = 64

    var name: String
    var payload: String?
    // The name in the JSON.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    var payload_base64: String?

    func checkedName() throws(MeshError) -> String {
        guard 1...Self.nameBytesMax ~= self.name.utf8.count, self.name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            throw MeshError(.invalidArgument, "the name of an event has 1 to \(Self.nameBytesMax) printable bytes")
        }
        return self.name
    }

    func checkedPayload() throws(MeshError) -> [UInt8] {
        var bytes = Array((self.payload ?? "").utf8)
        if let encoded = self.payload_base64 {
            guard self.payload == nil, let data = Data(base64Encoded: encoded) else {
                throw MeshError(
                    .invalidArgument, "payload_base64 is not base64, or stands beside payload", hint: "send one of both"
                )
            }
            bytes = Array(data)
        }
        guard bytes.count <= UserEvent.payloadBytesMax else {
            throw MeshError(
                .tooLarge, "the payload has \(bytes.count) bytes; an event carries \(UserEvent.payloadBytesMax)",
                hint: "send the data to an actor and only its path in the event")
        }
        return bytes
    }
}
