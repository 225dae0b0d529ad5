internal import Glibc
internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import Synchronization

/// What is logged by every part that was not given a level of its own; a reload changes it.
final class LogLevel: Sendable {
    static let shared = LogLevel()

    private let level = Mutex(Logger.Level.info)

    var value: Logger.Level { self.level.withLock { $0 } }
    func set(_ level: Logger.Level) { self.level.withLock { $0 = level } }
}

/// Writes one line per record to standard error, as text for people or as JSON for machines, and keeps it in the journal
/// for whoever asks the node.
///
/// A line is one `write`, so lines of concurrent tasks do not mix. Values are escaped: what a peer or a worker sends
/// cannot forge a line.
struct LineLog: LogHandler {
    let label: String
    let format: NodeConfiguration.LogFormat
    let journal: EventJournal
    /// Of this logger alone.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]

    init(label: String, format: NodeConfiguration.LogFormat, journal: EventJournal) {
        self.label = label
        self.format = format
        self.journal = journal
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
        var fields = merged.map { Label($0.key, $0.value.description) }
        if let error = event.error { fields.append(Label("error", String(describing: error))) }
        let record = LogRecord(
            level: event.level, part: self.label, message: event.message.description, fields: fields)
        // The journal's time, so that a line is the same wherever it is read.
        let time = wallTime(self.journal.publish(.log(record)))
        let line =
            switch self.format {
            case .text: LogText.text(record, at: time)
            case .json: LogText.json(record, at: time)
            }
        // Nobody could be told that the log cannot be written.
        let bytes = Array((line + "\n").utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
