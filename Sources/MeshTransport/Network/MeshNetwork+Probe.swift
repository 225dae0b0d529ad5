internal import NIOCore
internal import NIOPosix

extension MeshNetwork {
    /// Throws what `start` would throw if it could not bind. Asked before anything is written: a start that fails on a
    /// taken port must not leave a mesh behind that nobody ever served.
    package static func probe(bind: HostAndPort) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let binding = try await Binding.bind(bind, datagramLoop: group.next(), streamLoop: group.next()) { channel in
            channel.close(promise: nil)
        }
        try? await binding.listener.close()
        try? await binding.datagrams.close()
    }
}
