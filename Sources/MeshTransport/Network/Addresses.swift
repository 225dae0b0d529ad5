internal import Glibc
package import MeshCore
internal import NIOCore
internal import NIOPosix

/// A host by name or address, and a port.
package struct HostAndPort: Hashable, Sendable, CustomStringConvertible {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}

extension Endpoint {
    /// nil for what is no IP address, such as a Unix socket.
    init?(_ address: SocketAddress) {
        let endpoint: Endpoint? = unsafe address.withSockAddr { pointer, _ in unsafe Endpoint(pointer) }
        guard let endpoint else { return nil }
        self = endpoint
    }

    /// Reads the bytes of `sockaddr_in` and `sockaddr_in6` where the system puts them: port at 2, address at 4 or 8.
    init?(_ pointer: UnsafePointer<sockaddr>) {
        let bytes = unsafe UnsafeRawPointer(pointer)
        let port = unsafe UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
        switch unsafe Int32(bytes.load(as: sa_family_t.self)) {
        case AF_INET:
            self.init(ipv4: unsafe UInt32(bigEndian: bytes.load(fromByteOffset: 4, as: UInt32.self)), port: port)
        case AF_INET6:
            let high = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let low = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            self.init(high: high, low: low, port: port)
        default: return nil
        }
    }

    var isLoopback: Bool { self.ipv4.map { $0 >> 24 == 127 } ?? (self.high == 0 && self.low == 1) }

    /// 169.254/16 and fe80::/10: the latter name somebody only together with an interface, see `LinkScopes`.
    var isLinkLocal: Bool { self.ipv4.map { $0 >> 16 == 0xA9FE } ?? (self.high >> 54 == 0x3FA) }

    /// As a socket of the given family takes it, or nil where it cannot: an IPv4 socket reaches no IPv6 address.
    func socketAddress(for family: NIOBSDSocket.ProtocolFamily? = nil) -> SocketAddress? {
        var packed = ByteBuffer()
        if let ipv4 = self.ipv4, family != .inet6 {
            packed.writeInteger(ipv4)
        } else {
            guard family != .inet else { return nil }
            packed.writeInteger(self.high)
            packed.writeInteger(self.low)
        }
        let address = try? SocketAddress(packedIPAddress: packed, port: Int(self.port))
        guard case .v6(let v6) = address, self.isLinkLocal else { return address }
        var scoped = v6.address
        unsafe withUnsafeMutableBytes(of: &scoped) { bytes in
            unsafe bytes.storeBytes(
                of: LinkScopes.shared.scope(of: self), toByteOffset: LinkScopes.offset, as: UInt32.self)
        }
        return SocketAddress(scoped)
    }

    func with(port: UInt16) -> Endpoint { Endpoint(high: self.high, low: self.low, port: port) }
}

extension HostAndPort {
    /// Its addresses, for whoever wants to look before it binds or connects.
    package func resolved() async throws(TransportError) -> [Endpoint] { try await Resolver.resolve(self) }
}

/// Names to addresses, and which of our own addresses to tell others.
enum Resolver {
    /// Every address of `name`, in the order of RFC 6724 that the system gives. Blocks, so it runs on a pool's thread.
    static func resolve(_ name: HostAndPort) async throws(TransportError) -> [Endpoint] {
        let result: Result<[Endpoint], TransportError>
        do {
            result = try await NIOThreadPool.singleton.runIfActive { Self.resolveBlocking(name) }
        } catch { throw TransportError(.cannotResolve, "cannot resolve '\(name.host)': \(error)") }
        return try result.get()
    }

    private static func resolveBlocking(_ name: HostAndPort) -> Result<[Endpoint], TransportError> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(name.host, nil, &hints, &list)
        guard status == 0 else {
            let reason = unsafe String(cString: gai_strerror(status))
            return .failure(TransportError(.cannotResolve, "cannot resolve '\(name.host)': \(reason)"))
        }
        defer { unsafe freeaddrinfo(list) }
        var endpoints: [Endpoint] = []
        var next = unsafe list
        while let entry = unsafe next {
            let endpoint = unsafe entry.pointee.ai_addr.flatMap { unsafe Endpoint($0) }?.with(port: name.port)
            if let address = unsafe entry.pointee.ai_addr { unsafe LinkScopes.shared.note(address) }
            if let endpoint, !endpoints.contains(endpoint) { endpoints.append(endpoint) }
            unsafe next = entry.pointee.ai_next
        }
        guard !endpoints.isEmpty else {
            return .failure(TransportError(.cannotResolve, "'\(name.host)' has no IPv4 or IPv6 address"))
        }
        return .success(endpoints)
    }

    /// The address to tell others when the socket listens on all: the one that the default route leaves from, else
    /// one of any interface, and loopback only where there is nothing else.
    static func ownAddress(port: UInt16, ipv6: Bool) -> Endpoint {
        // Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket chooses a source and sends nothing.
        let far = [
            Endpoint(ipv4: 0xC000_0201, port: 9), Endpoint(high: 0x2001_0db8_0000_0000, low: 1, port: 9),
        ]
        for target in far where ipv6 || target.ipv4 != nil {
            if let own = Self.sourceAddress(towards: target), Self.isUseful(own) {
                return own.with(port: port)
            }
        }
        let devices = (try? System.enumerateDevices()) ?? []
        let own = devices.compactMap { $0.address.flatMap { Endpoint($0) } }
            .filter { Self.isUseful($0) && (ipv6 || $0.ipv4 != nil) }
            .min { ($0.ipv4 == nil ? 1 : 0, $0) < ($1.ipv4 == nil ? 1 : 0, $1) }
        guard let own else { return Endpoint(ipv4: 0x7F00_0001, port: port) }
        return own.with(port: port)
    }

    private static func isUseful(_ endpoint: Endpoint) -> Bool {
        !endpoint.isLoopback && !endpoint.isLinkLocal && !endpoint.isUnspecified
    }

    private static func sourceAddress(towards target: Endpoint) -> Endpoint? {
        guard let address = target.socketAddress() else { return nil }
        let descriptor = socket(target.ipv4 == nil ? AF_INET6 : AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        let isConnected = unsafe address.withSockAddr { pointer, size in
            unsafe connect(descriptor, pointer, socklen_t(size)) == 0
        }
        guard isConnected else { return nil }
        // Room for either family, which `getsockname` fills.
        return unsafe withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { bytes in
            var size = socklen_t(bytes.count)
            guard let pointer = unsafe bytes.assumingMemoryBound(to: sockaddr.self).baseAddress,
                unsafe getsockname(descriptor, pointer, &size) == 0
            else { return nil }
            return unsafe Endpoint(pointer)
        }
    }
}

/// What keeps the network from starting or joining.
package struct TransportError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, CaseIterable {
        case portTaken, cannotBind, cannotResolve, cannotAdvertise
        /// A seed answered and wants nothing of this node: another token, mesh or version.
        case refusedBySeed
    }

    package var code: Code
    package var description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    /// What the operator can do about it; empty where the description says so.
    package var hint: String {
        switch self.code {
        case .portTaken: "stop what listens there ('ss -lntup' shows it), or choose another port with --bind"
        case .cannotBind: "give --bind an address of this machine ('ip address' shows them), or 0.0.0.0 for all"
        case .cannotResolve: "check the spelling of the name, and that this machine can look it up"
        case .cannotAdvertise: "say with --advertise HOST:PORT where the others reach this node"
        case .refusedBySeed: ""
        }
    }
}
