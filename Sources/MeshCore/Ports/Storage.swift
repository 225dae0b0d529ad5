/// Durable bytes under keys, as the runtime sees them: atomic batches in, single values and ordered ranges out.
///
/// Nothing here waits. What takes time is answered through a callback, on a thread of the storage, so a callback does
/// little and never blocks. The caller bounds what it leaves outstanding.
package protocol Storage: Sendable {
    /// Makes a batch durable. Batches take effect whole and in the order they were given; those that wait together
    /// share one fsync. `done` is called once the batch is on disk; an empty batch is a barrier.
    ///
    /// There is no failure to handle: a disk that does not keep its word ends the process, because nothing that this
    /// process holds in memory can be trusted to be on disk from then on.
    func commit(_ batch: StorageBatch, done: @escaping @Sendable () -> Void)

    /// One value, or nil. Sees every batch whose `done` was called before.
    func get(
        _ table: StorageTable, _ key: [UInt8],
        done: @escaping @Sendable (Result<[UInt8]?, StorageError>) -> Void)

    /// Entries in ascending order of keys: at most `limit`, and no further once they have `bytesMax` bytes together.
    /// Sees every batch whose `done` was called before.
    func scan(
        _ range: StorageRange, limit: Int, bytesMax: Int,
        done: @escaping @Sendable (Result<[StorageEntry], StorageError>) -> Void)
}

/// Kinds of data, kept apart so that each can be iterated alone. Raw values are names on disk.
package enum StorageTable: String, Sendable, CaseIterable {
    /// Small blobs of the node under names: definitions, remembered members.
    case node
    /// Path to the bounds of its mailbox.
    case mailboxes
    /// Path and sequence to a waiting message.
    case messages
    /// Path and key to a value of the actor's state.
    case state
    /// Idempotency key to the message that it stands for.
    case idempotency
    /// Message to its outcome, for messages sent with an idempotency key.
    case outcomes
    /// Message to what is known of its failure.
    case deadLetters
}

/// Changes that take effect together or not at all. Of two changes of one key the later wins.
package struct StorageBatch: Sendable {
    package enum Change: Hashable, Sendable {
        case put(StorageTable, key: [UInt8], value: [UInt8])
        case delete(StorageTable, key: [UInt8])
    }

    package private(set) var changes: [Change] = []
    /// Keys and values together.
    package private(set) var byteCount = 0

    package init() {}

    package var isEmpty: Bool { self.changes.isEmpty }

    package mutating func put(_ table: StorageTable, _ key: [UInt8], _ value: [UInt8]) {
        self.changes.append(.put(table, key: key, value: value))
        self.byteCount += key.count + value.count
    }

    package mutating func delete(_ table: StorageTable, _ key: [UInt8]) {
        self.changes.append(.delete(table, key: key))
        self.byteCount += key.count
    }
}

package struct StorageEntry: Hashable, Sendable {
    package var key: [UInt8]
    package var value: [UInt8]

    package init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// The entries of a table whose keys begin with `prefix`, from `start` on.
package struct StorageRange: Hashable, Sendable {
    package var table: StorageTable
    package var prefix: [UInt8]
    package var start: [UInt8]

    /// `start` is at least `prefix`; nil is the first key with the prefix.
    package init(_ table: StorageTable, prefix: [UInt8] = [], from start: [UInt8]? = nil) {
        self.table = table
        self.prefix = prefix
        self.start = start ?? prefix
    }

    /// What comes after `key` in the same range.
    package func after(_ key: [UInt8]) -> StorageRange {
        StorageRange(self.table, prefix: self.prefix, from: key + [0])
    }
}

/// Why durable data could not be opened or read.
package struct StorageError: Error, Sendable {
    package enum Code: String, Sendable, CaseIterable {
        /// Another process holds the database.
        case inUse
        /// Bytes on disk are not what was written.
        case corrupt
        /// The folder cannot be read, written or created.
        case unreadable
        /// A newer meshnode wrote it.
        case newerFormat
        /// It belongs to another NodeID than the key in the data folder.
        case wrongNode
        case failed
    }

    package var code: Code
    /// What was being done, with the place: `open /var/lib/meshnode/db`.
    package var operation: String
    package var cause: (any Error)?
    /// What the layer below said, and what an operator can do.
    package var detail: String

    package init(_ code: Code, operation: String, detail: String, cause: (any Error)? = nil) {
        self.code = code
        self.operation = operation
        self.detail = detail
        self.cause = cause
    }
}

extension StorageError: CustomStringConvertible {
    package var description: String { "cannot \(self.operation): \(self.detail)" }
}
