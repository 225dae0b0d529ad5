internal import MeshCore
internal import MeshRuntime

/// Actors that pass a message on, from one to the next, and write down everything that they process, in order: what was
/// lost, repeated or overtaken on the way shows in what they have written.
struct ChainActor: Hashable, Sendable {
    /// Where and how its turns run.
    enum Manner: Int, CaseIterable, Sendable {
        /// On the leader, before the commit.
        case inline
        /// On the leader, after the commit, and it takes a while.
        case local
        /// On whatever node.
        case placed
    }

    /// What is special about a message's way.
    enum Detour: UInt8, Sendable {
        case none = 0
        /// Each message waits for a while before it enters the next mailbox.
        case delayed = 1
        /// The last actor sets a timer, and writes down when it fires.
        case timer = 2
    }

    /// A message of a client, at one of the actors on its way.
    struct Stop: Hashable, Sendable {
        var client: UInt32
        /// The first actor on the way; a client's messages to it have numbers from 1 on.
        var origin: UInt16
        var number: UInt64
        var hop: UInt8 = 0
        var hops: UInt8
        var detour: Detour
        var isTimer = false
    }

    static let perManner = 4
    static var count: Int { Self.perManner * Manner.allCases.count }
    static let paths: [ActorPath] = (0..<Self.count).map { knownPath("/chain/\(Manner.allCases[$0 % 3])/\($0)") }
    private static let stopsPerPage: UInt64 = 32
    private static let countKey = "stops"
    private static let pagePrefix = "page/"

    let index: Int

    init(index: Int) { self.index = index }

    init?(_ path: ActorPath) {
        guard let index = Self.paths.firstIndex(of: path) else { return nil }
        self.index = index
    }

    var path: ActorPath { Self.paths[self.index] }
    var manner: Manner { Manner.allCases[self.index % 3] }

    /// Who is next; each stop has one successor.
    func next(after stop: Stop) -> ChainActor {
        ChainActor(index: (self.index * 5 + Int(stop.hop) + Int(stop.origin) + 1) % Self.count)
    }

    // MARK: Turns

    /// - Parameter wall: milliseconds since 1970.
    func turn(
        _ body: [UInt8], state: inout ActorState, wall: UInt64, random: inout RandomSource
    ) throws(WireError) -> TurnResult {
        let stop = try Stop(decoding: body)
        try Self.note(stop, in: &state)
        var result = TurnResult()
        if stop.hop < stop.hops {
            var onward = stop
            onward.hop += 1
            let message = Message(id: MessageID(using: &random), body: onward.encoded)
            let delay: UInt64? = stop.detour == .delayed ? wall + 20 + UInt64(random.below(500)) : nil
            result.letters = [Letter(self.next(after: stop).path, Envelope(message), notBefore: delay)]
        } else if stop.detour == .timer, !stop.isTimer {
            var later = stop
            later.isTimer = true
            result.timers = [
                .set(
                    name: "\(stop.client)/\(stop.origin)/\(stop.number)", due: wall + 20 + UInt64(random.below(800)),
                    schedule: "", body: later.encoded)
            ]
        }
        return result
    }

    private static func note(_ stop: Stop, in state: inout ActorState) throws(WireError) {
        var count: UInt64 = 0
        if let stored = state[Self.countKey] {
            var reader = WireReader(stored.raw)
            count = try reader.read()
        }
        let page = Self.pagePrefix + "\(1_000_000 + count / Self.stopsPerPage)"
        state[page] = (state[page] ?? []) + stop.encoded
        var writer = WireWriter()
        writer.write(count + 1)
        state[Self.countKey] = writer.bytes
    }

    // MARK: What was written down

    /// From the values of the actor's state, in order of key.
    static func stops(in values: [(key: [UInt8], bytes: [UInt8])]) throws(WireError) -> [Stop] {
        var stops: [Stop] = []
        for value in values where value.key.starts(with: Array(Self.pagePrefix.utf8)) {
            var start = 0
            while start < value.bytes.count {
                let end = min(start + Stop.byteCount, value.bytes.count)
                stops.append(try Stop(decoding: Array(value.bytes[start..<end])))
                start = end
            }
        }
        return stops
    }
}

extension ChainActor.Stop {
    static let byteCount = 18

    var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(self.client)
        writer.write(self.origin)
        writer.write(self.number)
        writer.write(self.hop)
        writer.write(self.hops)
        writer.write(self.detour.rawValue)
        writer.write((self.isTimer ? 1 : 0) as UInt8)
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.client = try reader.read()
        self.origin = try reader.read()
        self.number = try reader.read()
        self.hop = try reader.read()
        self.hops = try reader.read()
        let detour = try reader.read(UInt8.self)
        guard let detour = ChainActor.Detour(rawValue: detour) else { throw WireError(.unknownKind, at: 16) }
        self.detour = detour
        self.isTimer = try reader.read(UInt8.self) == 1
        try reader.end()
    }

    /// Whose message it is, as far as order goes: those that one client sent to one actor, at the same stop of their way.
    var sender: String {
        "client \(self.client) from \(self.origin)\(self.isTimer ? ", by timer" : ", hop \(self.hop)")"
    }
}

/// Who answers at which path in a simulated mesh.
struct SimulatedKinds: ActorKinds {
    /// No wait is so long that the end of a run comes before it: one that was set by a clock an hour fast lasts as long as
    /// waits may.
    private static let retry = RetryPolicy([
        RetryPolicy.Rule(
            attemptsMax: 5,
            backoff: Backoff(.exponential(thousandths: 2000), first: .milliseconds(200), max: .seconds(3)))
    ])

    func kind(of path: ActorPath) throws(MeshError) -> ActorKind {
        if path.isReserved, BuiltIn(path) != nil {
            return ActorKind(isInline: true, mailboxLimit: 64, retry: Self.retry)
        }
        guard let chain = ChainActor(path) else { throw MeshError(.notFound, "nobody answers at \(path)") }
        return ActorKind(
            isInline: chain.manner == .inline, mailboxLimit: 16, turnLimit: .seconds(2), retry: Self.retry,
            isPlaced: chain.manner == .placed)
    }
}

/// No timer of a simulated actor repeats.
struct SimulatedSchedules: TimerSchedules {
    func next(of schedule: String, after wall: UInt64) -> UInt64? { nil }
}

/// Of a text that is a path for certain.
func knownPath(_ text: String) -> ActorPath {
    do { return try ActorPath(text) } catch { preconditionFailure("\(text): \(error)") }
}
