internal import FoundationEssentials
internal import HummingbirdCore
package import Logging
package import MeshCore
package import MeshRuntime
package import NIOCore
internal import NIOPosix
internal import Synchronization

/// Reads the documents of `POST /v1/definitions`; throws where and what is wrong.
package typealias DefinitionDecoder = @Sendable ([UInt8]) throws(MeshError) -> [ActorDefinition]

/// The HTTP door of a node: JSON over HTTP/1.1, on a Unix socket for the local user and on TCP with a token.
package struct HTTPGateway: Sendable {
    package enum Address: Hashable, Sendable, CustomStringConvertible {
        case unix(path: String)
        /// Port 0 lets the system choose.
        case tcp(host: String, port: UInt16)

        package var description: String {
            switch self {
            case .unix(let path): "unix:\(path)"
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            }
        }
    }

    package struct Listener: Sendable {
        package var address: Address
        /// What callers must show; nil trusts whoever can open the socket.
        package var token: String?

        package init(_ address: Address, token: String?) {
            self.address = address
            self.token = token
        }
    }

    package struct Limits: Sendable {
        package var bodyBytesMax = 1 << 20
        package var headBytesMax = 32 << 10
        package var targetBytesMax = 4 << 10
        /// Per listener. Anyone can open a connection, and the database needs files too: both listeners together stay
        /// far below the 1,024 descriptors that a process often has.
        package var connectionsMax = 256
        package var eventStreamsMax = 64
        /// Of a connection on which nothing comes: between requests, and inside a head.
        package var idleTimeout = Duration.seconds(60)
        /// From the head to the end of the body.
        package var bodyTimeout = Duration.seconds(30)
        /// Of one write: a reader that takes nothing for so long is cut off.
        package var writeTimeout = Duration.seconds(30)
        package var keepAlive = Duration.seconds(15)
        /// What requests in flight get when the gateway stops.
        package var shutdownTimeout = Duration.seconds(5)

        package init() {}
    }

    private let listeners: [Listener]
    private let limits: Limits
    private let handler: RequestHandler
    private let group: any EventLoopGroup
    private let logger: Logger

    package init(
        control: any NodeControl, listeners: [Listener], definitions: @escaping DefinitionDecoder,
        metrics: PrometheusRegistry, limits: Limits = Limits(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger
    ) {
        self.listeners = listeners
        self.limits = limits
        self.group = group
        self.logger = logger
        self.handler = RequestHandler(
            control: control, decodeDefinitions: definitions, metrics: metrics,
            streams: EventStreams(streamsMax: limits.eventStreamsMax), keepAlive: limits.keepAlive)
        metrics.describe("meshnode_http_requests", "HTTP requests answered, by route and status.")
        metrics.describe("meshnode_http_request", "Time from the head of a request to the end of its answer.")
    }

    /// Serves until the task is cancelled, then lets requests in flight end within `shutdownTimeout`.
    ///
    /// `onBound` is called once, when every listener is bound, with the addresses in the order of the listeners.
    package func run(onBound: @escaping @Sendable ([Address]) -> Void = { _ in }) async throws {
        let bound = BoundAddresses(count: self.listeners.count, onBound)
        let connections = Connections()
        let servers = self.listeners.enumerated().map { index, listener in
            self.server(listener, connections) { address in bound.add(address, at: index) }
        }
        let (cancelled, signal) = AsyncStream.makeStream(of: Void.self)
        // A task of its own, and awaited here, because cancellation must not reach requests in flight at once.
        let serving = Task { try await self.serve(servers, connections, until: cancelled) }
        defer { self.removeSockets() }
        try await withTaskCancellationHandler {
            try await serving.value
        } onCancel: {
            signal.finish()
        }
    }

    private enum Occasion { case cancelled, drained, overdue }

    private func serve(
        _ servers: [BoundServer], _ connections: Connections, until cancelled: AsyncStream<Void>
    ) async throws {
        try await withThrowingTaskGroup(of: Occasion?.self) { group in
            for server in servers {
                group.addTask {
                    try await server.run()
                    return nil
                }
            }
            group.addTask {
                for await _ in cancelled {}
                return .cancelled
            }
            var serving = servers.count
            while serving > 0, let occasion = try await group.next() {
                switch occasion {
                case nil: serving -= 1
                case .cancelled:
                    self.handler.streams.closeAll()
                    group.addTask {
                        for server in servers { await server.shutDown() }
                        return .drained
                    }
                    group.addTask { [limits] in
                        try? await Task.sleep(for: limits.shutdownTimeout)
                        return .overdue
                    }
                case .drained: break
                case .overdue:
                    connections.closeAll()
                    group.cancelAll()
                }
            }
            group.cancelAll()
        }
    }

    private func server(
        _ listener: Listener, _ connections: Connections, onBound: @escaping @Sendable (Address) -> Void
    ) -> BoundServer {
        let service = RequestService(
            handler: self.handler, token: listener.token.map(BearerToken.init), limits: self.limits,
            connections: connections, logger: self.logger)
        return BoundServer(
            listener: listener, service: service, limits: self.limits, group: self.group, logger: self.logger,
            onBound: onBound)
    }

    private func removeSockets() {
        for case .unix(let path) in self.listeners.map(\.address) {
            try? FileManager.default.removeItem(atPath: path)
        }
    }
}

/// Collects the addresses of several listeners and tells them once, when all are there.
private final class BoundAddresses: Sendable {
    private let addresses = Mutex<[Int: HTTPGateway.Address]>([:])
    private let count: Int
    private let onBound: @Sendable ([HTTPGateway.Address]) -> Void

    init(count: Int, _ onBound: @escaping @Sendable ([HTTPGateway.Address]) -> Void) {
        self.count = count
        self.onBound = onBound
    }

    func add(_ address: HTTPGateway.Address, at index: Int) {
        let bound = self.addresses.withLock { addresses in
            addresses[index] = address
            return addresses
        }
        if bound.count == self.count { self.onBound((0..<self.count).compactMap { bound[$0] }) }
    }
}

/// Connections with a request in flight, so that none outlives its gateway.
final class Connections: Sendable {
    private let open = Mutex<[ObjectIdentifier: any Channel]>([:])

    func add(_ channel: any Channel) { self.open.withLock { $0[ObjectIdentifier(channel)] = channel } }

    func remove(_ channel: any Channel) { self.open.withLock { $0[ObjectIdentifier(channel)] = nil } }

    func closeAll() {
        for channel in self.open.withLock({ $0.values.map { $0 } }) { channel.close(promise: nil) }
    }
}
