/// What became of one log entry.
package struct EntryOutcome: Hashable, Sendable {
    package enum Result: Hashable, Sendable {
        /// Of each command, in order.
        case commands([CommandOutcome])
        /// Not for the partition: a leader's first entry, or a change of replicas.
        case nothing
        /// It is no batch of commands. All replicas refuse it alike.
        case refused(WireError)
    }

    package var index: LogIndex
    package var result: Result
    /// Messages that this entry put into mailboxes, in order, whatever put them there.
    package var queued: [QueuedMessage]
    /// Timers that it armed, in order, whatever armed them.
    package var armed: [ArmedTimer]

    package init(index: LogIndex, result: Result, queued: [QueuedMessage] = [], armed: [ArmedTimer] = []) {
        self.index = index
        self.result = result
        self.queued = queued
        self.armed = armed
    }
}

package struct QueuedMessage: Hashable, Sendable {
    package var path: ActorPath
    package var offset: MailboxOffset

    package init(path: ActorPath, offset: MailboxOffset) {
        self.path = path
        self.offset = offset
    }
}

/// What became of one command. The leader makes answers of it.
package enum CommandOutcome: Hashable, Sendable {
    case enqueue(EnqueueOutcome)
    case grant(GrantOutcome)
    case turn(TurnOutcome)
    case enqueueAndTurn(EnqueueOutcome, TurnOutcome)
    /// With the numbers that its messages to other partitions got.
    case failure(FailureOutcome, outbox: [OutboxNumber])
    /// Whether the token was the actor's.
    case release(Bool)
    case delivery(DeliveryOutcome)
    /// How many messages left the outbox.
    case outboxAck(Int)
    /// Nil: there are as many sessions as there may be.
    case session(SessionID?)
    case timer(TimerOutcome)
    /// The numbers that were there.
    case deadLetters([UInt64])
}

package enum EnqueueOutcome: Hashable, Sendable {
    /// What is known of the message that came before under the same request or key.
    package enum Progress: Hashable, Sendable {
        case waiting
        case finished(Outcome)
        /// It may wait or be finished: its outcome was not kept, or is no longer.
        case unknown
    }

    case accepted(MailboxOffset)
    /// It enters the mailbox when its time has come.
    case delayed
    case duplicate(of: MessageID, Progress)
    /// The same idempotency key came with another body before, in this message.
    case conflict(with: MessageID)
    /// The session is not open: whether the request was applied before it was forgotten is unknown. Not applied now.
    case sessionExpired
    /// A request before this one is missing. Not applied.
    case outOfOrder(expected: UInt64)
    /// The table of idempotency keys is full: the one limit that only applying knows exactly.
    case keyTableFull
}

package enum GrantOutcome: Hashable, Sendable {
    /// `attempts` is the number of grants for the same message without a turn applied, this one included.
    case granted(FencingToken, version: UInt64, attempts: Int)
    /// Somebody was faster; the actor's token is this.
    case stale(current: FencingToken?)
    /// The message at the head has had its three grants: it is a dead letter before there is another.
    case exhausted(MailboxOffset)
}

package enum TurnOutcome: Hashable, Sendable {
    package struct Applied: Hashable, Sendable {
        package var token: FencingToken
        /// The actor's version after it.
        package var version: UInt64
        /// The numbers that its messages to other partitions got, in the order of those.
        package var outbox: [OutboxNumber]
        package var events: [[UInt8]]

        package init(
            token: FencingToken, version: UInt64, outbox: [OutboxNumber] = [], events: [[UInt8]] = []
        ) {
            self.token = token
            self.version = version
            self.outbox = outbox
            self.events = events
        }
    }

    package enum Refusal: Hashable, Sendable {
        /// The token is not the actor's; this one is.
        case staleToken(current: FencingToken?)
        /// The grant that came along was refused.
        case notGranted(GrantOutcome)
        /// A turn with this number was applied, or is too old to know.
        case repeated
        case staleVersion(current: UInt64)
        case staleRead(key: [UInt8], current: UInt64)
        /// A message that it consumes is not in the mailbox.
        case notQueued(MailboxOffset)
        /// It would leave the mailbox with too many gaps.
        case tooManyGaps
        /// Of a combined command: its message is a duplicate, or was not accepted.
        case notEnqueued
    }

    case applied(Applied)
    /// The activation has ended, except where only the number was a repeated one.
    case refused(Refusal)
}

package struct OutboxNumber: Hashable, Sendable {
    package var destination: Partition
    package var number: UInt64
    /// For the `OutboxAck` that ends with it.
    package var bytesThrough: UInt64

    package init(destination: Partition, number: UInt64, bytesThrough: UInt64) {
        self.destination = destination
        self.number = number
        self.bytesThrough = bytesThrough
    }
}

package struct ArmedTimer: Hashable, Sendable {
    package var path: ActorPath
    package var timer: TimerID
    package var due: UInt64
    package var occurrence: LogIndex

    package init(path: ActorPath, timer: TimerID, due: UInt64, occurrence: LogIndex) {
        self.path = path
        self.timer = timer
        self.due = due
        self.occurrence = occurrence
    }
}

package enum FailureOutcome: Hashable, Sendable {
    /// `attempts` failures of this message so far.
    case retrying(attempts: Int)
    /// It lies among the dead letters under this number. Others had to go for it, the oldest.
    case deadLetter(UInt64, dropped: [UInt64])
    case expired
    /// It was not in the mailbox.
    case notQueued
    case staleToken(current: FencingToken?)
    /// The actor has too many messages that wait for another attempt; this one may be a dead letter, or wait for theirs.
    case tooManyRetries
}

package enum DeliveryOutcome: Hashable, Sendable {
    /// Everything below `expects` is here; `fresh` of the letters were not before.
    case accepted(expects: UInt64, fresh: Int)
    /// Numbers are missing before the first; none was taken.
    case gap(expects: UInt64)
    /// The numbering is an older one than that of messages that came before.
    case staleStream(current: UInt32)
}

package enum TimerOutcome: Hashable, Sendable {
    case fired
    /// That occurrence is gone.
    case gone
}
