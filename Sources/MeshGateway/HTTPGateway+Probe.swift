internal import MeshCore
internal import NIOCore
internal import NIOPosix

extension HTTPGateway {
    /// Throws what `run` would throw if it could not listen there.
    package static func probe(host: String, port: UInt16) async throws {
        let address = Address.tcp(host: host, port: port)
        do {
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { $0.close() }
                .bind(host: host, port: Int(port)).get()
            try? await channel.close()
        } catch { throw address.explained(error) }
    }
}
