internal import Glibc
internal import MeshCore
internal import MeshTransport

/// The service manager that started this process and wants to be told how it goes: sd_notify(3), spoken directly, for the
/// protocol is one datagram of lines to the socket that `NOTIFY_SOCKET` names.
final class ServiceManager: Sendable {
    /// How often it must hear that the process lives; nil where it does not watch.
    let watchdog: Duration?
    private let descriptor: CInt
    /// A `sockaddr_un`, as long as the name needs.
    private let address: [UInt8]

    /// Nil without a manager. Takes what was for this process out of the environment: its workers must not speak for it.
    convenience init?(takingFrom environment: [String: String]) {
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { _ = unsafe unsetenv(name) }
        let isForUs = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 : nil }
        self.init(
            socket: environment["NOTIFY_SOCKET"] ?? "",
            watchdog: isForUs ? microseconds.map { .microseconds($0) } : nil)
    }

    /// `name` is a path, or begins with `@` for the abstract namespace.
    init?(socket name: String, watchdog: Duration? = nil) {
        guard let address = Self.address(of: name) else { return nil }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        self.address = address
        self.descriptor = descriptor
        self.watchdog = watchdog
    }

    deinit { close(self.descriptor) }

    private static func address(of name: String) -> [UInt8]? {
        let path = Array(name.utf8)
        let isAbstract = path.first == UInt8(ascii: "@")
        // `sun_path` has 108 bytes, of which the end of a path takes one. Other kinds of address are not for us.
        guard isAbstract || path.first == UInt8(ascii: "/"), path.count > 1, path.count < 108 else { return nil }
        let family = unsafe withUnsafeBytes(of: sa_family_t(AF_UNIX)) { unsafe [UInt8](copying: $0) }
        return family + (isAbstract ? [0] + path.dropFirst() : path + [0])
    }

    /// Never waits: a manager that does not listen must not hold up the node.
    func tell(_ lines: String...) {
        let message = Array(lines.joined(separator: "\n").utf8)
        _ = unsafe self.address.withUnsafeBytes { address in
            unsafe message.withUnsafeBytes { message in
                unsafe sendto(
                    self.descriptor, message.baseAddress, message.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL),
                    address.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count))
            }
        }
    }

    func isReady() { self.tell("READY=1") }

    func isStopping() { self.tell("STOPPING=1", "STATUS=leaving the mesh") }

    /// Until `isReady`. The time lets the manager tell this reload from an earlier one.
    func isReloading() {
        self.tell("RELOADING=1", "MONOTONIC_USEC=\(Instant.now().nanoseconds / 1000)")
    }
}
