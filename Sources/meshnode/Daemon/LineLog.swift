internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import Synchronization

/// What is logged by every part that was not given a level of its own; a reload changes it.
final class LogLevel: Sendable {
    static let shared = LogLevel()

    private let level = Mutex(Logger.Level.info)

    var value: Logger.Level { self.level.withLock { $0 } }
    func set(_ level: Logger.Level) { self.level.withLock { $0 = level } }
}

/// Writes one line per record to standard error, as text for people or as JSON for machines.
///
/// A line is one `write`, so lines of concurrent tasks do not mix. Values are escaped: what a peer or a worker sends
/// cannot forge a line.
struct LineLog: LogHandler {
    let label: String
    let format: NodeConfiguration.LogFormat
    /// Of this logger alone.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]

    init(label: String, format: NodeConfiguration.LogFormat) {
        self.label = label
        self.format = format
    }

    var logLevel: Logger.Level {
        get { self.ownLevel ?? LogLevel.shared.value }
        set { self.ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let merged = self.metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        var fields = merged.map { ($0.key, $0.value.description) }
        if let error = event.error { fields.append(("error", String(describing: error))) }
        let line =
            switch self.format {
            case .text: self.text(event.level, event.message.description, fields)
            case .json: self.json(event.level, event.message.description, fields)
            }
        // Nobody could be told that the log cannot be written.
        var bytes = Array(line.utf8)
        _ = unsafe bytes.withUnsafeMutableBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func text(_ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> String {
        var line = timestamp() + " " + level.rawValue.uppercased().padded(to: 8) + self.label.padded(to: 10)
        appendEscaped(message, to: &line, quotes: false)
        for (key, value) in fields {
            line += " \(key)="
            let plain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }
            if !plain { line += "\"" }
            appendEscaped(value, to: &line, quotes: true)
            if !plain { line += "\"" }
        }
        return line + "\n"
    }

    private func json(_ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> String {
        var line =
            "{\"time\":\"\(timestamp())\",\"level\":\"\(level.rawValue)\",\"part\":\"\(self.label)\",\"message\":\""
        appendEscaped(message, to: &line, quotes: true)
        line += "\""
        for (key, value) in fields {
            line += ",\""
            appendEscaped(key, to: &line, quotes: true)
            line += "\":\""
            appendEscaped(value, to: &line, quotes: true)
            line += "\""
        }
        return line + "}\n"
    }
}

/// RFC 3339 with milliseconds, UTC.
private func timestamp() -> String { Date.now.ISO8601Format(.init(includingFractionalSeconds: true)) }

/// JSON's escapes (RFC 8259, 7) serve both formats.
private func appendEscaped(_ text: String, to line: inout String, quotes: Bool) {
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\n": line += "\\n"
        case "\t": line += "\\t"
        case "\"" where quotes: line += "\\\""
        case "\\" where quotes: line += "\\\\"
        case let control where control.value < 0x20 || (0x7F...0x9F).contains(control.value):
            let digits = String(control.value, radix: 16)
            line += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: line.unicodeScalars.append(scalar)
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - self.utf8.count))
    }
}
