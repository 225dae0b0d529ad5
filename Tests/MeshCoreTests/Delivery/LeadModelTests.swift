import MeshCore
import Testing

/// Clients, hosts and leaders that do whatever they like, over a log that keeps what it promised.
private struct Model {
    let group: LeadGroup
    var random: RandomSource
    /// Messages by number: where they go, and what their client knows.
    var sent: [(path: String, isAcknowledged: Bool, isDone: Bool)] = []
    var requests: [UInt64: Int] = [:]
    var lastRequest: UInt64 = 0
    var answersSeen = 0

    static let paths = ["/inline/a", "/inline/b", "/inline/c", "/hosted/a", "/hosted/b"]
    static let messagesMax = 250

    init(seed: UInt64) {
        self.random = RandomSource(seed: seed)
        let backoff = Backoff(.constant, first: .milliseconds(5), max: .milliseconds(5))
        var limits = LeadLimits()
        // Small, so that their ends are reached.
        limits.tailMax = 4
        limits.tailBytesMax = 1_024
        limits.turnsAheadMax = 3
        limits.entryCommandsMax = 5
        limits.entriesInFlightMax = 2
        limits.activationsMax = 4
        limits.turnsPerPlace = 2
        limits.arrivalsPerActorMax = 2
        limits.idleAfter = .milliseconds(40)
        self.group = LeadGroup(
            replicas: 3,
            kinds: TestKinds(
                mailboxLimit: 20,
                retry: RetryPolicy([RetryPolicy.Rule(attemptsMax: 1_000, backoff: backoff)])),
            limits: limits, seed: seed)
        // Every message leaves a mark under its own name, and adds to the sum under none.
        self.group.handler = { order, state in
            let mark = order.envelope.message.body
            let marked: [UInt8] = [(state[mark]?.first ?? 0) + 1]
            let sum: [UInt8] = Model.increased(state[[]] ?? [])
            state[mark] = marked
            state[[]] = sum
            let changes = [StateChange(key: mark, value: marked), StateChange(key: [], value: sum)]
            return .finished(TurnResult(reply: sum, changes: changes, keys: state.count))
        }
    }

    private static func increased(_ sum: [UInt8]) -> [UInt8] {
        var writer = WireWriter()
        writer.write(Model.number(sum) + 1)
        return writer.bytes
    }

    static func number(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    func mark(_ number: Int) -> [UInt8] { [1, UInt8(number >> 8), UInt8(number & 255)] }

    mutating func submit(_ number: Int, isRetry: Bool) {
        guard self.group.leader != nil else { return }
        self.lastRequest += 1
        self.requests[self.lastRequest] = number
        var letter = self.group.letter(
            UInt64(number) + 1, to: self.sent[number].path, asks: number % 3 != 0, key: UInt64(number),
            body: self.mark(number))
        letter.envelope.message.idempotency = Fingerprint(high: 5, low: UInt64(number))
        self.group.submit(letter, requester: self.lastRequest, isRetry: isRetry, patience: .seconds(1))
    }

    /// Clients read their answers.
    mutating func hear() {
        for (requester, answer) in self.group.answers.dropFirst(self.answersSeen) {
            guard let number = self.requests[requester.number] else { continue }
            switch answer {
            case .accepted: self.sent[number].isAcknowledged = true
            case .outcome(_, .reply):
                self.sent[number].isAcknowledged = true
                self.sent[number].isDone = true
            case .outcome(_, .failed(let error)):
                if error.accepted == .yes { self.sent[number].isAcknowledged = true }
            default: break
            }
        }
        self.answersSeen = self.group.answers.count
    }

    mutating func step() {
        let up = self.group.nodes.indices.filter { self.group.nodes[$0].isUp }
        switch Int.random(in: 0..<100, using: &self.random) {
        case 0..<30 where self.sent.count < Self.messagesMax:
            self.sent.append((Self.paths.randomElement(using: &self.random) ?? "", false, false))
            self.submit(self.sent.count - 1, isRetry: false)
        case 30..<38:
            // Clients repeat themselves, whether or not they were answered.
            guard !self.sent.isEmpty else { return }
            self.submit(
                Int.random(in: self.sent.indices, using: &self.random), isRetry: Bool.random(using: &self.random))
        case 38..<55: self.group.flush()
        case 55..<68:
            self.group.commit(Int.random(in: 1...3, using: &self.random), on: self.group.leader.map { [$0] } ?? [])
        case 68..<74: if let node = up.randomElement(using: &self.random) { self.group.apply(on: node) }
        case 74..<86:
            guard let run = self.group.hosted.randomElement(using: &self.random) else { return }
            let fails = Int.random(in: 0..<6, using: &self.random) == 0
            self.group.finish(run, fails ? .failed(.crashed, MeshError(.handlerFailed, "it died")) : nil)
        case 86..<88:
            guard let node = up.randomElement(using: &self.random) else { return }
            self.group.elect(node, losing: Int.random(in: 0...3, using: &self.random), everywhere: false)
        case 88: if up.count > 2, let node = up.randomElement(using: &self.random) { self.group.crash(node) }
        case 89..<91:
            if let node = self.group.nodes.indices.first(where: { !self.group.nodes[$0].isUp }) {
                self.group.restart(node)
            }
        case 91..<93: self.group.confirm()
        case 93: self.group.hasLease.toggle()
        case 94: self.group.holdsReads.toggle()
        case 95..<97: self.group.answerReads()
        default:
            self.group.now = self.group.now + .milliseconds(3)
            self.group.wall += 3
            if let leader = self.group.leader { self.group.step(leader, .wake) }
        }
        self.hear()
    }

    /// All faults end, and clients go on until they know.
    mutating func heal() {
        for node in self.group.nodes.indices where !self.group.nodes[node].isUp { self.group.restart(node) }
        self.group.holdsReads = false
        self.group.hasLease = true
        self.group.elect(0)
        for _ in 0..<100 {
            self.group.answerReads()
            self.group.confirm()
            self.group.settle()
            while let run = self.group.hosted.first {
                self.group.finish(run)
                self.group.settle()
            }
            self.group.pass(.milliseconds(20))
            self.hear()
            let open = self.sent.indices.filter { !self.sent[$0].isAcknowledged }
            if open.isEmpty, self.group.hosted.isEmpty, self.group.nodes[0].replica.state.totals.messages == 0 {
                return
            }
            for number in open { self.submit(number, isRetry: true) }
        }
    }

    var deadLetters: Set<MessageID> {
        Set(
            self.group.nodes[0].replica.disk.range(PartitionKeys.deadLetters).compactMap {
                (try? DeadLetterRecord(decoding: $0.value))?.id
            })
    }
}

@Suite("A partition's leaders, clients and hosts at random")
struct LeadModelTests {
    @Test(
        "every acknowledged message is processed exactly once, sums are right, and replicas equal",
        arguments: 0..<24 as Range<UInt64>)
    func exactlyOnce(seed: UInt64) {
        var model = Model(seed: seed)
        model.group.elect(0)
        for _ in 0..<1_500 { model.step() }
        model.heal()
        let group = model.group
        group.commit()
        let dead = model.deadLetters
        var processed: [String: UInt64] = [:]
        for (number, message) in model.sent.enumerated() {
            #expect(message.isAcknowledged, "seed \(seed): message \(number) was never acknowledged")
            let times = group.value(model.mark(number), of: message.path)?.first ?? 0
            let expected: UInt8 = dead.contains(id(UInt64(number) + 1)) ? 0 : 1
            #expect(
                times == expected, "seed \(seed): message \(number) to \(message.path) was processed \(times) times")
            processed[message.path, default: 0] += UInt64(times)
        }
        for text in Model.paths {
            let sum = Model.number(group.value([], of: text) ?? [])
            #expect(sum == processed[text] ?? 0, "seed \(seed): the sum of \(text)")
        }
        for node in 1..<3 { #expect(group.nodes[node].replica.disk == group.nodes[0].replica.disk, "seed \(seed)") }
        #expect(group.nodes[0].replica.state.totals.messages == 0, "seed \(seed): messages wait")
    }

    @Test("one seed is one log, to the last byte")
    func deterministic() {
        func log() -> [LogEntry] {
            var model = Model(seed: 7)
            model.group.elect(0)
            for _ in 0..<1_500 { model.step() }
            return model.group.log
        }
        #expect(log() == log())
    }
}
