internal import Glibc
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

/// Whether a disk keeps what a node promises: room, speed, and a file system whose fsync means it.
struct DiskChecks {
    let folder: String

    /// Every acknowledgement waits for one.
    private static let slow = Duration.milliseconds(50)
    private static let tries = 8

    func findings() -> [Finding] {
        guard let room = DiskRoom(of: self.folder) else {
            return [Finding(.problem, "disk", self.folder, "its file system cannot be asked", mend: "check the mount")]
        }
        guard !room.isReadOnly else {
            return [
                Finding(
                    .problem, "disk", self.folder, "the file system is read-only",
                    mend: "a disk with errors is often remounted so: check dmesg, repair it, mount it read-write")
            ]
        }
        return [self.room(room), self.kind(), self.speed()].compactMap(\.self)
    }

    private func room(_ room: DiskRoom) -> Finding {
        let free = "\(room.free.megabytes) of \(room.total.megabytes) are free"
        if room.free < room.reserve {
            return Finding(
                .problem, "disk", self.folder, "\(free): below \(room.reserve.megabytes) no message is taken",
                mend: "make room, or move the data folder to a larger disk")
        }
        if room.free < room.reserve * 2 {
            return Finding(
                .warning, "disk", self.folder, "\(free); below \(room.reserve.megabytes) no more messages are taken",
                mend: "make room soon")
        }
        return Finding(.fine, "disk", self.folder, free)
    }

    private func kind() -> Finding? {
        let mend = "put the data folder on a local disk"
        switch self.fileSystem {
        case "tmpfs", "ramfs":
            return Finding(
                .warning, "disk", self.folder, "it is in memory (tmpfs): a restart of the machine loses all messages",
                mend: mend)
        case "nfs", "nfs4", "cifs", "smb3", "smbfs":
            return Finding(
                .problem, "disk", self.folder,
                "it is on a network (NFS or SMB): neither locks nor fsync can be relied on",
                mend: mend)
        case "overlay":
            return Finding(
                .warning, "disk", self.folder,
                "it is the writable layer of a container: removing that loses all messages",
                mend: "mount a volume there")
        case let kind? where kind.hasPrefix("fuse") || kind == "9p" || kind == "virtiofs":
            return Finding(
                .warning, "disk", self.folder,
                "it is on \(kind): whether fsync reaches a disk is up to another program",
                mend: mend)
        default: return nil
        }
    }

    /// Of the mount that the folder lies on, found by its device; nil where it is not listed.
    private var fileSystem: String? {
        var status = stat()
        guard unsafe stat(self.folder, &status) == 0,
            let bytes = (try? FileIO.read("/proc/self/mountinfo", limit: 4 << 20)).flatMap({ $0 })
        else { return nil }
        let device = UInt64(status.st_dev)
        let major = (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF
        let minor = device & 0xFF | (device >> 12) & ~0xFF
        return Self.fileSystem(ofDevice: "\(major):\(minor)", in: String(decoding: bytes, as: UTF8.self))
    }

    /// proc(5): id parent major:minor root mount-point options [fields] - type source options.
    static func fileSystem(ofDevice device: String, in mountInfo: String) -> String? {
        for line in mountInfo.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, fields[2] == device, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count
            else { continue }
            return String(fields[dash + 1])
        }
        return nil
    }

    private func speed() -> Finding? {
        let path = self.folder + "/.doctor.\(getpid())"
        // One that a killed process left may lie there: in a container every daemon has the same number.
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            // Another user's folder: said elsewhere.
            guard errno == ENOSPC || errno == EDQUOT || errno == EROFS || errno == EIO else { return nil }
            let reason = unsafe String(cString: strerror(errno))
            return Finding(.problem, "disk", self.folder, "no file can be made: \(reason)", mend: "check the disk")
        }
        defer {
            close(descriptor)
            _ = unsafe unlink(path)
        }
        var times: [Duration] = []
        let block = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<Self.tries {
            let begin = Instant.now()
            let written = unsafe block.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            guard written == block.count, fsync(descriptor) == 0 else {
                let reason = unsafe String(cString: strerror(errno))
                return Finding(
                    .problem, "disk", self.folder, "a write with fsync fails: \(reason)",
                    mend: "check the disk and dmesg")
            }
            times.append(.now() - begin)
        }
        times.sort()
        let (median, worst) = (times[times.count / 2], times[times.count - 1])
        let text =
            "a write with fsync takes \(Human.milliseconds(median.inSeconds * 1000)) "
            + "(the slowest of \(times.count) \(Human.milliseconds(worst.inSeconds * 1000)))"
        return median < Self.slow
            ? Finding(.fine, "disk", self.folder, text)
            : Finding(
                .warning, "disk", self.folder, "\(text), and every acknowledgement waits for one",
                mend: "use a faster disk, or one with a write cache that survives a power cut")
    }
}
