internal import DequeModule

/// The messages that wait for one actor.
///
/// Durable messages are `head ..< next`, all of them on disk, the first few in memory as well (`hot`). Once one did not
/// fit in memory the rest stay on disk (`cold`) until the hot ones are used up, so order is kept and a full mailbox
/// costs little. Ephemeral messages live in memory only and have no sequence.
package struct Mailbox: Sendable {
    package enum Next: Hashable, Sendable {
        case empty
        case durable(Message)
        case ephemeral(Message)
        /// The next message is on disk, at this sequence.
        case cold(UInt64)
    }

    package private(set) var record: MailboxRecord
    private var hot: Deque<Message> = []
    private var ephemeral: Deque<Message> = []
    private var ranEphemeral = false
    /// Memory held by messages.
    package private(set) var byteCount = 0

    package init(record: MailboxRecord = MailboxRecord()) { self.record = record }

    /// Messages waiting, the one in its turn included.
    package var depth: Int { Int(self.record.next - self.record.head) + self.ephemeral.count }
    package var isEmpty: Bool { self.depth == 0 }
    private var hotEnd: UInt64 { self.record.head + UInt64(self.hot.count) }

    /// Waiting messages that are not on disk alone, durable ones first.
    package var inMemory: [Message] { Array(self.hot) + Array(self.ephemeral) }

    /// Takes a durable message and says its sequence. It stays in memory only if it is the next after the hot ones
    /// and `keep` allows it.
    package mutating func append(_ message: Message, keep: Bool) -> UInt64 {
        let sequence = self.record.next
        if keep, self.hotEnd == sequence, self.hot.count < Self.hotMax {
            self.hot.append(message)
            self.byteCount += message.byteCount
        }
        self.record.next += 1
        return sequence
    }

    package mutating func append(ephemeral message: Message) {
        self.ephemeral.append(message)
        self.byteCount += message.byteCount
    }

    /// What to run now. It stays in the mailbox until it is consumed.
    ///
    /// Ephemeral messages go first, for they are the ones that age; a durable one runs after each, so that neither
    /// starves the other.
    package func peek() -> Next {
        let durableWaits = self.record.head < self.record.next
        if let message = self.ephemeral.first, !(durableWaits && self.ranEphemeral) { return .ephemeral(message) }
        if let message = self.hot.first { return .durable(message) }
        return durableWaits ? .cold(self.record.head) : .empty
    }

    /// Messages read back from disk, in order, beginning at `sequence`.
    package mutating func refill(_ messages: some Sequence<Message>, from sequence: UInt64) {
        guard sequence == self.hotEnd else { return }
        for message in messages where self.hotEnd < self.record.next {
            self.hot.append(message)
            self.byteCount += message.byteCount
        }
    }

    /// Drops the first durable message and says the sequence it had.
    package mutating func consumeDurable() -> UInt64 {
        precondition(self.record.head < self.record.next, "consumed from an empty mailbox")
        if let message = self.hot.popFirst() { self.byteCount -= message.byteCount }
        defer { self.record.head += 1 }
        self.ranEphemeral = false
        return self.record.head
    }

    package mutating func consumeEphemeral() {
        guard let message = self.ephemeral.popFirst() else { return }
        self.byteCount -= message.byteCount
        self.ranEphemeral = true
    }

    /// Messages read or kept at once; enough to hide the disk, little enough to forget.
    package static let hotMax = 64
}
