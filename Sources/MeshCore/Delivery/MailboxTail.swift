internal import DequeModule

/// The bodies of one actor's waiting messages that are in memory, and which messages a turn has taken already.
///
/// Which messages wait, and in what order, is the actor's record's to say. Bodies come with the message if there is room,
/// and are read back from the disk if not; so a mailbox with ten thousand messages costs as much memory as one with a few.
struct MailboxTail: Sendable {
    struct Waiting: Hashable, Sendable {
        var offset: MailboxOffset
        var envelope: Envelope
        /// Of its record.
        var byteCount: UInt32
        /// It came in this leader's term, and no try of it can have ended an earlier leader.
        var isFresh: Bool
    }

    /// In the order of offsets.
    private var bodies: Deque<Waiting> = []
    private(set) var byteCount = 0
    /// Given to a turn, or about to end otherwise; not to be taken a second time.
    private(set) var taken: Set<MailboxOffset> = []
    /// A read of the disk is under way, from a message on.
    private(set) var reading: (id: UInt64, first: MailboxOffset)?

    var count: Int { self.bodies.count }

    /// The message that is to be taken next.
    func next(in record: ActorRecord?) -> MailboxOffset? {
        guard let record else { return nil }
        var next = record.first
        while let offset = next, self.taken.contains(offset) {
            next = record.first(from: MailboxOffset(rawValue: offset.rawValue + 1))
        }
        return next
    }

    /// The body of the message to be taken next; nil if it has to be read.
    func body(of offset: MailboxOffset) -> Waiting? {
        // The first, unless a message of a higher priority was left to the disk.
        self.bodies.first { $0.offset >= offset }.flatMap { $0.offset == offset ? $0 : nil }
    }

    /// Keeps a body if there is room, or if nothing else is kept.
    mutating func keep(_ message: Waiting, countMax: Int, bytesMax: Int) {
        let place = self.bodies.lastIndex { $0.offset <= message.offset }
        if let place, self.bodies[place].offset == message.offset { return }
        self.bodies.insert(message, at: place.map { $0 + 1 } ?? 0)
        self.byteCount += Int(message.byteCount)
        while self.bodies.count > 1, self.bodies.count > countMax || self.byteCount > bytesMax,
            let last = self.bodies.popLast()
        {
            self.byteCount -= Int(last.byteCount)
        }
    }

    /// The body leaves with whoever takes it.
    mutating func take(_ offset: MailboxOffset) -> Waiting? {
        guard let place = self.bodies.firstIndex(where: { $0.offset == offset }) else { return nil }
        let message = self.bodies.remove(at: place)
        self.byteCount -= Int(message.byteCount)
        self.taken.insert(offset)
        return message
    }

    /// It is taken before it was ever kept.
    mutating func take(_ message: Waiting) { self.taken.insert(message.offset) }

    /// What was taken waits again, or is no longer in the mailbox.
    mutating func giveBack(_ offset: MailboxOffset) { self.taken.remove(offset) }

    // MARK: Reading back

    mutating func beginRead(_ id: UInt64, from first: MailboxOffset) { self.reading = (id, first) }

    /// The read has ended, whatever it found. Returns where it began; nil if it is none of this tail's.
    mutating func endRead(_ id: UInt64) -> MailboxOffset? {
        guard let reading = self.reading, reading.id == id else { return nil }
        self.reading = nil
        return reading.first
    }
}
