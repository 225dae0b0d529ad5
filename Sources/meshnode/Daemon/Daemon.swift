internal import MeshCore

/// The daemon: network, storage, runtime and gateway put together.
enum Daemon {
    static func run(_ configuration: NodeConfiguration) async throws {
        throw MeshError(.unavailable, "the daemon is not wired yet")
    }
}
