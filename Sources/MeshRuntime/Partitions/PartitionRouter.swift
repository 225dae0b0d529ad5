package import MeshCore

/// Brings requests of this node's clients to the leaders of their partitions, and the answers back.
///
/// It tries again for as long as the client waits, and never so that a message could take effect twice: what may have
/// reached a log is sent again only under the same place in a session, or under its idempotency key. There is one router for
/// each shard; it is a value that its driver steps.
package struct PartitionRouter: Sendable {
    /// What a client wants.
    package struct Request: Sendable {
        /// The client's, and different from all others.
        package var number: UInt64
        package var partition: Partition
        package var letter: Letter
        package var delivery: MessageRequest.Delivery
        package var deadline: Instant
        /// Its turn changes nothing, so that it may run twice, and leaves nothing in the log.
        package var isRead: Bool

        package init(
            number: UInt64, partition: Partition, letter: Letter, delivery: MessageRequest.Delivery, deadline: Instant,
            isRead: Bool = false
        ) {
            self.isRead = isRead
            self.number = number
            self.partition = partition
            self.letter = letter
            self.delivery = delivery
            self.deadline = deadline
        }
    }

    package enum Input: Sendable {
        case request(Request)
        /// Of the own shard, or of another node.
        case answer(UInt64, PartitionAnswer, from: NodeID)
        /// It did not even leave.
        case unsent(UInt64)
        case disconnected(NodeID)
        /// What a replica here, or somebody else, takes for the leader.
        case leader(Partition, NodeID?)
        case members([NodeID])
        /// Of a leader here, to the leader of another partition.
        case deliver(OutboxDelivery, to: Partition)
        case wake
    }

    package enum Effect: Sendable {
        /// To the own shard.
        case submit(PartitionRequest, Partition)
        case send(PartitionFrame, number: UInt64, to: NodeID)
        /// The client's message is committed; its outcome follows, if that was asked for.
        case accepted(UInt64, MessageID)
        case ended(UInt64, MessageID, Outcome)
    }

    /// One sending of something to one node.
    struct Try: Sendable {
        enum Purpose: Sendable {
            case message(UInt64)
            case session(Partition)
        }

        var purpose: Purpose
        var node: NodeID
        var begun: Instant
    }

    struct Pending: Sendable {
        let request: Request
        /// Where it stands in a session, once it was sent.
        var place: Enqueue.Request?
        /// The session waits for what becomes of it.
        var holdsSlot = false
        /// There was no session to be had: a second try could be a second message.
        var goesWithout = false
        /// The latest try, if it is not over.
        var current: UInt64?
        var tries: [UInt64] = []
        /// A try may have reached a log, and nobody has said what became of it.
        var isUnknown = false
        var isAccepted = false
        var pausedUntil: Instant?
        /// Who was asked last.
        var asked: NodeID?
        /// Answers "elsewhere" in a row.
        var hops = 0
        var timeouts = 0

        var id: MessageID { self.request.letter.envelope.message.id }
        var path: ActorPath { self.request.letter.path }
        var wantsOutcome: Bool { self.request.letter.envelope.kind == .ask }
        var needsSession: Bool {
            self.request.delivery == .durable && self.request.letter.envelope.message.idempotency == nil
                && !self.request.isRead
        }
        /// The state would know a second try for what it is, or would not change by it.
        var isRepeatable: Bool {
            self.place != nil || self.request.letter.envelope.message.idempotency != nil || self.request.isRead
        }
        /// A try of it may have ended a leader: it has to be committed before it may run again.
        var isRetry: Bool { self.isUnknown && !self.request.isRead }
    }

    enum Wake: Sendable {
        case deadline(UInt64)
        case pause(UInt64)
        case timeout(UInt64)
        case session(Partition)
    }

    /// The leader knows best why there is no answer by the deadline: it is told first.
    static let grace = Duration.milliseconds(100)
    /// Before somebody is asked again who did not know, or could not.
    static let pause = Duration.milliseconds(50)
    static let hopsMax = 3
    /// Not a word of a try for so long: ask whether somebody else leads. Doubled with each.
    static let patience = Duration.seconds(2)
    static let timeoutsMax = 6
    /// Whoever said nothing at all for so long is not asked for the leader, and not taken for it on hearsay, for a while.
    static let silence = Duration.seconds(4)

    let local: NodeID
    var members: [NodeID] = []
    var random: RandomSource
    private var lastTry: UInt64
    /// Of this and the other routers of the node: whose an answer is can be told by its number.
    private let stride: UInt64

    var leaders: [Partition: NodeID] = [:]
    var pending: [UInt64: Pending] = [:]
    var ofPartition: [Partition: Set<UInt64>] = [:]
    var tries: [UInt64: Try] = [:]
    var heardAt: [NodeID: Instant] = [:]
    var silentUntil: [NodeID: Instant] = [:]
    /// Also those whose stream broke: others are asked before them.
    var avoidedUntil: [NodeID: Instant] = [:]
    var slots: [Partition: SessionSlots] = [:]
    var wakes = DeadlineQueue<Wake>()

    /// - Parameter seed: numbers of tries begin at a random place, so that an answer to an earlier life meets nobody.
    package init(local: NodeID, index: Int, of count: Int, seed: UInt64) {
        self.local = local
        self.random = RandomSource(seed: seed)
        self.stride = UInt64(count)
        self.lastTry = (self.random.next() >> 16) * UInt64(count) + UInt64(index)
    }

    /// Which of `count` routers numbered a try so.
    package static func index(of number: UInt64, count: Int) -> Int { Int(number % UInt64(count)) }

    package var nextWake: Instant { self.wakes.nextDue ?? .distantFuture }
    /// Requests without an answer.
    package var count: Int { self.pending.count }
    package func leader(of partition: Partition) -> NodeID? { self.leaders[partition] }

    package mutating func step(_ input: Input, at moment: Moment, into effects: inout [Effect]) {
        switch input {
        case .request(let request): self.begin(request, at: moment, into: &effects)
        case .answer(let number, let answer, let node):
            self.answered(number, answer, from: node, at: moment, into: &effects)
        case .unsent(let number): self.unsent(number, at: moment, into: &effects)
        case .disconnected(let node): self.disconnected(node, at: moment, into: &effects)
        case .leader(let partition, let node): self.learn(partition, node, at: moment, into: &effects)
        case .members(let members):
            self.members = members
            self.heardAt = self.heardAt.filter { members.contains($0.key) }
            self.silentUntil = self.silentUntil.filter { members.contains($0.key) }
            self.avoidedUntil = self.avoidedUntil.filter { members.contains($0.key) }
        case .deliver(let delivery, let destination):
            self.deliver(delivery, to: destination, at: moment.now, into: &effects)
        case .wake: self.wake(at: moment, into: &effects)
        }
    }

    // MARK: Requests

    private mutating func begin(_ request: Request, at moment: Moment, into effects: inout [Effect]) {
        self.pending[request.number] = Pending(request: request)
        self.ofPartition[request.partition, default: []].insert(request.number)
        self.note(.deadline(request.number), due: request.deadline + Self.grace)
        self.advance(request.number, at: moment, into: &effects)
    }

    /// Sends a request that is not under way, or lines it up for a session.
    mutating func advance(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard var pending = self.pending[number], pending.current == nil else { return }
        pending.pausedUntil = nil
        self.pending[number] = pending
        let partition = pending.request.partition
        if pending.needsSession, pending.place == nil, !pending.goesWithout {
            guard let slot = self.slots[partition, default: SessionSlots()].take() else {
                self.slots[partition]?.wait(number)
                return self.openSessions(with: partition, at: moment, into: &effects)
            }
            pending.place = Enqueue.Request(session: slot.session, number: slot.next)
            pending.holdsSlot = true
        }
        let node = self.target(of: partition, after: pending.asked, at: moment.now)
        let id = self.begin(.message(number), at: node, timeouts: pending.timeouts, at: moment)
        pending.asked = node
        pending.current = id
        pending.tries.append(id)
        self.pending[number] = pending
        let patience = pending.request.deadline - moment.now
        if node == self.local {
            effects.append(
                .submit(
                    .message(
                        MessageRequest(
                            requester: Requester(node: nil, number: id), letter: pending.request.letter,
                            session: pending.place, delivery: pending.request.delivery, isRetry: pending.isRetry,
                            patience: patience)), partition))
        } else {
            let ask = PartitionFrame.Ask(
                pending.request.letter, session: pending.place, delivery: pending.request.delivery,
                isRetry: pending.isRetry, patience: patience)
            effects.append(.send(.message(ask, partition), number: id, to: node))
        }
    }

    private mutating func begin(
        _ purpose: Try.Purpose, at node: NodeID, timeouts: Int, at moment: Moment
    ) -> UInt64 {
        self.lastTry &+= self.stride
        self.tries[self.lastTry] = Try(purpose: purpose, node: node, begun: moment.now)
        let patience = Self.patience * (1 << min(timeouts, Self.timeoutsMax))
        if node != self.local { self.note(.timeout(self.lastTry), due: moment.now + patience) }
        return self.lastTry
    }

    mutating func note(_ wake: Wake, due: Instant) {
        self.wakes.add(wake, due: due)
        // Most requests end long before; now and then only what still matters is kept.
        guard self.wakes.count > 4_096 + 8 * self.pending.count else { return }
        let (pending, tries, slots) = (self.pending, self.tries, self.slots)
        self.wakes.keep { wake in
            switch wake {
            case .deadline(let number): pending[number] != nil
            case .pause(let number): pending[number]?.pausedUntil != nil
            case .timeout(let attempt): tries[attempt] != nil
            case .session(let partition): slots[partition]?.hasWaiting == true
            }
        }
    }

    // MARK: Leaders

    /// The leader, or somebody who may know it: this node, which has a replica of many, and anybody else, in turn.
    mutating func target(of partition: Partition, after asked: NodeID?, at now: Instant) -> NodeID {
        if let leader = self.leaders[partition] { return leader }
        guard asked == self.local, self.hasOthers else { return self.local }
        let others = self.members.filter { $0 != self.local }
        let heard = others.filter { self.avoidedUntil[$0].map { $0 <= now } ?? true }
        let able = heard.isEmpty ? others : heard
        return able[Int(self.random.next() % UInt64(able.count))]
    }

    var hasOthers: Bool { self.members.contains { $0 != self.local } }

    func isSilent(_ node: NodeID, at now: Instant) -> Bool { self.silentUntil[node].map { now < $0 } ?? false }

    private mutating func learn(
        _ partition: Partition, _ node: NodeID?, at moment: Moment, into effects: inout [Effect]
    ) {
        guard self.leaders[partition] != node else { return }
        self.leaders[partition] = node
        guard let node else { return }
        // Its replica hears it.
        self.silentUntil[node] = nil
        self.avoidedUntil[node] = nil
        for number in (self.ofPartition[partition] ?? []).sorted() {
            guard let pending = self.pending[number] else { continue }
            if let current = pending.current {
                guard let attempt = self.tries[current], attempt.node != node else { continue }
                // Whoever has it leads no longer. Its answer may come all the same, and counts.
                self.loseTrack(of: number)
                guard self.pending[number]?.isRepeatable == true else { continue }
            }
            self.pending[number]?.current = nil
            self.pending[number]?.hops = 0
            if pending.current != nil || pending.pausedUntil != nil {
                self.advance(number, at: moment, into: &effects)
            }
        }
        self.openSessions(with: partition, at: moment, into: &effects)
    }

    mutating func loseTrack(of number: UInt64) { self.pending[number]?.isUnknown = true }

    private mutating func deliver(
        _ delivery: OutboxDelivery, to destination: Partition, at now: Instant, into effects: inout [Effect]
    ) {
        let source = UInt64(delivery.delivery.source.index)
        // A replica here that knew the leader would have said so: anybody else, another one each time.
        let node = self.target(of: destination, after: self.local, at: now)
        guard node != self.local else {
            let route = Requester(node: nil, number: source)
            return effects.append(.submit(.delivery(delivery, from: route), destination))
        }
        // What is lost its leader delivers again.
        effects.append(.send(.delivery(delivery, destination), number: source, to: node))
    }

    // MARK: Sessions

    mutating func openSessions(with partition: Partition, at moment: Moment, into effects: inout [Effect]) {
        for _ in 0..<(self.slots[partition]?.missing ?? 0) {
            self.slots[partition]?.beginOpening()
            let node = self.target(of: partition, after: self.slots[partition]?.asked, at: moment.now)
            self.open(partition, at: node, moment: moment, into: &effects)
        }
    }

    mutating func open(_ partition: Partition, at node: NodeID, moment: Moment, into effects: inout [Effect]) {
        let id = self.begin(.session(partition), at: node, timeouts: 0, at: moment)
        if node == self.local {
            effects.append(.submit(.openSession(Requester(node: nil, number: id)), partition))
        } else {
            effects.append(.send(.openSession(partition), number: id, to: node))
        }
    }
}
