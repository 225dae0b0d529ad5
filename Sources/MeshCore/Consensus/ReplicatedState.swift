/// What a group replicates: a deterministic state machine (Schneider 1990) over committed entries.
///
/// At its start, and after a snapshot, it is given what it wants in memory (`resident`). Then the driver calls, for each
/// batch of entries and in this order: `missing`, `learn` for every key that it named, `apply`; then it writes the batch that
/// `apply` filled together with the index it reached. The next batch may be applied before that write has ended, so what is
/// in memory counts before what the disk holds. Nothing here waits, and every replica that has applied the same entries
/// holds the same bytes.
package protocol ReplicatedState: Sendable {
    /// What became of one entry.
    associatedtype Outcome: Sendable

    /// Prefixes of the keys that are told by `learn` before the first entry is applied, whole ranges in ascending order.
    static var resident: [[UInt8]] { get }

    /// Keys whose values `apply` must know for these entries and that are not in memory, each once.
    ///
    /// Mutating, so that what was decoded to find out need not be decoded again.
    mutating func missing(for entries: [LogEntry]) -> [[UInt8]]
    /// What the disk holds under a key that was missing, nil if nothing; or under a resident one.
    mutating func learn(_ key: [UInt8], _ value: [UInt8]?) throws(WireError)
    /// Applies entries in order and says what became of each. Changes go to the batch.
    mutating func apply(_ entries: [LogEntry], into batch: inout StateBatch) -> [Outcome]
    /// Everything up to `index` is on the disk: what was kept in memory only because it was not may be forgotten.
    mutating func written(through index: LogIndex)
}

extension ReplicatedState {
    package static var resident: [[UInt8]] { [] }
}

/// Changes of one group's state that take effect together or not at all, in this order. Keys are relative to the group.
package struct StateBatch: Sendable {
    package enum Change: Hashable, Sendable {
        case put(key: [UInt8], value: [UInt8])
        case delete(key: [UInt8])
        /// All keys that begin with these bytes.
        case deletePrefix([UInt8])
    }

    package private(set) var changes: [Change] = []
    /// Keys and values together.
    package private(set) var byteCount = 0

    package init() {}

    package var isEmpty: Bool { self.changes.isEmpty }

    package mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        self.changes.append(.put(key: key, value: value))
        self.byteCount += key.count + value.count
    }

    package mutating func delete(_ key: [UInt8]) {
        self.changes.append(.delete(key: key))
        self.byteCount += key.count
    }

    package mutating func deletePrefix(_ prefix: [UInt8]) {
        self.changes.append(.deletePrefix(prefix))
        self.byteCount += prefix.count
    }
}
