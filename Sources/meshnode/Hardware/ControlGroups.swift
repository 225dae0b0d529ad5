/// What the control groups of this process leave it of processors and memory: version 2, version 1, and mixtures.
///
/// A value over file contents. `read` gives the text of a file, nil if there is none.
struct ControlGroups {
    private static let depthMax = 32

    private let read: (String) -> String?
    /// Folders from the process's own group up to the mount, for version 2 and for controllers of version 1.
    private var unified: [String] = []
    private var cpu: [String] = []
    private var memory: [String] = []

    init(read: @escaping (String) -> String?) {
        self.read = read
        var own: [String: String] = [:]
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            // 4:memory:/path, or 0::/path for version 2.
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            for controller in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
                own[String(controller)] = String(parts[2])
            }
        }
        for mount in (read("/proc/self/mountinfo") ?? "").split(separator: "\n").compactMap(Mount.init) {
            if mount.type == "cgroup2" { self.unified = mount.folders(of: own[""]) }
            guard mount.type == "cgroup" else { continue }
            if mount.options.contains("cpu") { self.cpu = mount.folders(of: own["cpu"]) }
            if mount.options.contains("memory") { self.memory = mount.folders(of: own["memory"]) }
        }
    }

    /// Hundredths of a processor that may be used at once; nil without a limit.
    var cpuHundredths: Int? {
        let limits = self.unified.compactMap { quota(self.read($0 + "/cpu.max")) }
        let older = self.cpu.compactMap { folder in
            quota(
                (self.read(folder + "/cpu.cfs_quota_us") ?? "") + " " + (self.read(folder + "/cpu.cfs_period_us") ?? "")
            )
        }
        return (limits + older).min()
    }

    /// Every limit on the way up, and what is left below it. What the page cache can give back counts as left.
    var memoryBytes: [(limit: UInt64, left: UInt64)] {
        self.limits(in: self.unified, limit: "memory.max", usage: "memory.current", cache: "inactive_file")
            + self.limits(
                in: self.memory, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
                cache: "total_inactive_file")
    }

    private func limits(
        in folders: [String], limit: String, usage: String, cache: String
    ) -> [(limit: UInt64, left: UInt64)] {
        folders.compactMap { folder in
            // `max`, or in version 1 a number near 2^63, which the machine's own memory undercuts.
            guard let limit = number(self.read("\(folder)/\(limit)")) else { return nil }
            let used = number(self.read("\(folder)/\(usage)")) ?? 0
            let given = field(cache, in: self.read("\(folder)/memory.stat") ?? "") ?? 0
            let held = used > given ? used - given : 0
            return (limit, limit > held ? limit - held : 0)
        }
    }

    /// One line of `/proc/self/mountinfo` (proc(5)).
    private struct Mount {
        var type: Substring
        var options: [Substring]
        /// Which group the mount shows, and where.
        var root: Substring
        var point: Substring

        init?(_ line: Substring) {
            let parts = line.split(separator: " ")
            guard let dash = parts.firstIndex(of: "-"), dash >= 6, parts.count >= dash + 4 else { return nil }
            (self.root, self.point, self.type) = (parts[3], parts[4], parts[dash + 1])
            self.options = parts[dash + 3].split(separator: ",")
        }

        /// In a container the process may be told a path outside of what it sees: then the mount is all there is.
        func folders(of path: String?) -> [String] {
            guard let path else { return [] }
            let isWithin = self.root == "/" || path == self.root || path.hasPrefix(self.root + "/")
            let inside = isWithin ? path.dropFirst(self.root == "/" ? 0 : self.root.count) : ""
            var segments = inside.split(separator: "/").prefix(ControlGroups.depthMax)
            if segments.contains("..") { segments = [] }
            var folders: [String] = []
            while !segments.isEmpty {
                folders.append(self.point + "/" + segments.joined(separator: "/"))
                segments.removeLast()
            }
            return folders + [String(self.point)]
        }
    }
}

/// `max 100000`, `150000 100000`, `-1 100000`.
private func quota(_ text: String?) -> Int? {
    let numbers = (text ?? "").split(whereSeparator: \.isWhitespace)
    guard numbers.count == 2, let quota = Int(numbers[0]), let period = Int(numbers[1]), quota > 0, period > 0,
        quota <= Int.max / 100
    else { return nil }
    return max(1, quota * 100 / period)
}

private func number(_ text: String?) -> UInt64? {
    text.flatMap { UInt64($0.split(whereSeparator: \.isWhitespace).first ?? "") }
}

/// `name 123` among lines; also `name: 123 kB`, as in `/proc/meminfo`.
func field(_ name: String, in text: String) -> UInt64? {
    for line in text.split(separator: "\n") {
        let parts = line.split(whereSeparator: { $0 == " " || $0 == ":" || $0 == "\t" })
        if parts.count >= 2, parts[0] == name { return UInt64(parts[1]) }
    }
    return nil
}
