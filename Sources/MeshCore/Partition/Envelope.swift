/// A message with what the mesh has to know to bring it there and to bring its answer back.
package struct Envelope: Hashable, Sendable {
    /// What a message is to the actor that gets it.
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// Nobody waits for an answer.
        case tell = 0
        /// The sender waits for the outcome: a client through the leader, an actor under `replyTo`.
        case ask = 1
        /// The answer to the message `inReplyTo`.
        case reply = 2
        /// The message `inReplyTo` has no answer and will have none: the body says why.
        case failure = 3
        /// A timer of the actor's own.
        case timer = 4
    }

    /// Which messages of one mailbox go first. Within a priority messages of one sender keep their order.
    package enum Priority: UInt8, Sendable, CaseIterable, Comparable {
        case high = 0
        case normal = 1
        case low = 2

        package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
    }

    package var message: Message
    package var kind: Kind
    package var priority: Priority
    /// The actor that waits for the answer; nil if it is a client, or nobody.
    package var replyTo: ActorPath?
    package var inReplyTo: MessageID?
    /// W3C trace context of the sender; empty if it has none.
    package var trace: String

    package static let traceBytesMax = 255

    package init(
        _ message: Message, kind: Kind = .tell, priority: Priority = .normal, replyTo: ActorPath? = nil,
        inReplyTo: MessageID? = nil, trace: String = ""
    ) {
        self.message = message
        self.kind = kind
        self.priority = priority
        self.replyTo = replyTo
        self.inReplyTo = inReplyTo
        self.trace = clipped(trace, toBytes: Self.traceBytesMax)
    }
}

/// A message under way to an actor.
package struct Letter: Hashable, Sendable {
    package var path: ActorPath
    package var envelope: Envelope
    /// Wall clock in milliseconds since 1970 before which it does not enter the mailbox; nil is at once.
    package var notBefore: UInt64?

    package init(_ path: ActorPath, _ envelope: Envelope, notBefore: UInt64? = nil) {
        self.path = path
        self.envelope = envelope
        self.notBefore = notBefore
    }
}

/// A place in one mailbox. Offsets grow along the order in which messages are taken: by priority, then first in, first out.
package struct MailboxOffset: Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ priority: Envelope.Priority, _ number: UInt64) {
        precondition(number <= Self.numberMax, "message \(number) of one mailbox")
        self.rawValue = UInt64(priority.rawValue) << 56 | number
    }

    package static let numberMax: UInt64 = 1 << 56 - 1

    /// Of no message if a newer node made it up.
    package var priority: Envelope.Priority? { Envelope.Priority(rawValue: UInt8(self.rawValue >> 56)) }
    package var number: UInt64 { self.rawValue & Self.numberMax }

    package static func < (left: MailboxOffset, right: MailboxOffset) -> Bool { left.rawValue < right.rawValue }
}

extension MailboxOffset: CustomStringConvertible {
    package var description: String { "\(self.rawValue >> 56)/\(self.number)" }
}
