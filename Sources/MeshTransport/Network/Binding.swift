internal import Glibc
internal import MeshCore
internal import NIOCore
internal import NIOPosix

/// The UDP socket and the TCP listener of a node, on one port.
struct Binding: Sendable {
    /// With port 0 the system chooses the UDP port, and somebody else may hold it for TCP: so often is another tried.
    private static let attemptsMax = 16
    private static let datagramsPerRead = 16
    private static let datagramReadBytes = 2048

    var datagrams: any Channel
    var listener: any Channel
    var bound: Endpoint
    var family: NIOBSDSocket.ProtocolFamily

    static func bind(
        _ name: HostAndPort, datagramLoop: any EventLoop, streamLoop: any EventLoop,
        accept: @escaping @Sendable (any Channel) throws -> Void
    ) async throws -> Binding {
        var failure: TransportError?
        for endpoint in try await Resolver.resolve(name) {
            for _ in 0..<(name.port == 0 ? Self.attemptsMax : 1) {
                do {
                    return try await Self.bind(
                        endpoint, datagramLoop: datagramLoop, streamLoop: streamLoop, accept: accept)
                } catch let error as TransportError {
                    // A port that was asked for and is taken is not looked for on the next address of the name.
                    if error.code == .portTaken, name.port != 0 { throw error }
                    failure = failure ?? error
                    if error.code != .portTaken { break }
                }
            }
        }
        throw failure ?? TransportError(.cannotBind, "'\(name)' has no address to bind")
    }

    private static func bind(
        _ endpoint: Endpoint, datagramLoop: any EventLoop, streamLoop: any EventLoop,
        accept: @escaping @Sendable (any Channel) throws -> Void
    ) async throws -> Binding {
        guard let address = endpoint.socketAddress() else {
            throw TransportError(.cannotBind, "cannot bind \(endpoint)")
        }
        let datagrams = try await explain(endpoint, "UDP") {
            try await DatagramBootstrap(group: datagramLoop)
                // Nothing is read before there is a membership to read it.
                .channelOption(.autoRead, value: false)
                .channelOption(.datagramVectorReadMessageCount, value: Self.datagramsPerRead)
                .channelOption(
                    .recvAllocator,
                    value: FixedSizeRecvByteBufferAllocator(capacity: Self.datagramsPerRead * Self.datagramReadBytes)
                )
                // As much of a burst as the kernel lets us keep.
                .channelOption(.socketOption(.so_rcvbuf), value: 4 << 20)
                .channelOption(.writeBufferWaterMark, value: .init(low: 512 << 10, high: 1 << 20))
                .bind(to: address).get()
        }
        do {
            guard let local = datagrams.localAddress, let bound = Endpoint(local), let listen = bound.socketAddress()
            else { throw TransportError(.cannotBind, "the UDP socket of \(endpoint) has no address") }
            let listener = try await explain(bound, "TCP") {
                try await ServerBootstrap(group: streamLoop, childGroup: streamLoop)
                    .serverChannelOption(.backlog, value: 256)
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .childChannelOption(StreamTimeout.option, value: StreamTimeout.milliseconds)
                    .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
                    .childChannelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture { try accept(channel) }
                    }
                    .bind(to: listen).get()
            }
            return Binding(
                datagrams: datagrams, listener: listener, bound: bound, family: endpoint.ipv4 == nil ? .inet6 : .inet)
        } catch {
            try? await datagrams.close()
            throw error
        }
    }

    private static func explain<T: Sendable>(
        _ endpoint: Endpoint, _ proto: String, _ body: () async throws -> T
    ) async throws -> T {
        do { return try await body() } catch let error as IOError {
            switch error.errnoCode {
            case EADDRINUSE:
                throw TransportError(
                    .portTaken, "\(proto) port \(endpoint.port) of \(endpoint.address) is taken by another process")
            case EACCES:
                throw TransportError(.cannotBind, "no right to bind \(proto) port \(endpoint.port): use one above 1023")
            case EADDRNOTAVAIL:
                throw TransportError(.cannotBind, "\(endpoint.address) is no address of this machine")
            default: throw TransportError(.cannotBind, "cannot bind \(proto) \(endpoint): \(error)")
            }
        }
    }
}

/// How long what was sent on a stream may go unacknowledged before the kernel gives the connection up. Without it a
/// connection behind a cut repeats itself ever more seldom, and works again only long after the cut is healed.
enum StreamTimeout {
    static let option = ChannelOptions.Types.SocketOption(
        level: .tcp, name: NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT))
    static let milliseconds: ChannelOptions.Types.SocketOption.Value = 15_000
}
