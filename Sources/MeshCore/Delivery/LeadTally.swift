/// What the lead of a partition has counted since its replica began here; it only goes up.
package struct LeadTally: Hashable, Sendable {
    /// Messages taken into a mailbox, or in hand if they are ephemeral.
    package var accepted: UInt64 = 0
    package var processed: UInt64 = 0
    /// Processed, and the answer was an error.
    package var failed: UInt64 = 0
    /// Failed turns whose message is tried again.
    package var retried: UInt64 = 0
    /// Consumed without a turn, because their deadline had passed.
    package var expired: UInt64 = 0
    package var deadLetters: UInt64 = 0
    /// Old ones that gave way to younger.
    package var deadLettersDropped: UInt64 = 0
    package var refused: [MeshError.Code: UInt64] = [:]

    package init() {}

    mutating func ended(_ outcome: Outcome) {
        self.processed += 1
        if case .failed = outcome { self.failed += 1 }
    }
}

/// What went wrong with a message, for the log of the node.
package enum LeadNote: Hashable, Sendable {
    case retried(ActorPath, MessageID, attempts: Int, reason: String)
    case deadLetter(ActorPath, MessageID, reason: String)
}
