/// What `meshnode data` tells about a database that nobody has open.
package struct DataReport: Encodable, Sendable {
    package enum Severity: String, Encodable, Sendable {
        /// Worth knowing; the node starts and does the right thing.
        case note
        /// Something that was promised is not there; the node starts and is careful until others have helped it.
        case loss
        /// Something is not what was written; what it concerns does not start.
        case damage
    }

    package struct Finding: Encodable, Sendable {
        package var severity: Severity
        /// What it concerns: `database`, `watermark`, `table messages` or `group 7`.
        package var place: String
        package var text: String
        package var mend: String

        package init(severity: Severity, place: String, text: String, mend: String) {
            self.severity = severity
            self.place = place
            self.text = text
            self.mend = mend
        }
    }

    package struct Table: Encodable, Sendable {
        package var name: String
        package var entries: Int
        /// Keys and values, before compression.
        package var bytes: Int

        package init(name: String, entries: Int, bytes: Int) {
            self.name = name
            self.entries = entries
            self.bytes = bytes
        }
    }

    package enum Status: String, Encodable, Sendable {
        case sound, short, removed, damaged
    }

    package struct Group: Encodable, Sendable {
        package var group: UInt32
        package var status: Status
        /// nil of a replica that cannot be read, or that is gone.
        package var replica: Replica?
        /// Values of its state.
        package var stateEntries = 0
        package var stateBytes = 0
    }

    package struct Replica: Encodable, Sendable {
        package var addedAt: UInt64
        package var incarnation: UInt32
        package var term: UInt64
        package var vote: String?
        /// The last entry that was dropped, the last one there is, and the one that the state is of.
        package var base: UInt64
        package var last: UInt64
        package var applied: UInt64
        package var logBytes: Int
        /// The hash chain up to the last entry: two replicas with the same have the same log.
        package var chain: String
        package var voters: [String]
        package var learners: [String]
        /// The log must reach this before its acknowledgements count.
        package var acknowledged: UInt64?
    }

    package struct Entry: Encodable, Sendable {
        package var index: UInt64
        package var term: UInt64
        package var kind: String
        package var bytes: Int
        package var chain: String
        /// Hexadecimal; nil if it was not asked for.
        package var payload: String?
    }

    package var path: String
    package var node: String
    package var format: UInt32
    /// Synced batches of groups, and how many of them the watermark knows.
    package var commits: UInt64
    package var promised: UInt64?
    package var tables: [Table] = []
    package var groups: [Group] = []
    package var findings: [Finding] = []

    package init(path: String, node: String, format: UInt32, commits: UInt64) {
        self.path = path
        self.node = node
        self.format = format
        self.commits = commits
    }

    package func count(_ severity: Severity) -> Int { self.findings.count { $0.severity == severity } }
}
