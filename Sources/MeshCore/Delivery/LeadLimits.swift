/// Where the memory, the queues and the patience of a lead end.
package struct LeadLimits: Sendable {
    /// Messages waiting in the partition, those under way to the log included.
    package var messagesMax = 1_000_000
    package var messageBytesMax = 4 << 30
    /// Taken and not proposed yet.
    package var arrivalBytesMax = 8 << 20
    /// Of one actor, held back because its turn is about to come; more are queued through the log.
    package var arrivalsPerActorMax = 256
    /// Bodies of waiting messages kept in memory: of one actor, and together.
    package var tailMax = 64
    package var tailBytesMax = 256 << 10
    package var tailsBytesMax = 8 << 20
    /// Ephemeral messages, which are nowhere else.
    package var ephemeralPerActorMax = 1_024
    package var ephemeralBytesMax = 8 << 20
    /// Requesters that wait for an answer; of one message; and for how long at most.
    package var waitersMax = 100_000
    package var waitersPerMessageMax = 64
    package var patience = Duration.seconds(3_600)

    /// One entry, unless a single command is larger.
    package var entryBytesMax = 256 << 10
    package var entryCommandsMax = 1_024
    /// Entries proposed and not applied. Under load the next one gathers meanwhile (group commit).
    package var entriesInFlightMax = 8
    /// Turns of one activation that are run and not applied.
    package var turnsAheadMax = 64
    /// Turns ordered and not reported: inline, and elsewhere.
    package var inlineTurnsMax = 64
    package var hostedTurnsMax = 1_024
    /// Live activations. While others wait for a place, one gives its own up after so many turns.
    package var activationsMax = 8_192
    package var turnsPerPlace: UInt64 = 64
    /// An activation without messages ends after this.
    package var idleAfter = Duration.seconds(300)
    /// Actors looked at in one step, so that no step takes long.
    package var actorsPerStep = 256
    /// State of one actor that an activation can hold.
    package var stateKeysMax = 1_024
    package var stateBytesMax = 16 << 20
    /// What one turn may change, send and tell, together.
    package var turnBytesMax = 1 << 20

    /// Retry-after of what is refused: because something is full, and because the leader is elsewhere or about to be.
    package var overloadPause = Duration.seconds(1)
    package var leaderPause = Duration.milliseconds(50)
    /// Between attempts to find a host or to read what could not be read.
    package var placementPause = Duration.seconds(1)
    /// Nobody has named a host: ask again.
    package var placementTimeout = Duration.seconds(5)
    /// How often a host on another node is asked for its turn, and for how long it may say nothing.
    package var hostCheckInterval = Duration.seconds(2)
    package var hostSilenceMax = Duration.seconds(10)

    /// Messages and bytes in one delivery to another partition, and deliveries to one that are not answered.
    package var deliveryCountMax = 256
    package var deliveryBytesMax = 256 << 10
    /// Not answered for so long: deliver again.
    package var deliveryTimeout = Duration.seconds(1)
    /// Messages that wait for one other partition; past it the actors that send there pause.
    package var outboxMax = 10_000
    /// How long an answer `full` holds before the source asks again.
    package var fullPause = Duration.seconds(1)

    /// How long the own clock alone is believed when it says that no timer is due.
    package var clockPatience = Duration.seconds(10)

    /// An entry of its own, so that keys expire though nobody sends anything.
    package var tickInterval = Duration.seconds(60)

    /// For tests only.
    package var flaw: PartitionFlaw?

    package init() {}
}
