internal import Logging
internal import MeshCore

/// Keeps this node's keyring equal to the others': the only place that changes it.
///
/// Whatever changes is on the disk before it is used or told. Members advertise the ids of their keys, so a difference
/// is seen without asking; then one tells the other its whole keyring over a stream, and each takes what it lacks.
actor KeyExchange {
    struct Ports: Sendable {
        /// Makes keys durable.
        var save: @Sendable (MeshKeys) throws -> Void
        /// Seals and opens with them from now on.
        var apply: @Sendable (MeshKeys) -> Void
        /// Queues a frame for a member's stream, a dead member's too; false if there is no such member.
        var send: @Sendable (PeerFrame, NodeID) -> Bool
        /// Everyone known and what they advertise of their keys.
        var holders: @Sendable () async -> [Membership.FieldHolder]
        /// A member that was given up has answered over its stream.
        var found: @Sendable (NodeID) -> Void
    }

    private struct Question {
        var node: NodeID
        var round: UInt64
        var continuation: CheckedContinuation<KeySummary?, Never>
    }

    private static let roundsMax = 16
    /// As many as a mesh has members.
    private static let seenMax = 4096
    /// Differences are looked for this often, in seconds; at random, so that a newcomer is not told by all at once.
    private static let pause = 1.0...3.0
    /// How often a dead member is called on that could not read a datagram of this node.
    private static let awayPause = Duration.seconds(15)

    private let localID: NodeID
    private let ports: Ports
    private let logger: Logger
    private var keys: MeshKeys
    /// What each member last said of its keys itself.
    private(set) var seen: [NodeID: KeySummary] = [:]
    private var questions: [UInt64: Question] = [:]
    private var rounds: Set<UInt64> = []
    private var lastNumber = randomUInt64() >> 1
    private var awayAt = Instant(nanoseconds: 0)

    init(_ keys: MeshKeys, localID: NodeID, ports: Ports, logger: Logger) {
        self.keys = keys
        self.localID = localID
        self.ports = ports
        self.logger = logger
    }

    // MARK: changes

    /// On this node; the next frames tell the others.
    func change(_ body: @Sendable (inout MeshKeys) throws(KeyringError) -> Void) throws {
        var changed = self.keys
        try body(&changed)
        try self.take(changed)
    }

    private func take(_ changed: MeshKeys) throws {
        guard changed.ring != self.keys.ring else { return }
        try self.ports.save(changed)
        let before = self.keys.ring
        self.keys = changed
        self.ports.apply(changed)
        self.logger.notice(
            "the keyring changed",
            metadata: [
                "primary": "\(changed.ring.primary)", "keys": "\(changed.ring.keys)", "before": "\(before.keys)",
                "primary_before": "\(before.primary)",
            ])
    }

    // MARK: frames

    func received(_ frame: PeerFrame, from node: NodeID) throws(WireError) {
        let body = try KeyFrame(decoding: frame.body)
        let isKept = self.merge(body.table, from: node)
        let summary = Keyring(body.table.entries).map(KeySummary.init)
        if self.seen[node] != nil || self.seen.count < Self.seenMax { self.seen[node] = summary }
        switch body.purpose {
        case .ask: self.send(.answer, to: node, correlation: frame.correlation, knowing: body.table)
        case .answer:
            if self.questions[frame.correlation]?.node == node {
                self.answered(frame.correlation, summary)
            }
            self.complete(node, body.table, isKept: isKept)
        case .tell: self.complete(node, body.table, isKept: isKept)
        }
        self.ports.found(node)
    }

    /// False if it could not be taken: then nothing is said about it either, or two nodes could talk for ever.
    private func merge(_ table: KeyTable, from node: NodeID) -> Bool {
        do {
            var merged = self.keys
            try merged.merge(table)
            try self.take(merged)
            return true
        } catch {
            self.logger.error(
                "the keys of a member were not taken over", metadata: ["member": "\(node)", "error": "\(error)"])
            return false
        }
    }

    /// Tells the other side what it still lacks, or lets it see what this one lacks. Equal keyrings end it.
    private func complete(_ node: NodeID, _ told: KeyTable, isKept: Bool) {
        guard isKept, self.keys.ring.knowsBetter(than: told.entries) || self.keys.ring.lacks(told.entries) else {
            return
        }
        self.send(.tell, to: node, knowing: told)
    }

    /// With the secrets of keys that the other side has not shown to hold.
    @discardableResult
    private func send(
        _ purpose: KeyFrame.Purpose, to node: NodeID, correlation: UInt64 = 0, knowing told: KeyTable? = nil
    ) -> Bool {
        let table = self.keys.table { id in
            !(told?.entries.contains { $0.id == id && !$0.isRemoved } ?? false)
        }
        let frame = KeyFrame(purpose, table)
        return self.ports.send(PeerFrame(kind: .keyring, correlation: correlation, body: frame.encoded()), node)
    }

    // MARK: asking

    /// Tells these members the keyring and asks for theirs; those that answered in time.
    func ask(_ nodes: [NodeID], within limit: Duration) async -> [NodeID: KeySummary] {
        guard !nodes.isEmpty, self.rounds.count < Self.roundsMax else { return [:] }
        let round = self.number()
        self.rounds.insert(round)
        defer { self.rounds.remove(round) }
        return await withTaskGroup(of: (NodeID, KeySummary?)?.self) { group in
            for node in nodes { group.addTask { (node, await self.ask(node, round)) } }
            group.addTask {
                try? await Task.sleep(for: limit)
                await self.giveUp(round)
                return nil
            }
            var answers: [NodeID: KeySummary] = [:]
            var open = nodes.count
            for await case (let node, let summary)? in group {
                answers[node] = summary
                open -= 1
                if open == 0 { group.cancelAll() }
            }
            return answers
        }
    }

    private func ask(_ node: NodeID, _ round: UInt64) async -> KeySummary? {
        await withCheckedContinuation { continuation in
            let number = self.number()
            self.questions[number] = Question(node: node, round: round, continuation: continuation)
            // The round may be over before this member's turn came.
            guard self.rounds.contains(round), self.send(.ask, to: node, correlation: number) else {
                return self.answered(number, nil)
            }
        }
    }

    private func answered(_ number: UInt64, _ summary: KeySummary?) {
        self.questions.removeValue(forKey: number)?.continuation.resume(returning: summary)
    }

    private func giveUp(_ round: UInt64) {
        self.rounds.remove(round)
        for (number, question) in self.questions where question.round == round { self.answered(number, nil) }
    }

    private func number() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    // MARK: staying equal

    /// Looks for differences until its task is cancelled.
    func keepEqual() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(Double.random(in: Self.pause)))
            guard !Task.isCancelled else { return }
            self.compare(await self.ports.holders(), at: .now())
        }
    }

    private func compare(_ holders: [Membership.FieldHolder], at now: Instant) {
        let own = KeySummary(self.keys.ring)
        var (different, away, live): ([NodeID], [NodeID], Int) = ([], [], 0)
        for holder in holders where holder.id != self.localID {
            let summary = holder.value.flatMap { KeySummary($0) }
            switch holder.state {
            case .alive, .suspect:
                live += 1
                if let summary, summary != own { different.append(holder.id) }
            // What this node seals it cannot read, so that no ping ever brings it back.
            case .dead: if !(summary?.keys.contains(own.primary) ?? false) { away.append(holder.id) }
            case .left: break
            }
        }
        if let node = different.randomElement() { self.send(.tell, to: node) }
        guard now >= self.awayAt, let node = away.randomElement() else { return }
        self.awayAt = now + Self.awayPause
        // About one call per dead member and pause in the whole mesh.
        if Int.random(in: 0...live) < away.count { self.send(.tell, to: node) }
    }
}
