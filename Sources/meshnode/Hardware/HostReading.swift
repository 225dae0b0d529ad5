internal import Glibc

/// Processors, memory and disk as this process may use them.
struct HostReading: Hashable, Sendable {
    struct Room: Hashable, Sendable {
        var totalBytes: UInt64
        var freeBytes: UInt64
    }

    /// Hundredths of a processor: a control group may leave one and a half.
    var cpuHundredths: Int?
    var memory: Room?
    /// Of the file system of the data folder.
    var disk: Room?
    /// What could not be read, and why.
    var failures: [String: String] = [:]

    static let architecture: String = {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "aarch64"
        #else
            "other"
        #endif
    }()

    init(dataFolder: String) {
        self.init { path in
            guard let bytes = try? FileIO.read(path, limit: 4 << 20) else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
        self.disk = room(below: dataFolder)
        if self.disk == nil { self.failures["disk"] = "the file system of \(dataFolder) does not tell its size" }
    }

    /// From files as `read` gives them.
    init(read: @escaping (String) -> String?) {
        let groups = ControlGroups(read: read)
        if let allowed = processors(in: read("/proc/self/status") ?? "") {
            self.cpuHundredths = min(allowed * 100, groups.cpuHundredths ?? .max)
        } else {
            self.failures["cpu"] = "/proc/self/status has no Cpus_allowed_list"
        }
        let memory = read("/proc/meminfo") ?? ""
        if let total = kibibytes("MemTotal", in: memory), let available = kibibytes("MemAvailable", in: memory) {
            let limits = groups.memoryBytes
            self.memory = Room(
                totalBytes: limits.reduce(total) { min($0, $1.limit) },
                freeBytes: limits.reduce(available) { min($0, $1.left) })
        } else {
            self.failures["memory"] = "/proc/meminfo lacks MemTotal or MemAvailable"
        }
    }
}

/// `Cpus_allowed_list: 0-3,8`: what affinity and cpusets leave.
private func processors(in status: String) -> Int? {
    let name = "Cpus_allowed_list:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
    let words = line.dropFirst(name.count).split(whereSeparator: \.isWhitespace)
    guard words.count == 1 else { return nil }
    var count = 0
    for range in words[0].split(separator: ",", omittingEmptySubsequences: false) {
        let bounds = range.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { UInt32($0) }
        guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, first <= last, last < 1 << 20 else {
            return nil
        }
        count += Int(last - first) + 1
    }
    return count
}

private func kibibytes(_ name: String, in text: String) -> UInt64? {
    field(name, in: text).flatMap { $0 <= .max / 1024 ? $0 * 1024 : nil }
}

/// Of the folder, or of the nearest above it that exists: a probe can come before the first start.
private func room(below path: String) -> HostReading.Room? {
    var path = path[...]
    while true {
        var status = statvfs()
        if unsafe statvfs(String(path.isEmpty ? "/" : path), &status) == 0 {
            let block = UInt64(status.f_frsize)
            return HostReading.Room(
                totalBytes: UInt64(status.f_blocks) * block, freeBytes: UInt64(status.f_bavail) * block)
        }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/") else { return nil }
        path = path[..<slash]
    }
}
