/// A leader's reign; at most one leader per term (Ongaro 2014, §3.3).
package typealias Term = UInt64
/// A place in the log; the first entry has index 1.
package typealias LogIndex = UInt64

/// One Raft group; 0 is the meta group.
package struct GroupID: Hashable, Comparable, Sendable {
    package var number: UInt32

    package init(_ number: UInt32) { self.number = number }

    package static func < (left: GroupID, right: GroupID) -> Bool { left.number < right.number }
}

/// Which history of a group this is. A new one begins only when somebody gives up what a lost quorum held; replicas of
/// different histories never talk.
package struct GroupIncarnation: Hashable, Sendable {
    package var counter: UInt32
    package var id: UInt64

    package init(counter: UInt32, id: UInt64) {
        self.counter = counter
        self.id = id
    }
}

/// A node's part in a group, since the entry that added it.
///
/// Removed and added again it is another replica: the first one's votes and acknowledgements must never be taken for the
/// second's, whose disk knows nothing of them.
package struct ReplicaID: Hashable, Comparable, Sendable {
    package var node: NodeID
    /// The index of the entry that added it; 0 for those that a group began with.
    package var addedAt: LogIndex

    package init(node: NodeID, addedAt: LogIndex) {
        self.node = node
        self.addedAt = addedAt
    }

    package static func < (left: ReplicaID, right: ReplicaID) -> Bool {
        (left.node, left.addedAt) < (right.node, right.addedAt)
    }
}

/// The last entry of a log, ordered by how up to date that log is: the later term wins, then the longer log (§3.6.1).
package struct LogPosition: Hashable, Comparable, Sendable {
    package var index: LogIndex
    package var term: Term

    package init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }

    package static let zero = LogPosition(index: 0, term: 0)

    package static func < (left: LogPosition, right: LogPosition) -> Bool {
        (left.term, left.index) < (right.term, right.index)
    }
}

/// One entry of the log.
package struct LogEntry: Hashable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// What a new leader appends first: with it, everything before it is committed too (§3.6.2, §6.4).
        case noop = 0
        /// Opaque to consensus.
        case command = 1
        /// A `ReplicaSet`, in force from the moment it is appended (§4.1).
        case configuration = 2
    }

    package static let payloadBytesMax = 4 << 20
    /// What an entry counts for beside its payload.
    package static let overheadBytes = 24

    package var index: LogIndex
    package var term: Term
    package var kind: Kind
    package var payload: [UInt8]

    package init(index: LogIndex, term: Term, kind: Kind, payload: [UInt8]) {
        self.index = index
        self.term = term
        self.kind = kind
        self.payload = payload
    }

    package var position: LogPosition { LogPosition(index: self.index, term: self.term) }
    /// What it counts for in windows and limits.
    package var byteCount: Int { self.payload.count + Self.overheadBytes }
}

extension GroupID: CustomStringConvertible { package var description: String { "group \(self.number)" } }
extension ReplicaID: CustomStringConvertible {
    package var description: String { "\(self.node.short)+\(self.addedAt)" }
}
extension LogPosition: CustomStringConvertible {
    package var description: String { "\(self.index)@\(self.term)" }
}
