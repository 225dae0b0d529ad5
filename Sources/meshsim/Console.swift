internal import Glibc

/// The terminal and the process, without Foundation.
enum Console {
    static func say(_ line: String) { self.write(line + "\n", to: STDOUT_FILENO) }
    static func complain(_ line: String) { self.write(line + "\n", to: STDERR_FILENO) }

    /// Resident memory of this process.
    static var residentBytes: Int {
        let file = unsafe open("/proc/self/statm", O_RDONLY)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = unsafe read(file, &buffer, buffer.count)
        guard count > 0 else { return 0 }
        // size resident shared text lib data dt, in pages
        let fields = String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    /// What the last system call complained about.
    static var lastError: String { unsafe String(cString: strerror(errno)) }

    /// What this process has used of all processors.
    static var processorTime: Duration {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return .zero }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    private static func write(_ text: String, to file: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }
}
