import AsyncHTTPClient
import Foundation
import Logging
import MeshCore
import MeshGateway
import MeshRuntime
import NIOCore
import NIOHTTP1
import Testing

/// A gateway on a port of the system's choice and on a socket in a folder of its own, for the length of one test.
struct GatewayFixture: Sendable {
    static let token = "correct-horse"

    let node: ScriptedNode
    let metrics: PrometheusRegistry
    let port: Int
    let socket: String

    struct Answer: Sendable {
        var status: Int
        var headers: [String: String]
        var body: String

        /// `error.code` of the body, or nothing.
        var code: String? { self.error?["code"] }
        var error: [String: String]? {
            (try? JSONDecoder().decode([String: [String: String]].self, from: Data(self.body.utf8)))?["error"]
        }
    }

    static func run(
        limits: HTTPGateway.Limits = HTTPGateway.Limits(),
        definitions: @escaping DefinitionDecoder = { _ throws(MeshError) in [] },
        _ test: @Sendable (GatewayFixture) async throws -> Void
    ) async throws {
        let node = ScriptedNode()
        let metrics = PrometheusRegistry()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mg-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let socket = folder.appendingPathComponent("api.sock").path
        let gateway = HTTPGateway(
            control: node,
            listeners: [
                .init(.unix(path: socket), token: nil), .init(.tcp(host: "127.0.0.1", port: 0), token: Self.token),
            ], definitions: definitions, metrics: metrics, limits: limits, logger: .silent)
        let (bound, continuation) = AsyncStream.makeStream(of: [HTTPGateway.Address].self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await gateway.run { continuation.yield($0) }
            }
            var iterator = bound.makeAsyncIterator()
            guard let addresses = await iterator.next(), case .tcp(_, let port) = addresses[1] else {
                try await group.waitForAll()
                return
            }
            try await test(GatewayFixture(node: node, metrics: metrics, port: Int(port), socket: socket))
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Over TCP with the token, unless `token` says otherwise.
    func request(
        _ method: String, _ target: String, body: [UInt8]? = nil, headers: [String: String] = [:],
        token: String? = Self.token
    ) async throws -> Answer {
        var headers = headers
        if let token { headers["Authorization"] = "Bearer \(token)" }
        return try await self.request("http://127.0.0.1:\(self.port)\(target)", method, body, headers)
    }

    func local(_ method: String, _ target: String, body: [UInt8]? = nil) async throws -> Answer {
        let path = self.socket.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return try await self.request("http+unix://\(path)\(target)", method, body, [:])
    }

    private func request(
        _ url: String, _ method: String, _ body: [UInt8]?, _ headers: [String: String]
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: url)
        request.method = .RAW(value: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(body) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(120))
        let bytes = try await response.body.collect(upTo: 4 << 20)
        return Answer(
            status: Int(response.status.code),
            headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { $1 }),
            body: String(buffer: bytes))
    }
}

extension Logger {
    static var silent: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }
}
