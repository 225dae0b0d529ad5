internal import Glibc
internal import HummingbirdCore
internal import Logging
internal import MeshCore
internal import NIOCore

/// One listener and its server: binding, with errors that say what to do, and the end of it.
struct BoundServer: Sendable {
    private let address: HTTPGateway.Address
    private let server: Server<HTTP1Channel>

    init(
        listener: HTTPGateway.Listener, service: RequestService, limits: HTTPGateway.Limits,
        group: any EventLoopGroup, logger: Logger, onBound: @escaping @Sendable (HTTPGateway.Address) -> Void
    ) {
        self.address = listener.address
        // The server tells of starts and of its own cancellation in its own words; the daemon has better lines.
        var quiet = logger
        quiet.logLevel = .critical
        let channel = HTTP1Channel(
            responder: { request, writer, channel in try await service.respond(to: request, writer, channel) },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [RefusalBody()], idleTimeout: TimeAmount(limits.idleTimeout),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headBytesMax, maxHeaderListSize: limits.headBytesMax,
                    maxHeaderFieldCount: 100)))
        self.server = Server(
            childChannelSetup: channel,
            configuration: ServerConfiguration(
                address: listener.address.bindAddress,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connectionsMax, logger: quiet)),
            onServerRunning: { [address] channel in onBound(address.bound(by: channel)) }, eventLoopGroup: group,
            logger: quiet)
    }

    func run() async throws {
        do {
            try self.address.check()
            try await self.server.run()
        } catch {
            throw self.address.explained(error)
        }
    }

    func shutDown() async { try? await self.server.shutdownGracefully() }
}

extension HTTPGateway.Address {
    /// `sun_path` holds 108 bytes with its end.
    package static let pathBytesMax = 107

    fileprivate var bindAddress: BindAddress {
        switch self {
        case .unix(let path): .unixDomainSocket(path: path)
        case .tcp(let host, let port): .hostname(host, port: Int(port))
        }
    }

    fileprivate func check() throws(MeshError) {
        guard case .unix(let path) = self, path.utf8.count > Self.pathBytesMax else { return }
        throw MeshError(
            .invalidArgument, "the path of the socket \(path) has more than \(Self.pathBytesMax) bytes",
            hint: "choose a shorter data folder")
    }

    /// What the system chose; for a socket also the mode: the folder keeps others out, the mode does it again.
    fileprivate func bound(by channel: any Channel) -> HTTPGateway.Address {
        switch self {
        case .unix(let path):
            _ = unsafe chmod(path, 0o600)  // a C string for the length of the call
            return self
        case .tcp(let host, let port):
            return .tcp(host: host, port: channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? port)
        }
    }

    /// What happened and the mend, if listening there failed.
    func explained(_ error: any Error) -> any Error {
        switch error {
        case let error as IOError: self.failure(error.errnoCode)
        case is SocketAddressError:
            MeshError(
                .invalidArgument, "cannot listen on \(self): \(error)", hint: "give an address of this machine")
        default: error
        }
    }

    private func failure(_ code: CInt) -> MeshError {
        let text = unsafe String(cString: strerror(code))  // static, or of this thread
        return switch code {
        case EADDRINUSE:
            MeshError(
                .unavailable, "cannot listen on \(self): the address is taken",
                hint: "stop what listens there (ss -ltnp shows it), or choose another port with --http")
        case EACCES, EPERM:
            MeshError(
                .unavailable, "cannot listen on \(self): not permitted",
                hint: "choose a port above 1023 with --http, and a data folder that is yours")
        case EADDRNOTAVAIL:
            MeshError(
                .unavailable, "cannot listen on \(self): no such address on this machine",
                hint: "choose one with --http; 'ip address' lists them")
        default: MeshError(.unavailable, "cannot listen on \(self): \(text)")
        }
    }
}
