/// What replicas of a group say to each other.
///
/// Every message names the group's incarnation and both replicas in full: what was meant for an earlier replica of the
/// same node is not taken for this one.
package struct RaftMessage: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        case voteRequest(VoteRequest)
        case voteResponse(VoteResponse)
        case append(Append)
        case appendResponse(AppendResponse)
        case snapshotChunk(SnapshotChunk)
        case snapshotResponse(SnapshotResponse)
        /// Campaign at once: the leader hands over (§3.10).
        case timeoutNow
        /// Nothing is left to say: rely on the nodes' heartbeats until there is.
        case sleep(Sleep)
        case sleepResponse(Sleep)
    }

    package var group: GroupID
    package var incarnation: GroupIncarnation
    package var from: ReplicaID
    package var to: ReplicaID
    /// The sender's term, durable before this was sent.
    package var term: Term
    package var body: Body

    package init(
        group: GroupID, incarnation: GroupIncarnation, from: ReplicaID, to: ReplicaID, term: Term, body: Body
    ) {
        self.group = group
        self.incarnation = incarnation
        self.from = from
        self.to = to
        self.term = term
        self.body = body
    }
}

/// RequestVote (Figure 3.1) and its pre-vote (§9.6).
package struct VoteRequest: Hashable, Sendable {
    /// A question only: nobody's term changes.
    package var isPreVote: Bool
    /// The leader asked for it, so that stickiness does not apply.
    package var isTransfer: Bool
    /// The term campaigned for.
    package var term: Term
    package var last: LogPosition
    /// Echoed, so that an answer is counted in the round it answers.
    package var round: UInt64
    /// For a short voter: the life in which it said so, if since then every other voter was heard, none short and none
    /// more up to date than the candidate, in terms below this one. 0: no such word.
    package var vouchedLife: UInt64

    package init(isPreVote: Bool, isTransfer: Bool, term: Term, last: LogPosition, round: UInt64, vouchedLife: UInt64) {
        self.isPreVote = isPreVote
        self.isTransfer = isTransfer
        self.term = term
        self.last = last
        self.round = round
        self.vouchedLife = vouchedLife
    }
}

package struct VoteResponse: Hashable, Sendable {
    package var isPreVote: Bool
    package var isGranted: Bool
    package var term: Term
    package var round: UInt64
    /// The voter's life if it is short; 0 if it is sound.
    package var shortLife: UInt64

    package init(isPreVote: Bool, isGranted: Bool, term: Term, round: UInt64, shortLife: UInt64) {
        self.isPreVote = isPreVote
        self.isGranted = isGranted
        self.term = term
        self.round = round
        self.shortLife = shortLife
    }
}

/// AppendEntries (Figure 3.1); without entries it confirms leadership and tells the commit index.
package struct Append: Hashable, Sendable {
    package static let entriesMax = 4_096

    /// The entry before the first.
    package var previous: LogPosition
    package var commit: LogIndex
    /// The leader's clock when it sent this, which the answer repeats: leases count from here, not from the answer.
    package var stamp: Instant
    /// What the receiver is known to have acknowledged in this term; if it holds less, its disk has lost something.
    package var acknowledged: LogIndex
    /// Every voter holds the log up to here, so it may be dropped once applied.
    package var heldByAll: LogIndex
    package var entries: [LogEntry]

    package init(
        previous: LogPosition, commit: LogIndex, stamp: Instant, acknowledged: LogIndex, heldByAll: LogIndex,
        entries: [LogEntry]
    ) {
        self.previous = previous
        self.commit = commit
        self.stamp = stamp
        self.acknowledged = acknowledged
        self.heldByAll = heldByAll
        self.entries = entries
    }
}

package struct AppendResponse: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        /// The log is durable and the leader's up to this index.
        case matched(LogIndex)
        /// The entry before the first is not there. The hint is where the logs may still agree.
        case conflict(rejected: LogIndex, hint: LogPosition)
    }

    package var outcome: Outcome
    package var stamp: Instant
    package var applied: LogIndex
    /// The replica has lost something it acknowledged; what it acknowledges does not count.
    package var isShort: Bool

    package init(outcome: Outcome, stamp: Instant, applied: LogIndex, isShort: Bool) {
        self.outcome = outcome
        self.stamp = stamp
        self.applied = applied
        self.isShort = isShort
    }
}

/// InstallSnapshot (Figure 5.3), one chunk.
package struct SnapshotChunk: Hashable, Sendable {
    package static let bytesMax = 1 << 20

    package var position: LogPosition
    package var replicas: ReplicaHistory.Version
    package var offset: UInt64
    package var isLast: Bool
    package var stamp: Instant
    package var bytes: [UInt8]

    package init(
        position: LogPosition, replicas: ReplicaHistory.Version, offset: UInt64, isLast: Bool, stamp: Instant,
        bytes: [UInt8]
    ) {
        self.position = position
        self.replicas = replicas
        self.offset = offset
        self.isLast = isLast
        self.stamp = stamp
        self.bytes = bytes
    }
}

package struct SnapshotResponse: Hashable, Sendable {
    package var position: LogPosition
    /// The offset expected next.
    package var next: UInt64
    /// The replica has the state at that position, durable.
    package var isInstalled: Bool
    package var stamp: Instant

    package init(position: LogPosition, next: UInt64, isInstalled: Bool, stamp: Instant) {
        self.position = position
        self.next = next
        self.isInstalled = isInstalled
        self.stamp = stamp
    }
}

package struct Sleep: Hashable, Sendable {
    /// The last entry, which the sender has applied.
    package var index: LogIndex
    package var stamp: Instant

    package init(index: LogIndex, stamp: Instant) {
        self.index = index
        self.stamp = stamp
    }
}
