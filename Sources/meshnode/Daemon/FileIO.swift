internal import Glibc
internal import MeshCore
internal import MeshTransport

/// Small files that must survive a power cut.
enum FileIO {
    /// The whole file, or nil if there is none. More than `limit` bytes is an error: these files are small.
    static func read(_ path: String, limit: Int) throws -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw fileFailure("read", path, mend: "run as the user that owns it")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw fileFailure("read", path)
            }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw MeshError(.tooLarge, "\(path) has more than \(limit) bytes", hint: "it is not a file of meshnode")
            }
        }
    }

    /// The same for a secret: it goes straight into locked memory.
    static func readSecret(_ path: String, limit: Int) throws -> SecretBytes? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw fileFailure("read", path, mend: "run as the user that owns it")
        }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw fileFailure("read", path) }
        guard 0...limit ~= Int(status.st_size) else {
            throw MeshError(
                .invalidArgument, "\(path) is larger than \(limit) bytes", hint: "it is not a file of meshnode")
        }
        let size = Int(status.st_size)
        var (offset, last) = (0, 1)
        let secret = unsafe SecretBytes(count: size) { out in
            while offset < size, last > 0 {
                last = unsafe Glibc.read(descriptor, out + offset, size - offset)
                if last > 0 { offset += last } else if last < 0, errno == EINTR { last = 1 }
            }
        }
        guard offset == size else { throw fileFailure("read all of", path) }
        return secret
    }

    static func replace(_ path: String, with secret: SecretBytes) throws {
        var bytes = secret.exposed()
        defer { wipe(&bytes) }
        try self.replace(path, with: bytes)
    }

    /// Written beside, fsynced, renamed over the old one, folder fsynced: a reader sees the old file or the new one,
    /// also after a power cut.
    static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o600) throws {
        let temporary = path + ".new"
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw fileFailure("write", temporary) }
        do {
            defer { close(descriptor) }
            guard fchmod(descriptor, mode) == 0 else { throw fileFailure("set the mode of", temporary) }
            try writeAll(bytes, to: descriptor, path: temporary)
            guard fsync(descriptor) == 0 else { throw fileFailure("sync", temporary) }
        }
        guard unsafe rename(temporary, path) == 0 else { throw fileFailure("replace", path) }
        try syncFolder(of: path)
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws {
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes[offset...].withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw fileFailure("write", path)
            }
            offset += count
        }
    }

    /// Makes the entry of `path` in its folder durable.
    static func syncFolder(of path: String) throws {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = unsafe open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fileFailure("open", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw fileFailure("sync", folder) }
    }
}

/// A failed call on a file as an operator reads it: what, where, why, and the mend. Made right after the call, while
/// `errno` still tells why.
func fileFailure(_ action: String, _ path: String, mend: String = "") -> MeshError {
    let reason = unsafe String(cString: strerror(errno))
    return MeshError(.unavailable, "cannot \(action) \(path): \(reason)", hint: mend)
}

/// An exclusive lock on a file, let go when the process ends however it ends.
struct FolderLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Nil if another process holds it.
    init?(taking path: String) throws {
        self.descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard self.descriptor >= 0 else { throw fileFailure("open", path, mend: "run as the user that owns it") }
        guard flock(self.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            close(self.descriptor)
            errno = reason
            if reason == EWOULDBLOCK { return nil }
            throw fileFailure("lock", path)
        }
    }

    deinit { close(self.descriptor) }
}
