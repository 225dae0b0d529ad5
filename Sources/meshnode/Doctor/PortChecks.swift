internal import Glibc
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport
internal import NIOCore
internal import NIOPosix

/// Whether the ports of a configuration can be had, before the daemon wants them; who has them, if somebody does.
struct PortChecks {
    let configuration: NodeConfiguration

    func findings() async -> [Finding] {
        let bind = self.configuration.bind
        var findings: [Finding] = []
        do {
            for endpoint in try await HostAndPort(bind).resolved() {
                findings.append(await self.tryBinding(endpoint, "UDP"))
                findings.append(await self.tryBinding(endpoint, "TCP"))
            }
            if let http = self.configuration.http {
                for endpoint in try await HostAndPort(http).resolved().prefix(1) {
                    findings.append(await self.tryBinding(endpoint, "TCP"))
                }
            }
        } catch {
            findings.append(Finding(.problem, "ports", bind.description, "\(error)", mend: "correct --bind or --http"))
        }
        for seed in self.configuration.join { findings.append(await self.tryReaching(seed)) }
        return findings
    }

    private func tryBinding(_ endpoint: Endpoint, _ transport: String) async -> Finding {
        let place = "\(transport) \(endpoint)"
        do {
            try await Self.bind(endpoint, transport)
            return Finding(.fine, "ports", place, "can be bound")
        } catch {
            switch (error as? IOError)?.errnoCode {
            case EADDRINUSE:
                let holder = SocketHolder.of(port: endpoint.port, transport: transport)
                return Finding(
                    .problem, "ports", place, "is taken by \(holder?.description ?? "another process")",
                    mend: "stop that, or choose another port with --bind or --http")
            case EADDRNOTAVAIL:
                return Finding(
                    .problem, "ports", place, "is no address of this machine",
                    mend: "bind one of its own, or 0.0.0.0, and tell others the outer one with --advertise")
            case EACCES:
                return Finding(.problem, "ports", place, "may not be bound by this user", mend: "use a port above 1023")
            default:
                return Finding(.problem, "ports", place, "cannot be bound: \(error)", mend: "choose another address")
            }
        }
    }

    private static func bind(_ endpoint: Endpoint, _ transport: String) async throws {
        let address = try SocketAddress(ipAddress: endpoint.address, port: Int(endpoint.port))
        let group = MultiThreadedEventLoopGroup.singleton
        let channel =
            transport == "UDP"
            ? try await DatagramBootstrap(group: group).bind(to: address).get()
            : try await ServerBootstrap(group: group).serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(to: address).get()
        try await channel.close()
    }

    private func tryReaching(_ seed: HostPort) async -> Finding {
        let place = "seed \(seed)"
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(3)).connect(host: seed.host, port: Int(seed.port)).get()
            try await channel.close()
            return Finding(.fine, "ports", place, "accepts connections")
        } catch {
            return Finding(
                .problem, "ports", place, "cannot be reached over TCP: \(reason(of: error))",
                mend: "check its address and that its daemon runs, and allow TCP and UDP port \(seed.port) to it")
        }
    }
}

/// Of a connection that did not come about, in the system's words.
private func reason(of error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        guard let first = error.connectionErrors.first?.error else { return "its name \(error.host) is not known" }
        return reason(of: first)
    case let error as IOError: return unsafe String(cString: strerror(error.errnoCode))
    case ChannelError.connectTimeout: return "no answer"
    default: return "\(error)"
    }
}

/// Which process has a socket, from /proc; of other users' processes only root learns.
struct SocketHolder: CustomStringConvertible {
    var pid: Int
    var name: String

    var description: String { "\(self.name) (process \(self.pid))" }

    static func of(port: UInt16, transport: String) -> SocketHolder? {
        let tables = transport == "UDP" ? ["udp", "udp6"] : ["tcp", "tcp6"]
        let inodes = Set(tables.flatMap { Self.inodes(port: port, listing: text(of: "/proc/net/\($0)")) })
        guard !inodes.isEmpty else { return nil }
        for pid in (folderEntries("/proc") ?? []).compactMap({ Int($0) }).sorted() {
            let descriptors = "/proc/\(pid)/fd"
            guard
                (folderEntries(descriptors) ?? []).contains(where: { name in
                    link(at: "\(descriptors)/\(name)").map { inodes.contains($0) } ?? false
                })
            else { continue }
            let name = text(of: "/proc/\(pid)/comm").filter { !$0.isNewline }
            return SocketHolder(pid: pid, name: printable(name))
        }
        return nil
    }

    /// `socket:[INODE]` of the sockets with that local port: bound for UDP, listening for TCP.
    static func inodes(port: UInt16, listing: String) -> [String] {
        listing.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
            guard fields.count > 9, let colon = fields[1].lastIndex(of: ":"),
                UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port,
                fields[3] == "0A" || fields[3] == "07"
            else { return nil }
            return "socket:[\(fields[9])]"
        }
    }

    private static func text(of path: String) -> String {
        (try? FileIO.read(path, limit: 4 << 20)).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func link(at path: String) -> String? {
        var target = [UInt8](repeating: 0, count: 64)
        let count = unsafe target.withUnsafeMutableBytes { bytes in
            guard let start = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return 0 }
            return unsafe readlink(path, start, bytes.count)
        }
        return count > 0 ? String(decoding: target[..<count], as: UTF8.self) : nil
    }
}
