import Glibc
import MeshCore

/// Plain IPv4 sockets on loopback, for bytes that no node would send.
final class RawSocket: Sendable {
    private let descriptor: Int32

    /// Connected: a UDP socket, or a TCP connection.
    init(to target: Endpoint, isStream: Bool) throws {
        guard let host = target.ipv4 else { throw NeverHappened(description: "\(target) is not IPv4") }
        self.descriptor = socket(AF_INET, Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue), 0)
        // Family, port, address, as sockaddr_in has them.
        var address = sockaddr()
        address.sa_family = sa_family_t(AF_INET)
        unsafe withUnsafeMutableBytes(of: &address) { bytes in
            unsafe bytes.storeBytes(of: target.port.bigEndian, toByteOffset: 2, as: UInt16.self)
            unsafe bytes.storeBytes(of: host.bigEndian, toByteOffset: 4, as: UInt32.self)
        }
        let status = unsafe connect(self.descriptor, &address, socklen_t(MemoryLayout<sockaddr>.size))
        guard status == 0 else { throw NeverHappened(description: "connect: \(errno)") }
    }

    deinit { close(self.descriptor) }

    func send(_ bytes: [UInt8]) {
        _ = unsafe Glibc.send(self.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// However much there is: waits while the other side does not read.
    func send(all bytes: [UInt8]) async throws {
        var rest = bytes[...]
        try await eventually("all is sent") {
            let sent = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            rest = rest.dropFirst(max(0, sent))
            return rest.isEmpty
        }
    }

    /// What comes next; empty at the end of the stream or after a reset. Never blocks a thread of the test.
    func receive() async throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var count = -1
        try await eventually("bytes or an end") {
            count = unsafe recv(self.descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            return count >= 0 || errno != EAGAIN
        }
        return Array(bytes.prefix(max(0, count)))
    }

    /// What comes next, in a handshake: the other side waits only seconds for what follows, and a test that lets go of its
    /// thread may get it back later than that.
    func receiveAtOnce() throws -> [UInt8] {
        var waiting = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&waiting, 1, 5000) == 1 else { throw NeverHappened(description: "never: bytes or an end") }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(self.descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return Array(bytes.prefix(max(0, count)))
    }

    /// Returns when the other side has ended the connection, whatever it says before.
    func awaitEnd() async throws {
        while try await !self.receive().isEmpty {}
    }

    /// The next close sends a reset instead of an end.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            self.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }
}
