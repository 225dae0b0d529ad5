internal import FoundationEssentials
internal import Glibc
internal import MeshCore

/// What standard output is connected to.
enum Terminal {
    static let isInteractive = isatty(STDOUT_FILENO) == 1

    /// Columns to fit into; nil where nobody looks at columns.
    static let width: Int? = {
        if let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap({ Int($0) }), columns > 0 {
            return columns
        }
        guard isInteractive else { return nil }
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }()

    /// https://no-color.org
    static let hasColor: Bool = {
        let environment = ProcessInfo.processInfo.environment
        return isInteractive && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }()
}

/// The few colours we use; `plain` where colour is off.
package enum Style: String, Sendable {
    case plain = ""
    case good = "32"
    case warning = "33"
    case bad = "31"
    case faint = "2"

    /// Of a member's or a node's state, or of the mesh's health.
    package init(state: String) {
        switch state {
        case "alive", "ready", "healthy", "active": self = .good
        case "suspect", "joining", "leaving", "degraded": self = .warning
        case "dead", "failed": self = .bad
        case "left", "idle": self = .faint
        default: self = .plain
        }
    }

    package func applied(to text: String, color: Bool) -> String {
        color && self != .plain ? "\u{1B}[\(self.rawValue)m\(text)\u{1B}[0m" : text
    }
}

func printLine(_ text: String) { printRaw(Array((text + "\n").utf8)) }

/// To standard output at once: a watcher reads line by line. A reader that has gone ends the command as it ends others.
func printRaw(_ bytes: [UInt8]) {
    var offset = 0
    while offset < bytes.count {
        let count = unsafe bytes[offset...].withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        if count < 0 {
            if errno == EINTR { continue }
            exit(ExitStatus.failed.rawValue)
        }
        offset += count
    }
}

func warn(_ text: String) { warn(raw: "meshnode: warning: " + text) }

func warn(raw text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// On one line, as the node answers.
func jsonBytes(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
}

/// A file, or standard input for `-`.
func readInput(_ path: String, limit: Int, mend: String = "") throws -> [UInt8] {
    if path == "-" { return try readStandardInput(limit: limit, mend: mend) }
    do {
        guard let bytes = try FileIO.read(path, limit: limit) else {
            throw CommandFailure("there is no file \(path)", hint: "check the path", status: .usage)
        }
        return bytes
    } catch let error as CommandFailure {
        throw error
    } catch let error as MeshError {
        throw CommandFailure(error.message, hint: error.code == .tooLarge ? mend : error.hint, status: .usage)
    } catch {
        throw CommandFailure("cannot read \(path): \(error)", status: .usage)
    }
}

private func readStandardInput(limit: Int, mend: String) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(STDIN_FILENO, $0.baseAddress, $0.count) }
        if count < 0 {
            if errno == EINTR { continue }
            throw CommandFailure("cannot read standard input", status: .usage)
        }
        if count == 0 { return bytes }
        bytes += chunk[..<count]
        guard bytes.count <= limit else {
            throw CommandFailure("standard input has more than \(limit) bytes", hint: mend, status: .usage)
        }
    }
}
