internal import DequeModule

/// The way of messages to one other partition, as this leader walks it: one delivery at a time, which its answer or a timeout
/// ends.
struct OutboxFlow: Sendable {
    struct Numbered: Sendable {
        var number: UInt64
        var letter: Letter
        /// What an acknowledgement that ends with it says.
        var bytesThrough: UInt64

        init(_ number: UInt64, _ letter: Letter, bytesThrough: UInt64) {
            self.number = number
            self.letter = letter
            self.bytesThrough = bytesThrough
        }

        var byteCount: Int { self.letter.envelope.message.byteCount }
    }

    struct InFlight: Sendable {
        var through: UInt64
        var until: Instant
        /// Mailboxes whose room was asked about.
        var asks: [ActorPath]
    }

    struct Acknowledgement: Sendable {
        var through: UInt64
        var bytesThrough: UInt64
    }

    /// The destination has said that it has those up to here.
    var delivered: UInt64
    /// The next ones, without gaps, as far as they are in memory.
    private(set) var letters: Deque<Numbered> = []
    private(set) var byteCount = 0
    var reading: UInt64?
    /// What is under way, and until when it is waited for an answer.
    var inFlight: InFlight?
    /// Nothing is delivered before.
    var pausedUntil: Instant?
    /// Delivered, and not gathered as an entry yet; one such entry at a time.
    var unacknowledged: Acknowledgement?
    var isAcknowledging = false
    /// Mailboxes there that were full, and who of this partition sends to them.
    var full: [ActorPath: Set<ActorPath>] = [:]
    var asksAt: Instant?
    /// Actors that wait until fewer messages wait here.
    var heldByBacklog: Set<ActorPath> = []

    init(delivered: UInt64) { self.delivered = delivered }

    /// What a turn has just sent; kept if it follows what is in memory, and there is room.
    mutating func append(_ letter: Numbered, bytesMax: Int) {
        let next = self.letters.last.map { $0.number + 1 } ?? self.delivered + 1
        guard letter.number == next, self.byteCount + letter.byteCount <= bytesMax || self.letters.isEmpty else {
            return
        }
        self.letters.append(letter)
        self.byteCount += letter.byteCount
    }

    /// What was read from the disk.
    mutating func refill(_ read: [Numbered]) {
        self.letters = []
        self.byteCount = 0
        for letter in read where letter.number == self.delivered + 1 + UInt64(self.letters.count) {
            self.letters.append(letter)
            self.byteCount += letter.byteCount
        }
    }

    /// The destination has everything up to this; returns what left with it.
    mutating func advance(through number: UInt64) -> [Numbered] {
        var gone: [Numbered] = []
        while let first = self.letters.first, first.number <= number {
            self.letters.removeFirst()
            self.byteCount -= first.byteCount
            gone.append(first)
        }
        self.delivered = max(self.delivered, number)
        if let last = gone.last {
            self.unacknowledged = Acknowledgement(through: last.number, bytesThrough: last.bytesThrough)
        }
        return gone
    }

    /// When something is to be done at the latest. To ask is nothing that could be done before a pause or what is in flight
    /// is over.
    var nextWake: Instant? {
        guard let pausedUntil = self.pausedUntil else { return self.inFlight?.until ?? self.asksAt }
        return min(pausedUntil, self.inFlight?.until ?? pausedUntil)
    }
}

/// Why an actor gets no turns though messages wait for it: those that it sends to take no more.
struct HeldSender: Sendable {
    /// Of other partitions; they are asked again.
    var remote: Set<ActorPath> = []
    /// Of this one; the state says when they have room.
    var local: Set<ActorPath> = []
    /// Partitions for which too many messages wait.
    var partitions: Set<Partition> = []

    var isEmpty: Bool { self.remote.isEmpty && self.local.isEmpty && self.partitions.isEmpty }
}
