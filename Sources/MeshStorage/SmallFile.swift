internal import Glibc
internal import MeshCore

/// Files that are read and replaced whole.
enum SmallFile {
    /// nil if there is none.
    static func read(_ path: String, limit: Int) throws(StorageError) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw self.failure("read", path)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw self.failure("read", path) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw StorageError(.corrupt, operation: "read \(path)", detail: "it has more than \(limit) bytes")
            }
        }
    }

    /// Written beside, synced, renamed over the old one: a reader sees the old file or the new one.
    static func replace(_ path: String, with bytes: [UInt8]) throws(StorageError) {
        let temporary = path + ".new"
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw self.failure("write", temporary) }
        do {
            defer { close(descriptor) }
            var offset = 0
            while offset < bytes.count {
                let count = unsafe bytes.withUnsafeBytes { bytes in
                    unsafe write(descriptor, bytes.baseAddress.map { unsafe $0 + offset }, bytes.count - offset)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw self.failure("write", temporary) }
                offset += count
            }
            guard fdatasync(descriptor) == 0 else { throw self.failure("sync", temporary) }
        }
        guard unsafe rename(temporary, path) == 0 else { throw self.failure("replace", path) }
    }

    private static func failure(_ verb: String, _ path: String) -> StorageError {
        let number = errno
        let reason = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
        return StorageError(number == EACCES ? .unreadable : .failed, operation: "\(verb) \(path)", detail: reason)
    }
}
