internal import DequeModule

/// A message that was taken from a client and is not in the log yet.
struct Arrival: Sendable {
    var letter: Letter
    var session: Enqueue.Request?
    /// It has to be committed before it may run.
    var isRetry: Bool

    var id: MessageID { self.letter.envelope.message.id }
    var byteCount: Int { self.letter.envelope.message.byteCount }
    var enqueue: Enqueue {
        let message = self.letter.envelope.message
        let body = message.idempotency == nil ? nil : Fingerprint(of: message.body)
        return Enqueue(self.letter, bodyFingerprint: body, request: self.session)
    }
    /// Its requester asks for nothing but the outcome, so nothing is lost if a turn that changes nothing leaves no trace.
    var mayLeaveNoTrace: Bool {
        self.session == nil && self.letter.envelope.message.idempotency == nil && self.letter.envelope.kind == .ask
    }
}

/// The life of an actor on one host, from its first turn to its last.
struct Activation: Sendable {
    /// What stands behind its turns.
    enum Standing: Hashable, Sendable {
        /// Its first turn will bring its grant along.
        case none
        /// The grant is in the entry proposed under this number.
        case riding(UInt64)
        /// Its grant is in the own log, which is where this token comes from, and not committed yet.
        case proposed(FencingToken)
        case granted(FencingToken)
    }

    let id: ActivationID
    /// As it was when this began.
    let kind: ActorKind
    let host: Host
    var standing = Standing.none
    /// The token that the grant expects to find.
    var expects: FencingToken?
    /// The actor's version once all turns before have been applied.
    var version: UInt64
    /// Of the next order to the host, and of the next turn to commit: a turn that only read has none.
    var orders: UInt64 = 0
    var turns: UInt64 = 0
    var running: Running?
    /// It is in the queue of those that are looked after.
    var isWatched = false
    /// What the host has to know before its first turn.
    var state: [StorageEntry]?
    /// Its grant counts against no message: the host has it from an earlier leader and lives, or the grant before was given back
    /// unused.
    var isUncounted = false
    /// Keys of state after the last turn.
    var keys: Int

    /// A turn that the host was ordered to run.
    struct Running: Sendable {
        var source: TurnSource
        /// The host loses the activation if it says nothing until then.
        var until: Instant
        /// When it is asked, if it is on another node: orders and reports get lost between two nodes.
        var askAt: Instant

        var nextLook: Instant { min(self.until, self.askAt) }
    }

    init(
        _ id: ActivationID, of kind: ActorKind, on host: Host, version: UInt64, expects: FencingToken?,
        state: [StorageEntry]
    ) {
        self.id = id
        self.kind = kind
        self.host = host
        self.version = version
        self.expects = expects
        self.state = state
        self.keys = state.count
    }
}

/// What a turn is about.
enum TurnSource: Sendable {
    case waiting(MailboxTail.Waiting)
    /// Not in the log: the message and its turn are proposed together.
    case arrival(Arrival)
    case ephemeral(Arrival)

    var envelope: Envelope {
        switch self {
        case .waiting(let message): message.envelope
        case .arrival(let arrival), .ephemeral(let arrival): arrival.letter.envelope
        }
    }
}

/// What a lead knows of one actor that has messages or an activation.
struct LeadSlot: Sendable {
    enum Phase: Sendable {
        case dormant
        /// Waits for a host, under the number of the query; it is asked anew if nobody answers.
        case placing(ActivationID, until: Instant)
        /// Waits for the actor's state, under the number of the read.
        case loading(UInt64, ActivationID, Host)
        /// Waits for its grant, which must be committed before anything runs.
        case granting(Activation)
        case live(Activation)
    }

    /// A reply that waits until what it saw is known to be committed, and this leader to be the only one.
    struct PendingRead: Sendable {
        var arrival: Arrival
        var isEphemeral: Bool
        var reply: Outcome
        /// The last turn whose changes it saw.
        var turn: UInt64
        /// The confirmation that it waits for; nil if it has it.
        var round: UInt64?
    }

    var kind: ActorKind
    /// Nobody answers at its path any more; its messages wait until somebody does.
    var isOrphan = false
    var phase = Phase.dormant
    var tail = MailboxTail()
    /// In the order in which they came.
    var arrivals: Deque<Arrival> = []
    var ephemerals: Deque<Arrival> = []
    var ranEphemeral = false
    var reads: Deque<PendingRead> = []
    /// Messages on their way through the log into the mailbox.
    var enqueuing = 0
    /// Failures on their way through the log: what comes after such a message must not overtake it.
    var failing = 0
    /// Turns, grants and failures on their way through the log. A new activation begins when none is left.
    var unapplied = 0
    /// The last turn of the live activation that was applied.
    var applied: UInt64 = 0
    /// Nothing is tried before. Stays when it is over, until a turn begins.
    var pausedUntil: Instant?
    /// Failures in a row, on whatever message.
    var failures = 0
    /// Why it cannot run, if it cannot.
    var obstacle: String?
    /// The obstacle is that it could not be started.
    var isUnstartable = false
    /// Where it ran last and what ended that, and how it came from host to host, the latest last.
    var lastHost: NodeID?
    var endReason = ""
    /// The last grant was given back: nothing was begun under it.
    var isGivenBack = false
    var moves: [HostMove] = []
    /// When a round to a quorum last confirmed that its turns may touch what is outside.
    var confirmedAt: Instant?
    var idleSince: Instant?
    var isInIdleQueue = false
    /// Its bodies are to be gathered when the driver's turn ends, if they have not run by then.
    var isListed = false

    init(kind: ActorKind) { self.kind = kind }

    /// Nothing would be lost with it; messages that wait in the mailbox are found again.
    var isDisposable: Bool {
        if case .dormant = self.phase {
            return self.arrivals.isEmpty && self.ephemerals.isEmpty && self.tail.taken.isEmpty
                && self.tail.reading == nil && self.enqueuing == 0 && self.unapplied == 0 && self.reads.isEmpty
        }
        return false
    }

    var activation: Activation? {
        get {
            switch self.phase {
            case .granting(let activation), .live(let activation): activation
            case .dormant, .placing, .loading: nil
            }
        }
        set {
            guard let newValue else { return }
            switch self.phase {
            case .granting: self.phase = .granting(newValue)
            case .live: self.phase = .live(newValue)
            case .dormant, .placing, .loading: preconditionFailure("no activation to change")
            }
        }
    }

    mutating func changeTail(_ body: (inout MailboxTail) -> Void) { body(&self.tail) }
}
