import MeshCore

/// A few replicas of one group, stepped by hand: messages are carried in order, disks sync at once unless told not to.
struct TestGroup {
    static let group = GroupID(7)
    static let incarnation = GroupIncarnation(counter: 1, id: 99)

    var rafts: [Raft] = []
    var now = Instant(nanoseconds: 1_000_000_000_000)
    /// Sent and not delivered.
    var wire: [RaftMessage] = []
    /// What each replica asked its driver for since `clear`.
    var log: [[Raft.Effect]] = []
    /// Replicas whose fsync does not come back.
    var stuck: Set<Int> = []
    /// Replicas that hear nothing and are not heard.
    var cut: Set<Int> = []
    private var random = RandomSource(seed: 1)

    static func node(_ index: Int) -> NodeID { NodeID(high: 1, low: UInt64(index) + 1) }
    static func id(_ index: Int) -> ReplicaID { ReplicaID(node: self.node(index), addedAt: 0) }

    init(_ count: Int, learners: Int = 0, settings: RaftSettings = RaftSettings()) {
        let ids = (0..<count).map(Self.id)
        let replicas = ReplicaSet(voters: Array(ids.dropLast(learners)), learners: Array(ids.suffix(learners)))
        for id in ids {
            self.add(
                .fresh(
                    group: Self.group, incarnation: Self.incarnation, id: id, replicas: replicas, settings: settings),
                settings: settings)
        }
    }

    mutating func add(_ recovered: RecoveredReplica, settings: RaftSettings = RaftSettings(), life: UInt64 = 1) {
        self.rafts.append(Raft(recovered, life: life, settings: settings, seed: self.random.next(), at: self.now))
        self.log.append([])
    }

    var leaders: [Int] { self.rafts.indices.filter { self.rafts[$0].role == .leader } }

    mutating func clear() { for place in self.log.indices { self.log[place] = [] } }

    mutating func step(_ place: Int, _ input: Raft.Input) {
        var effects = Raft.Effects()
        self.rafts[place].step(input, at: self.now, into: &effects)
        self.perform(effects.list, of: place)
    }

    private mutating func perform(_ effects: [Raft.Effect], of place: Int) {
        self.log[place] += effects
        for effect in effects {
            switch effect {
            case .send(let message) where !self.cut.contains(place): self.wire.append(message)
            case .write(let write) where !self.stuck.contains(place):
                self.step(place, .stored(through: write.sequence))
            case .apply(let entries):
                if let last = entries.last { self.step(place, .applied(through: last.index)) }
            default: break
            }
        }
    }

    /// Delivers until nothing is on the wire.
    mutating func settle() {
        var delivered = 0
        while !self.wire.isEmpty, delivered < 10_000 {
            self.deliver(self.wire.removeFirst())
            delivered += 1
        }
    }

    mutating func deliver(_ message: RaftMessage) {
        guard let place = self.rafts.firstIndex(where: { $0.id == message.to }), !self.cut.contains(place) else {
            return
        }
        self.step(place, .received(message))
    }

    mutating func pass(_ duration: Duration) { self.now = self.now + duration }

    /// Delivers what is on the wire, and what comes of it, but appends.
    mutating func settleWithoutAppends() {
        while !self.wire.isEmpty {
            let message = self.wire.removeFirst()
            if case .append = message.body { continue }
            self.deliver(message)
        }
    }

    /// The heartbeats of the nodes, which keep idle leaders in their place.
    private mutating func beat() {
        for leader in self.leaders where !self.cut.contains(leader) {
            let node = self.rafts[leader].id.node
            for place in self.rafts.indices where place != leader && !self.cut.contains(place) {
                let follower = self.rafts[place].id.node
                guard let (claim, isAsleep) = self.rafts[leader].claim(on: follower) else { continue }
                var effects = Raft.Effects()
                var isRenewed = isAsleep && self.rafts[place].isAsleep
                if isRenewed {
                    self.rafts[place].renewAsleep(under: node, at: self.now)
                } else {
                    isRenewed = self.rafts[place].renew(claim, by: node, at: self.now, into: &effects)
                }
                self.perform(effects.list, of: place)
                if isRenewed {
                    self.step(leader, .peer(.renewed(follower, stamp: self.now, asleep: isAsleep)))
                }
            }
        }
    }

    /// Time goes on in small steps; everybody wakes when due.
    mutating func run(for duration: Duration) {
        let end = self.now + duration
        while self.now < end {
            self.pass(.milliseconds(10))
            if self.now.nanoseconds / 10_000_000 % 10 == 0 { self.beat() }
            for place in self.rafts.indices where self.rafts[place].nextWake <= self.now { self.step(place, .wake) }
            self.settle()
        }
    }

    /// One replica campaigns now and, if it can, wins.
    mutating func elect(_ place: Int) {
        self.pass(.milliseconds(700))
        self.step(place, .wake)
        self.settle()
    }

    mutating func propose(_ place: Int, _ count: Int = 1, bytes: Int = 8) {
        let proposals = (0..<count).map {
            Raft.Proposal(id: UInt64($0), payload: Array(repeating: UInt8($0 & 0xFF), count: bytes))
        }
        self.step(place, .propose(proposals))
    }

    // MARK: What came out

    func sent(_ place: Int) -> [RaftMessage] {
        self.log[place].compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    func refused(_ place: Int) -> [Raft.RefusalReason] {
        self.log[place].compactMap { if case .refused(let reason) = $0 { reason } else { nil } }
    }

    func rejected(_ place: Int) -> [Raft.Rejection] {
        self.log[place].compactMap { if case .rejected(_, let reason) = $0 { reason } else { nil } }
    }

    func readsReady(_ place: Int) -> [Raft.RequestID] {
        self.log[place].compactMap { if case .readReady(let id) = $0 { id } else { nil } }
    }

    func message(_ body: RaftMessage.Body, from sender: Int, to receiver: Int, term: Term) -> RaftMessage {
        RaftMessage(
            group: Self.group, incarnation: Self.incarnation, from: Self.id(sender), to: Self.id(receiver), term: term,
            body: body)
    }

    func append(
        after previous: LogPosition, _ entries: [LogEntry] = [], commit: LogIndex = 0, acknowledged: LogIndex = 0
    ) -> RaftMessage.Body {
        .append(
            Append(
                previous: previous, commit: commit, stamp: self.now, acknowledged: acknowledged, heldByAll: 0,
                entries: entries))
    }

    func voteRequest(term: Term, last: LogPosition, isPreVote: Bool = false, isTransfer: Bool = false, life: UInt64 = 0)
        -> RaftMessage.Body
    {
        .voteRequest(
            VoteRequest(
                isPreVote: isPreVote, isTransfer: isTransfer, term: term, last: last, round: 5, vouchedLife: life))
    }
}

func entry(_ index: LogIndex, _ term: Term, _ payload: [UInt8] = [1]) -> LogEntry {
    LogEntry(index: index, term: term, kind: .command, payload: payload)
}

extension RaftMessage {
    var granted: Bool? { if case .voteResponse(let response) = self.body { response.isGranted } else { nil } }
    var outcome: AppendResponse.Outcome? {
        if case .appendResponse(let response) = self.body { response.outcome } else { nil }
    }
}
