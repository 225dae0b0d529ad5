internal import MeshCore

/// What runs at a path.
enum ActorTarget: Hashable, Sendable {
    case builtIn(BuiltIn)
    case defined(AppliedDefinition, ActorDefinition)

    var name: String {
        switch self {
        case .builtIn(let builtIn): builtIn.name
        case .defined(_, let definition): definition.name
        }
    }

    var mailboxLimit: Int {
        switch self {
        case .builtIn: ActorDefinition.mailboxLimitDefault
        case .defined(_, let definition): definition.mailboxLimit
        }
    }

    /// What becomes of messages whose turn failed, where the target says so.
    var retry: RetryPolicy? {
        switch self {
        case .builtIn: nil
        case .defined(_, let definition): definition.retry
        }
    }

    var isWorker: Bool { if case .defined = self { true } else { false } }
}

/// One actor that has messages or an activation.
struct ActorSlot: Sendable {
    enum Activation: Sendable {
        case none, waitsForPlace
        case live(isWorker: Bool)
    }

    var mailbox: Mailbox
    /// What the activation runs.
    var running: ActorTarget?
    var activation = Activation.none
    /// Where the activation waits for something to do.
    var sleeper: CheckedContinuation<Void, Never>?
    /// The activation shall end after its turn.
    var isStopping = false
    /// The program that the activation runs has ended by itself.
    var isHandlerGone = false
    /// No attempt before this.
    var pausedUntil: Instant?
    /// Times the turn of the first message failed, and it was to be tried again.
    var attempts = 0
    /// Times in a row that the handler crashed, on whatever message.
    var crashes = 0
    /// Why the handler could not be started, and how often since it last did a turn.
    var failure: String?
    var failures = 0
    var processed: UInt64 = 0
    /// Turns whose commits are not on disk yet.
    var unsyncedTurns = 0
    /// Messages below this sequence are on disk.
    var syncedEnd: UInt64
    /// When it last had nothing to do; nil while it works.
    var idleSince: Instant?
    var isInIdleQueue = false

    /// All of `mailbox` is on disk.
    init(mailbox: Mailbox) {
        self.mailbox = mailbox
        self.syncedEnd = mailbox.record.next
    }

    /// Whether the first message may run. What a built-in actor does is a batch behind the message's own, so it may run
    /// ahead of the disk. A program's effect is outside at once: after a crash that lost the message, its client would
    /// rightly send it again, under another id.
    var mayRun: Bool { self.running?.isWorker != true || self.mailbox.record.head < self.syncedEnd }

    var isLive: Bool { if case .live = self.activation { true } else { false } }

    /// As listings say it.
    var stateName: String {
        self.failure != nil ? "failed" : self.isLive ? "active" : "idle"
    }
}
