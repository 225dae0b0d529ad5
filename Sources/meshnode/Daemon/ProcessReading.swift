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
        // Without the one that reads.
        folderEntries("/proc/self/fd").map { $0.count - 1 }
    }

    private static func text(_ path: String) -> String? {
        (try? FileIO.read(path, limit: 1 << 20)).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Names in a folder, without those that begin with a dot; nil if it cannot be read.
func folderEntries(_ path: String) -> [String]? {
    guard let directory = unsafe opendir(path) else { return nil }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
            unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
        }
        if !name.hasPrefix(".") { names.append(name) }
    }
    return names
}

/// Of its files, not of folders in it.
func folderBytes(_ path: String) -> Int {
    (folderEntries(path) ?? []).reduce(0) { sum, name in
        var status = stat()
        return unsafe stat("\(path)/\(name)", &status) == 0 ? sum + Int(status.st_blocks) * 512 : sum
    }
}
