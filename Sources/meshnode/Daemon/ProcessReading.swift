internal import Glibc

/// What the kernel says of this process, from /proc/self; nil where it does not say.
struct ProcessReading {
    var residentBytes: Double
    var virtualBytes: Double
    var cpuSeconds: Double
    var threads: Int
    /// Seconds since 1970.
    var startedAt: Double
    var openFiles: Int

    init?() {
        // Behind the name, which may hold anything: state ppid … utime(11) stime(12) … threads(17) … start(19) vsize rss.
        guard let text = Self.text("/proc/self/stat"), let end = text.lastIndex(of: ")"),
            let boot = Self.text("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
            let bootTime = Double(boot.dropFirst(6))
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ").map { Double($0) ?? 0 }
        guard fields.count > 21 else { return nil }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        let page = Double(sysconf(Int32(_SC_PAGESIZE)))
        self.cpuSeconds = (fields[11] + fields[12]) / ticks
        self.threads = Int(fields[17])
        self.startedAt = bootTime + fields[19] / ticks
        self.virtualBytes = fields[20]
        self.residentBytes = fields[21] * page
        self.openFiles = Self.openFiles ?? 0
    }

    static var openFilesMax: Double {
        var limit = rlimit()
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Double(limit.rlim_cur)
    }

    static var openFiles: Int? {
        guard let directory = unsafe opendir("/proc/self/fd") else { return nil }
        defer { unsafe closedir(directory) }
        var count = 0
        while unsafe readdir(directory) != nil { count += 1 }
        // Without ".", ".." and the one that reads.
        return count - 3
    }

    private static func text(_ path: String) -> String? {
        (try? FileIO.read(path, limit: 1 << 20)).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
    }
}
