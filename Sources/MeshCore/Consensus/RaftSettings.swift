/// Times, windows and limits of a group; the same for all its replicas.
package struct RaftSettings: Sendable {
    /// L: for so long after a heartbeat a voter grants nobody a vote. The leader's lease leans on it.
    package var stickiness = Duration.milliseconds(250)
    /// 0.95 L: clocks that drift 1 % in opposite directions differ by 2 % of L.
    package var lease = Duration.nanoseconds(237_500_000)
    package var electionTimeout: ClosedRange<Duration> = .milliseconds(400)...(.milliseconds(600))
    /// How often a leader looks after its followers.
    package var tickInterval = Duration.milliseconds(100)
    /// Nothing heard of what was sent: send it again.
    package var resendAfter = Duration.milliseconds(200)
    /// A group with nothing to say for so long goes to sleep.
    package var sleepAfter = Duration.seconds(1)
    /// A campaign that a hint set off waits for up to so long, so that two followers do not split the vote.
    package var hintSpread = Duration.milliseconds(50)

    /// One append message, unless a single entry is larger.
    package var appendBytesMax = 256 << 10
    /// Under way to one follower and not answered.
    package var inFlightBytesMax = 4 << 20
    package var inFlightMessagesMax = 128
    package var chunkBytesMax = 256 << 10
    package var chunksInFlightMax: UInt64 = 4
    /// Given to the state machine at once.
    package var applyBytesMax = 1 << 20
    /// Payloads kept in memory.
    package var tailBytesMax = 4 << 20

    package var uncommittedBytesMax = 16 << 20
    package var payloadBytesMax = LogEntry.payloadBytesMax
    package var readsMax = 4_096
    /// Past this, applied entries are dropped though a follower lacks them.
    package var logBytesMax = 64 << 20
    /// Past this, proposals are refused until the log is shorter.
    package var logBytesLimit = 1 << 30
    /// Entries that go in one compaction, at least.
    package var dropEntriesMin: UInt64 = 1_024
    /// A learner that lacks at most so many entries has caught up.
    package var promotionGapMax: UInt64 = 64

    /// A rule left out on purpose, to prove that the simulator's checks would notice. For tests only; no configuration
    /// and no command line reaches it.
    package var flaw: RaftFlaw?

    package init() {}
}

package enum RaftFlaw: String, Sendable, CaseIterable {
    case voteNotSynced
    case acknowledgedBeforeSync
    case oldTermCommittedByCounting
    case noStickiness
    case leaseFromReceipt
    case servesBeforeNoop
    case twoChangesAtOnce
    case truncatedConfigurationKept
    /// A replica is its node, whatever entry added it.
    case replicaIsNode
    case leaseKeptAfterTransfer
    case shortReplicaVotes
    /// A leader takes any answer of a node for a renewal of its sleeping groups.
    case sleepersAlwaysRenewed
    /// A conflicting entry is not replaced.
    case conflictIgnored
}
