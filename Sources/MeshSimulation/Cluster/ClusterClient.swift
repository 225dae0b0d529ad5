internal import MeshCore

/// A client of the mesh: one operation at a time, at whatever node, asked again until its outcome is known or asking again
/// could do it twice.
struct ClusterClient: Sendable {
    /// What protects its operations from being done twice.
    enum Manner: Int, CaseIterable, Sendable {
        /// Nothing: what may have been done is never asked again.
        case plain
        /// An idempotency key each.
        case keyed
        /// Sessions with the partitions.
        case session
    }

    struct Session: Sendable {
        var id: SessionID
        /// The number of the next request.
        var next: UInt64 = 1
    }

    let number: Int
    /// Under which its messages to chains have an order. A new one after a message that nobody knows the fate of: it may still
    /// come, and late.
    var name: UInt32
    var manner: Manner { Manner.allCases[self.number % Manner.allCases.count] }
    /// By group.
    var sessions: [Int: Session] = [:]
    /// Of the last message to each chain.
    var sent: [Int: UInt64] = [:]
    /// What it saw last in each register.
    var seen: [Int: ValueID] = [:]
    var operation: ClusterOperation?

    init(number: Int) {
        self.number = number
        self.name = UInt32(number)
    }
}

/// Something a client wants of one partition.
struct ClusterOperation: Sendable {
    enum Wish: Sendable {
        case session
        case register(Int, RegisterModel.Operation)
        case queue(Int, QueueModel.Operation)
        case add(counter: Int, Int64)
        case send(ChainActor.Stop)
    }

    enum End: Sendable {
        /// With what was answered, if the client waits for that.
        case done([UInt8])
        /// It had no effect and never will.
        case failed
        /// It was accepted, or may have been; nobody knows what came of it.
        case unknown
    }

    static let registers = 6
    static let queues = 4
    static let counters = 3
    static let registerPaths = (0..<registers).map { knownPath("/meshnode/register/r\($0)") }
    static let queuePaths = (0..<queues).map { knownPath("/meshnode/queue/q\($0)") }
    static let counterPaths = (0..<counters).map { knownPath("/meshnode/counter/c\($0)") }
    static let paths = registerPaths + queuePaths + counterPaths + ChainActor.paths

    let wish: Wish
    let group: Int
    let begun: VirtualTime
    /// nil to open a session.
    var letter: Letter?
    var request: Enqueue.Request?
    /// Which try is under way.
    var attempt: UInt64 = 0
    var tries = 0
    /// An earlier try may have had its effect, or have it yet.
    var isUncertain = false
    /// Who is asked next, if somebody was named.
    var target: NodeID?

    init(_ wish: Wish, group: Int, begun: VirtualTime) {
        self.wish = wish
        self.group = group
        self.begun = begun
    }

    static func path(of wish: Wish) -> ActorPath? {
        switch wish {
        case .session: nil
        case .register(let index, _): Self.registerPaths[index]
        case .queue(let index, _): Self.queuePaths[index]
        case .add(let index, _): Self.counterPaths[index]
        case .send(let stop): ChainActor.paths[Int(stop.origin)]
        }
    }

    /// As the actor reads it.
    static func body(of wish: Wish) -> [UInt8] {
        switch wish {
        case .session: []
        case .register(_, .read): Array("{\"read\":true}".utf8)
        case .register(_, .write(let value, _)): Array("{\"write\":\(text(value))}".utf8)
        case .register(_, .cas(let old, let new, _)): Array("{\"cas\":[\(text(old)),\(text(new))]}".utf8)
        case .queue(_, .push(let value, _)): Array("{\"push\":\(text(value))}".utf8)
        case .queue(_, .pop), .queue(_, .popNothing): Array("{\"pop\":true}".utf8)
        case .add(_, let addend): Array("{\"add\":\(addend)}".utf8)
        case .send(let stop): stop.encoded
        }
    }

    /// Messages to chains are told, everything else is asked.
    var isAsk: Bool { if case .send = self.wish { false } else { true } }

    /// Null is the value 0 of every history.
    private static func text(_ value: ValueID) -> String { value == 0 ? "null" : "\(value)" }
}

/// What a built-in actor answered: `{"value":5,"swapped":true}`.
struct BuiltInAnswer {
    var value: Int64
    var isNull: Bool
    var swapped: Bool

    init?(_ body: [UInt8]) {
        let text = String(decoding: body, as: UTF8.self)
        let start = "{\"value\":"
        guard text.hasPrefix(start) else { return nil }
        let value = text.dropFirst(start.count).prefix { $0 != "," && $0 != "}" }
        self.isNull = value == "null"
        guard let number = self.isNull ? 0 : Int64(value) else { return nil }
        self.value = number
        self.swapped = text.hasSuffix("\"swapped\":true}")
    }
}
