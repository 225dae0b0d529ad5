/// What a replica's storage holds when its process starts.
package struct RecoveredReplica: Sendable {
    package var group: GroupID
    package var incarnation: GroupIncarnation
    package var id: ReplicaID
    package var state: HardState
    package var log: RaftLog
    package var history: ReplicaHistory
    package var applied: LogIndex
    /// Storage found less than its watermark says was durable once: entries up to this index were acknowledged.
    package var lost: LogIndex?

    package init(
        group: GroupID, incarnation: GroupIncarnation, id: ReplicaID, state: HardState, log: RaftLog,
        history: ReplicaHistory, applied: LogIndex, lost: LogIndex?
    ) {
        self.group = group
        self.incarnation = incarnation
        self.id = id
        self.state = state
        self.log = log
        self.history = history
        self.applied = applied
        self.lost = lost
    }

    /// A group's first replica, or one that a leader just added and that has nothing yet.
    package static func fresh(
        group: GroupID, incarnation: GroupIncarnation, id: ReplicaID, replicas: ReplicaSet, settings: RaftSettings
    ) -> RecoveredReplica {
        RecoveredReplica(
            group: group, incarnation: incarnation, id: id, state: HardState(),
            log: RaftLog(base: .zero, tailBytesMax: settings.tailBytesMax),
            history: ReplicaHistory(.init(index: 0, replicas: replicas)), applied: 0, lost: nil)
    }

    var shortfall: Shortfall? {
        guard let lost = self.lost else { return self.state.shortfall }
        return Shortfall(acknowledged: max(lost, self.state.shortfall?.acknowledged ?? 0))
    }
}

/// What must be durable before any message of the term is sent (Figure 3.1).
package struct HardState: Hashable, Sendable {
    package var term: Term = 0
    package var vote: ReplicaID?
    package var shortfall: Shortfall?

    package init(term: Term = 0, vote: ReplicaID? = nil, shortfall: Shortfall? = nil) {
        self.term = term
        self.vote = vote
        self.shortfall = shortfall
    }
}

/// A replica that holds less than it once acknowledged: perhaps a vote, perhaps entries that others count on.
package struct Shortfall: Hashable, Sendable {
    /// The log must reach this again before its acknowledgements count.
    package var acknowledged: LogIndex
    /// The log has.
    package var isCaughtUp = false
    /// A vote may be lost too. It no longer matters after a vouched vote, whose term is above it.
    package var hasVoted = false

    package init(acknowledged: LogIndex) { self.acknowledged = acknowledged }
}

/// One write of a replica. Writes are made durable in order: none may survive a crash that an earlier one does not.
package struct LogWrite: Hashable, Sendable {
    package var sequence: UInt64
    package var state: HardState?
    /// Remove entries from here on, before appending.
    package var truncateFrom: LogIndex?
    package var entries: [LogEntry]

    package init(sequence: UInt64, state: HardState?, truncateFrom: LogIndex?, entries: [LogEntry]) {
        self.sequence = sequence
        self.state = state
        self.truncateFrom = truncateFrom
        self.entries = entries
    }
}

package enum LoadPurpose: Hashable, Sendable {
    case apply
    case replicate(ReplicaID)
}

/// Payloads older than the tail in memory. The answer has at least one entry, or none if they are gone.
package struct LoadRequest: Hashable, Sendable {
    package var purpose: LoadPurpose
    package var first: LogIndex
    package var last: LogIndex
    package var bytesMax: Int

    package init(purpose: LoadPurpose, first: LogIndex, last: LogIndex, bytesMax: Int) {
        self.purpose = purpose
        self.first = first
        self.last = last
        self.bytesMax = bytesMax
    }
}
