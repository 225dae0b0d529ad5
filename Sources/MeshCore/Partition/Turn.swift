/// What one turn of an activation did. It takes effect whole or not at all.
package struct Turn: Hashable, Sendable {
    /// By which right it commits.
    package enum Fence: Hashable, Sendable {
        case token(FencingToken)
        /// The grant comes along, and is applied first: a local activation's costs no entry of its own.
        case granted(Grant)
        /// The grant that an earlier command of the same entry brought.
        case thisEntry
    }

    /// What must not have changed since the turn began.
    package enum Basis: Hashable, Sendable {
        /// The actor's version: its number of applied turns.
        case version(UInt64)
        /// Of a reentrant kind: the keys that it read, each with the version that last wrote it, 0 if there was none.
        case reads([KeyRead])
    }

    package static let consumedMax = 1_024
    package static let changesMax = 1_024
    package static let outboxMax = 1_024
    package static let timersMax = 256
    package static let eventsMax = 1_024
    package static let readsMax = 1_024

    package var path: ActorPath
    package var fence: Fence
    /// Within its token, from 1 on; one that was applied is refused.
    package var number: UInt64
    package var basis: Basis
    /// Waiting messages that it used up; those of a combined command are not named again.
    package var consumed: [Consumption]
    package var changes: [StateChange]
    package var outbox: [OutgoingLetter]
    package var timers: [TimerChange]
    /// For those who listen now. They are handed to the leader with the outcome, and not kept.
    package var events: [[UInt8]]

    package init(
        path: ActorPath, fence: Fence, number: UInt64, basis: Basis, consumed: [Consumption] = [],
        changes: [StateChange] = [], outbox: [OutgoingLetter] = [], timers: [TimerChange] = [], events: [[UInt8]] = []
    ) {
        self.path = path
        self.fence = fence
        self.number = number
        self.basis = basis
        self.consumed = consumed
        self.changes = changes
        self.outbox = outbox
        self.timers = timers
        self.events = events
    }
}

/// The end of a waiting message. Who consumes it has just read it, and says what the mailbox need not read again.
package struct Consumption: Hashable, Sendable {
    package var offset: MailboxOffset
    /// Of its record.
    package var byteCount: UInt32
    package var id: MessageID
    /// Its idempotency key.
    package var key: Fingerprint?
    /// What its sender is told; nil if nobody asked.
    package var outcome: Outcome?

    package init(
        offset: MailboxOffset, byteCount: UInt32, id: MessageID, key: Fingerprint? = nil, outcome: Outcome? = nil
    ) {
        self.offset = offset
        self.byteCount = byteCount
        self.id = id
        self.key = key
        self.outcome = outcome
    }
}

package struct KeyRead: Hashable, Sendable {
    package var key: [UInt8]
    package var version: UInt64

    package init(key: [UInt8], version: UInt64) {
        self.key = key
        self.version = version
    }
}

/// One value of an actor's state; nil removes it.
package struct StateChange: Hashable, Sendable {
    package static let keyBytesMax = 1_024
    package static let valueBytesMax = 1 << 20

    package var key: [UInt8]
    package var value: [UInt8]?

    package init(key: [UInt8], value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}

/// A message to another actor, which may live in the same partition.
package struct OutgoingLetter: Hashable, Sendable {
    package var destination: Partition
    package var letter: Letter

    package init(to destination: Partition, _ letter: Letter) {
        self.destination = destination
        self.letter = letter
    }
}

/// A timer within its actor.
package enum TimerID: Hashable, Sendable {
    package static let nameBytesMax = 128

    case named(String)
    /// A message that has to wait before it enters the mailbox.
    case delayed(MessageID)
}

package enum TimerChange: Hashable, Sendable {
    package static let scheduleBytesMax = 255

    /// Sets a timer, instead of one with the same name. `schedule` says when it is due again and means something to the
    /// leader only; empty is never.
    case set(name: String, due: UInt64, schedule: String, body: [UInt8])
    case cancel(name: String)

    package var name: String {
        switch self {
        case .set(let name, _, _, _), .cancel(let name): name
        }
    }
}
