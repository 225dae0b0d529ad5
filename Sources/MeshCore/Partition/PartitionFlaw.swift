/// A rule of partitions left out on purpose, to prove that the simulator's checks would notice. For tests only; no
/// configuration and no command line reaches it.
package enum PartitionFlaw: String, Sendable, CaseIterable {
    // Of the state.
    /// A turn commits whatever its token, number and version.
    case staleTurnApplied
    /// A new grant keeps the token of the one before.
    case tokenReused
    /// The message of a combined command goes with its turn, if that is refused.
    case messageGoesWithTurn
    /// Sessions are not among what a replica has in memory after its start or a snapshot.
    case sessionsForgotten
    /// Idempotency keys on the disk are not looked at.
    case keysForgotten
    /// A turn that is refused has used up numbers of the outbox.
    case numbersBeforeApply
    /// What was delivered before is taken again.
    case repeatsTaken
    /// A timer that has fired stays armed.
    case timersStayArmed
    /// Log time follows the wall clock of whoever leads.
    case timeJumps

    // Of the leader.
    /// A message is acknowledged when it is taken.
    case acknowledgedBeforeCommit
    /// Turns that only read are answered without a lease or a round.
    case readsUnconfirmed
    /// A reply leaves before the turn that it came from is applied.
    case answeredBeforeCommit
    /// A message that failed and is tried again is overtaken by those behind it.
    case failureOvertaken
    /// Whatever a destination answers, it has what was delivered.
    case deliveredUnheard
}
