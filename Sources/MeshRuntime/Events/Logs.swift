package import Logging
internal import MeshCore

/// Which lines of a node's log are wanted.
package struct LogQuery: Hashable, Sendable {
    package static let linesMax = 4096
    package static let linesDefault = 200

    /// Only lines behind this one, oldest first; without it, the last lines.
    package var after: EventID?
    /// Only lines that are no older.
    package var age: Duration?
    /// Only lines that are at least so severe.
    package var level: Logger.Level
    package var lines: Int

    package init(
        after: EventID? = nil, age: Duration? = nil, level: Logger.Level = .trace, lines: Int = Self.linesDefault
    ) {
        self.after = after
        self.age = age
        self.level = level
        self.lines = lines
    }
}

/// Log lines of one node.
package struct LogsView: Sendable {
    /// The id of the node.
    package var node: String
    package var name: String
    package var page: EventJournal.Page

    package init(node: String, name: String, page: EventJournal.Page) {
        self.node = node
        self.name = name
        self.page = page
    }
}

extension EventJournal {
    /// The log lines that a query asks for.
    package func logs(_ query: LogQuery) -> Page {
        let oldest = query.age.map { age in
            let milliseconds = UInt64(clamping: age.nanoseconds / 1_000_000)
            return self.now > milliseconds ? self.now - milliseconds : 0
        }
        let isWanted = { (event: NodeEvent) in
            event.wallClock >= oldest ?? 0 && event.log.map { $0.level >= query.level } ?? false
        }
        guard let after = query.after else { return self.read(last: query.lines, kinds: [.logs], where: isWanted) }
        return self.read(after: after, kinds: [.logs], limit: query.lines, where: isWanted)
    }
}
