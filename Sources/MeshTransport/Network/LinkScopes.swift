internal import Glibc
internal import MeshCore
internal import NIOCore
internal import Synchronization

/// Behind which interface a link-local address (fe80::/10) lies. The system wants it named with every packet and connection,
/// since the same address may stand on every link; nodes do not tell it to each other, since each has its own numbers.
///
/// It is a fact of the machine and not of a node, so all nodes of a process share what was learned: from names with a zone
/// (`fe80::1%eth0`), from the own address, and from peers that were authentic.
final class LinkScopes: Sendable {
    static let shared = LinkScopes()
    /// Of the scope in `sockaddr_in6`.
    static let offset = 24
    private static let addressesMax = 1024

    private struct State {
        var scopes: [Endpoint: UInt32] = [:]
        /// For an address that was only heard of: most machines have one link.
        var latest: UInt32 = 0
    }

    private let state = Mutex(State())

    func scope(of endpoint: Endpoint) -> UInt32 {
        self.state.withLock { $0.scopes[endpoint.with(port: 0)] ?? $0.latest }
    }

    func note(_ address: SocketAddress) { unsafe address.withSockAddr { pointer, _ in unsafe self.note(pointer) } }

    func note(_ address: UnsafePointer<sockaddr>) {
        guard unsafe Int32(address.pointee.sa_family) == AF_INET6, let endpoint = unsafe Endpoint(address),
            endpoint.isLinkLocal
        else { return }
        let scope = unsafe UnsafeRawPointer(address).load(fromByteOffset: Self.offset, as: UInt32.self)
        guard scope != 0 else { return }
        self.state.withLock { state in
            // All are learned again within a round of probes.
            if state.scopes.count >= Self.addressesMax { state.scopes.removeAll() }
            state.scopes[endpoint.with(port: 0)] = scope
            state.latest = scope
        }
    }
}
