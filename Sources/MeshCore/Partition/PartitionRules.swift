/// The numbers that applying depends on. All replicas must have the same, so a change is a new version of log entries; they
/// are no settings of a node.
package struct PartitionRules: Sendable {
    /// Log time, in milliseconds, for which an idempotency key is remembered at least.
    package var keyRetention: UInt64 = 24 * 3_600_000
    package var keysMax: UInt64 = 262_144
    /// Log time, in milliseconds, for which a session is remembered at least after its last use.
    package var sessionRetention: UInt64 = 3_600_000
    package var sessionsMax = 4_096
    /// Of outcomes that are kept for idempotency keys.
    package var keptReplyBytesMax = 4_096
    package var deadLettersMax = 1_000
    package var deadLetterBytesMax: UInt64 = 16 << 20
    /// Gaps in one lane of a mailbox: how far out of order a reentrant actor may consume.
    package var gapsMax = 256
    /// Messages of one actor that were tried and wait for another attempt.
    package var trialsMax = 32
    package var grantsWithoutTurnMax: UInt8 = 3
    /// What one entry may clear away, so that no entry takes long because many before it were busy.
    package var pagesPerEntry = 2
    package var sessionsPerEntry = 8

    /// These two concern the memory of one replica only.
    package var idleActorsInMemory = 4_096
    package var recentOutcomeBytes = 256 << 10

    /// For tests only.
    package var flaw: PartitionFlaw?

    package init() {}
}
