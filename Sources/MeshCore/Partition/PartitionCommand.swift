/// What the leader of a partition may ask of its state. One log entry holds a batch of them.
///
/// A command is a proposal: what it found to be true is checked again when it is applied, and its `CommandOutcome` says
/// what became of it. Nothing else is ever refused there; limits are checked before proposing.
package enum PartitionCommand: Hashable, Sendable {
    case enqueue(Enqueue)
    case grant(ActorPath, Grant)
    case turn(Turn)
    /// One commit where one is enough. The two are applied separately: the message always unless it is a duplicate, the
    /// turn, which consumes it, only if its checks pass and the message was none.
    case enqueueAndTurn(Enqueue, outcome: Outcome?, Turn)
    case fail(Failure)
    case release(Release)
    case deliver(Delivery)
    case outboxAck(OutboxAck)
    case openSession
    case timerFired(TimerFired)
    case deadLetters(DeadLetterCommand)
}

/// The payload of one log entry. A batch without commands lets time pass.
package struct CommandBatch: Hashable, Sendable {
    /// Of the group when it was proposed; a part of the tokens and sessions that its commands make.
    package var incarnation: GroupIncarnation
    /// Milliseconds of the leader's monotonic clock since the entry before: log time goes on by as much.
    package var elapsed: UInt32
    /// The leader's wall clock in milliseconds since 1970. It is kept for people and decides nothing.
    package var wallClock: UInt64
    package var commands: [PartitionCommand]

    package static let commandsMax = 4_096

    package init(
        incarnation: GroupIncarnation, elapsed: UInt32, wallClock: UInt64, commands: [PartitionCommand] = []
    ) {
        self.incarnation = incarnation
        self.elapsed = elapsed
        self.wallClock = wallClock
        self.commands = commands
    }
}

/// A message from a client. One with an idempotency key names it in its message, and here what stands for its body.
package struct Enqueue: Hashable, Sendable {
    /// The number of a request within a client's session: they are contiguous from 1 on.
    package struct Request: Hashable, Sendable {
        package var session: SessionID
        package var number: UInt64

        package init(session: SessionID, number: UInt64) {
            self.session = session
            self.number = number
        }
    }

    package var letter: Letter
    package var bodyFingerprint: Fingerprint?
    package var request: Request?

    package init(_ letter: Letter, bodyFingerprint: Fingerprint? = nil, request: Request? = nil) {
        self.letter = letter
        self.bodyFingerprint = bodyFingerprint
        self.request = request
    }
}

/// The right to commit turns of an actor, for one boot of one node.
package struct Grant: Hashable, Sendable {
    package var host: NodeID
    package var boot: UInt64
    /// The actor's token when this was proposed; nil if it has none. Another one means that somebody was faster.
    package var expects: FencingToken?
    /// The message that asks for it. Granted three times for one message without a turn applied, the fourth is refused.
    package var head: MailboxOffset?

    package init(host: NodeID, boot: UInt64, expects: FencingToken?, head: MailboxOffset? = nil) {
        self.host = host
        self.boot = boot
        self.expects = expects
        self.head = head
    }
}

/// The activation is over; a later turn under its token is refused.
package struct Release: Hashable, Sendable {
    package var path: ActorPath
    package var token: FencingToken
    /// An actor that has neither state nor anything else is forgotten.
    package var hasState: Bool

    package init(path: ActorPath, token: FencingToken, hasState: Bool) {
        self.path = path
        self.token = token
        self.hasState = hasState
    }
}

/// A message could not be processed.
package struct Failure: Hashable, Sendable {
    package enum Disposition: Hashable, Sendable {
        /// It stays where it is, and everybody is told not to try before this wall clock, in milliseconds since 1970.
        case retry(at: UInt64)
        case deadLetter
        /// Its deadline has passed.
        case expired
    }

    package var path: ActorPath
    /// The activation that failed. Nil: the leader decides by itself, for a deadline or for a message that kills its hosts.
    package var token: FencingToken?
    /// Its outcome is what the sender is told if this is the end of the message.
    package var consumption: Consumption
    package var reason: String
    package var disposition: Disposition
    /// What tells the sender, if it is an actor.
    package var outbox: [OutgoingLetter]

    package static let reasonBytesMax = 512

    package init(
        path: ActorPath, token: FencingToken?, consumption: Consumption, reason: String, disposition: Disposition,
        outbox: [OutgoingLetter] = []
    ) {
        self.path = path
        self.token = token
        self.consumption = consumption
        self.reason = clipped(reason, toBytes: Self.reasonBytesMax)
        self.disposition = disposition
        self.outbox = outbox
    }
}

/// Messages of another partition's outbox.
package struct Delivery: Hashable, Sendable {
    package static let lettersMax = 1_024

    package var source: Partition
    /// Which numbering this is: a source that lost its own begins another.
    package var stream: UInt32
    /// The number of the first letter; the others follow without gaps.
    package var first: UInt64
    package var letters: [Letter]

    package init(source: Partition, stream: UInt32, first: UInt64, letters: [Letter]) {
        self.source = source
        self.stream = stream
        self.first = first
        self.letters = letters
    }
}

/// The destination has committed the messages up to a number.
package struct OutboxAck: Hashable, Sendable {
    package var destination: Partition
    package var stream: UInt32
    package var through: UInt64
    /// What that number's record says: the bytes of all records up to it since the numbering began.
    package var bytesThrough: UInt64

    package init(destination: Partition, stream: UInt32, through: UInt64, bytesThrough: UInt64) {
        self.destination = destination
        self.stream = stream
        self.through = through
        self.bytesThrough = bytesThrough
    }
}

/// It is past due by the clocks of a quorum.
package struct TimerFired: Hashable, Sendable {
    package var path: ActorPath
    package var timer: TimerID
    /// The index of the entry that armed it. One that was armed anew meanwhile does not fire for its old self.
    package var occurrence: LogIndex
    /// When it is due again, of a timer that repeats. The leader computes it, so that applying does not depend on the rules
    /// of time zones that a node happens to have.
    package var next: UInt64?

    package init(path: ActorPath, timer: TimerID, occurrence: LogIndex, next: UInt64? = nil) {
        self.path = path
        self.timer = timer
        self.occurrence = occurrence
        self.next = next
    }
}

/// What an operator does with dead letters. They are known by their numbers; who names some by their path looks them up first.
package enum DeadLetterCommand: Hashable, Sendable {
    package static let numbersMax = 256

    /// Back to the end of the mailbox of this actor; one that lies there under another path is left alone.
    case replay(ActorPath, [UInt64])
    case purge([UInt64])
}
