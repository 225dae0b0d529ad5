import MeshCore
import Testing

/// `/inline/…` runs where the leader is, `/hosted/…` takes its time, `/placed/…` has requirements; others are nobody's.
struct TestKinds: ActorKinds {
    var mailboxLimit = 100
    var retry = RetryPolicy.standard
    var revision: UInt64 = 0

    func kind(of path: ActorPath) throws(MeshError) -> ActorKind {
        switch path.segments.first {
        case "inline":
            ActorKind(isInline: true, mailboxLimit: self.mailboxLimit, retry: self.retry, revision: self.revision)
        case "hosted":
            ActorKind(isInline: false, mailboxLimit: self.mailboxLimit, retry: self.retry, revision: self.revision)
        case "placed":
            ActorKind(
                isInline: false, mailboxLimit: self.mailboxLimit, retry: self.retry, isPlaced: true, isMobile: true)
        default: throw MeshError(.notFound, "nobody is at \(path)")
        }
    }
}

struct TestSchedules: TimerSchedules {
    func next(of schedule: String, after wall: UInt64) -> UInt64? { UInt64(schedule).map { wall + $0 } }
}

/// The replicas of one partition over a log that is in one order for all of them: what consensus promises, without it.
///
/// Each test or model says when entries are committed, who leads, and what hosts do. A turn of an inline kind runs at once.
final class LeadGroup {
    struct Node {
        var replica: TestReplica
        var lead: PartitionLead
        /// Entries of the log that it has applied.
        var applied = 0
        var isUp = true
    }

    struct Run {
        var node: Int
        var order: TurnOrder
        var host: Host
    }

    let kinds: TestKinds
    let limits: LeadLimits
    let placement: Placement
    let partition: Partition
    var nodes: [Node] = []
    private(set) var log: [LogEntry] = []
    private(set) var committed = 0
    private var proposers: [Int: (node: Int, proposal: UInt64)] = [:]
    private(set) var leader: Int?
    private(set) var term: Term = 0
    var now = Instant(nanoseconds: 1_000_000_000)
    var wall: UInt64 = 10_000_000
    /// By how many milliseconds the leader's own clock is wrong.
    var clockError: Int64 = 0
    var hasLease = true
    var incarnation = GroupIncarnation(counter: 1, id: 99)
    private var lastSeed: UInt64

    // What came out.
    var answers: [(Requester, PartitionAnswer)] = []
    var runs: [Run] = []
    /// Turns of kinds that are not inline, which nobody has answered yet.
    var hosted: [Run] = []
    var released: [ActivationID] = []
    var queries: [PlacementQuery] = []
    var checks: [(id: ActivationID, order: UInt64, host: Host)] = []
    var deliveries: [(OutboxDelivery, Partition)] = []
    var deliveryAnswers: [(DeliveryAnswer, Requester)] = []
    var events: [[UInt8]] = []
    var notes: [LeadNote] = []
    var confirmations: [(node: Int, number: UInt64)] = []
    var drained = 0
    var refusesProposals = false
    /// Reads of the disk that wait, if they are held.
    var heldReads: [(node: Int, number: UInt64, reads: [StateRead])] = []
    var holdsReads = false
    /// What an inline turn does.
    var handler: (TurnOrder, inout [[UInt8]: [UInt8]]) -> TurnReport.End = { order, _ in
        .finished(TurnResult(reply: order.envelope.message.body))
    }
    /// What hosts keep of the actors they run.
    var hostStates: [ActivationID: [[UInt8]: [UInt8]]] = [:]

    init(
        replicas: Int = 1, kinds: TestKinds = TestKinds(), limits: LeadLimits = LeadLimits(),
        partition: Partition = Partition(index: 0), placement: Placement = .onePartition, seed: UInt64 = 1
    ) {
        self.kinds = kinds
        self.limits = limits
        self.placement = placement
        self.partition = partition
        self.lastSeed = seed
        for number in 0..<replicas {
            self.nodes.append(Node(replica: TestReplica(partition: partition), lead: self.newLead(number)))
        }
    }

    private func newLead(_ number: Int) -> PartitionLead {
        self.lastSeed += 1
        return PartitionLead(
            partition: self.partition, placement: self.placement, host: Self.host(number), kinds: self.kinds,
            schedules: TestSchedules(), limits: self.limits, seed: self.lastSeed)
    }

    static func host(_ number: Int, boot: UInt64 = 1) -> Host {
        Host(node: NodeID(high: 0, low: UInt64(number) + 1), boot: boot)
    }

    // MARK: The log

    /// A node leads: entries that are not committed may be lost, as many as one says, and its no-op follows the others.
    func elect(_ node: Int, losing lost: Int = 0, everywhere: Bool = true) {
        if let old = self.leader, self.nodes[old].isUp { self.step(old, .resigned) }
        self.leader = nil
        for _ in 0..<min(lost, self.log.count - self.committed) {
            self.log.removeLast()
            if let (proposer, proposal) = self.proposers.removeValue(forKey: self.log.count + 1),
                self.nodes[proposer].isUp
            {
                self.step(proposer, .unresolved(proposal, isLost: true))
            }
        }
        self.term += 1
        self.leader = node
        self.append(.noop, [])
        self.commit(on: everywhere ? nil : [node])
        self.step(node, .ready)
    }

    private func append(_ kind: LogEntry.Kind, _ payload: [UInt8]) {
        self.log.append(LogEntry(index: UInt64(self.log.count) + 1, term: self.term, kind: kind, payload: payload))
    }

    /// An entry of somebody else's, committed at once.
    func inject(_ commands: [PartitionCommand]) {
        self.append(
            .command,
            CommandBatch(incarnation: self.incarnation, elapsed: 0, wallClock: 0, commands: commands).encoded())
        self.commit()
    }

    /// Commits what is in the log and applies it everywhere, or on the leader alone.
    func commit(_ count: Int = .max, on nodes: [Int]? = nil) {
        self.committed += min(count, self.log.count - self.committed)
        for node in nodes ?? Array(self.nodes.indices) { self.apply(on: node) }
    }

    func apply(on number: Int, through limit: Int = .max) {
        let end = min(self.committed, limit)
        guard self.nodes[number].isUp, self.nodes[number].applied < end else { return }
        let entries = Array(self.log[self.nodes[number].applied..<end])
        self.nodes[number].applied = end
        do {
            let outcomes = try self.nodes[number].replica.apply(entries)
            for (entry, outcome) in zip(entries, outcomes) {
                var proposal: UInt64?
                if let proposer = self.proposers[Int(entry.index)], proposer.node == number {
                    proposal = proposer.proposal
                    self.proposers[Int(entry.index)] = nil
                }
                self.step(number, .applied(entry.position, outcome, proposal: proposal))
            }
        } catch {
            Issue.record("an entry cannot be applied: \(error)")
        }
    }

    // MARK: Steps

    private func context(_ number: Int) -> LeadContext {
        let leads = self.leader == number
        return LeadContext(
            group: GroupID(UInt32(self.partition.index) + 1), incarnation: self.incarnation, now: self.now,
            wall: UInt64(Int64(self.wall) + self.clockError), term: self.term, isLeading: leads,
            leader: self.leader.map { ReplicaID(node: Self.host($0).node, addedAt: 0) },
            leaseEnd: leads && self.hasLease ? self.now + .milliseconds(100) : nil, agreedWall: self.wall)
    }

    func step(_ number: Int, _ input: LeadInput<EntryOutcome, PartitionRequest>) {
        var effects = LeadEffects<PartitionOutput>()
        self.nodes[number].lead.step(
            input, over: self.nodes[number].replica.state, in: self.context(number), into: &effects)
        self.perform(effects, of: number)
    }

    func request(_ request: PartitionRequest, on number: Int? = nil) {
        self.step(number ?? self.leader ?? 0, .request(request))
    }

    /// Ends the leader's turn of the loop.
    func flush() {
        guard let leader = self.leader else { return }
        var effects = LeadEffects<PartitionOutput>()
        self.nodes[leader].lead.flush(
            over: self.nodes[leader].replica.state, in: self.context(leader), into: &effects)
        self.perform(effects, of: leader)
    }

    /// Until nothing moves by itself any more; hosts and other partitions are not heard.
    func settle() {
        for _ in 0..<10_000 {
            let before = self.log.count
            self.flush()
            self.commit()
            if let leader = self.leader, self.nodes[leader].lead.nextWake <= self.now { self.step(leader, .wake) }
            self.flush()
            if self.log.count == before, self.committed == before,
                (self.leader.map { self.nodes[$0].lead.nextWake } ?? .distantFuture) > self.now
            {
                return
            }
        }
        Issue.record("it does not settle")
    }

    /// Time passes, in steps that let timers go off.
    func pass(_ duration: Duration) {
        let end = self.now + duration
        while self.now < end {
            let next = self.leader.map { self.nodes[$0].lead.nextWake } ?? .distantFuture
            let until = min(max(next, self.now + .milliseconds(1)), end)
            self.wall += UInt64((until - self.now).nanoseconds / 1_000_000)
            self.now = until
            if let leader = self.leader { self.step(leader, .wake) }
            self.settle()
        }
    }

    private func perform(_ effects: LeadEffects<PartitionOutput>, of number: Int) {
        for proposal in effects.proposals { self.propose(proposal, by: number) }
        for read in effects.reads {
            if self.holdsReads {
                self.heldReads.append((number, read.id, read.reads))
            } else {
                self.answer(read.id, read.reads, on: number)
            }
        }
        for confirmation in effects.confirmations { self.confirmations.append((number, confirmation)) }
        for output in effects.outputs { self.perform(output, of: number) }
    }

    private func propose(_ proposal: LeadEffects<PartitionOutput>.Proposal, by number: Int) {
        guard self.leader == number else { return self.step(number, .refused(proposal.id, .notLeader(nil))) }
        if self.refusesProposals { return self.step(number, .refused(proposal.id, .overloaded)) }
        self.append(.command, proposal.payload)
        self.proposers[self.log.count] = (number, proposal.id)
        self.step(number, .accepted(proposal.id, LogPosition(index: UInt64(self.log.count), term: self.term)))
    }

    /// A quorum has answered a round that began before.
    func confirm() {
        let confirmations = self.confirmations
        self.confirmations = []
        for confirmation in confirmations { self.step(confirmation.node, .confirmed(confirmation.number)) }
    }

    func answer(_ id: UInt64, _ reads: [StateRead], on number: Int) {
        let disk = self.nodes[number].replica.disk
        self.step(number, .read(id, reads.map { disk.read($0) }))
    }

    func answerReads() {
        let held = self.heldReads
        self.heldReads = []
        for read in held { self.answer(read.number, read.reads, on: read.node) }
    }

    private func perform(_ output: PartitionOutput, of number: Int) {
        switch output {
        case .answer(let requester, let answer): self.answers.append((requester, answer))
        case .run(let order, let host): self.run(order, on: host, for: number)
        case .release(let id, _, _):
            self.released.append(id)
            self.hostStates[id] = nil
            self.hosted.removeAll { $0.order.activation == id }
        case .place(let query): self.queries.append(query)
        case .check(let id, _, let order, let host): self.checks.append((id, order, host))
        case .deliver(let delivery, let destination): self.deliveries.append((delivery, destination))
        case .deliveryAnswer(let answer, let route): self.deliveryAnswers.append((answer, route))
        case .events(_, let events): self.events += events
        case .noted(let note): self.notes.append(note)
        case .drained: self.drained += 1
        }
    }

    private func run(_ order: TurnOrder, on host: Host, for number: Int) {
        let run = Run(node: number, order: order, host: host)
        self.runs.append(run)
        if let state = order.state {
            self.hostStates[order.activation] = Dictionary(uniqueKeysWithValues: state.map { ($0.key, $0.value) })
        }
        guard (try? self.kinds.kind(of: order.path))?.isInline == true else { return self.hosted.append(run) }
        self.finish(run)
    }

    /// The host runs the turn and reports.
    func finish(_ run: Run, _ end: TurnReport.End? = nil) {
        self.hosted.removeAll { $0.order.activation == run.order.activation && $0.order.number == run.order.number }
        var state = self.hostStates[run.order.activation] ?? [:]
        let end = end ?? self.handler(run.order, &state)
        self.hostStates[run.order.activation] = state
        guard self.nodes[run.node].isUp else { return }
        self.step(run.node, .request(.turn(TurnReport(run.order.activation, number: run.order.number, end))))
    }

    /// The process of a node ends, and another begins on its disk.
    func crash(_ number: Int) {
        self.nodes[number].isUp = false
        if self.leader == number { self.leader = nil }
        self.hosted.removeAll { $0.node == number }
        self.heldReads.removeAll { $0.node == number }
        self.confirmations.removeAll { $0.node == number }
        for (index, proposer) in self.proposers where proposer.node == number { self.proposers[index] = nil }
    }

    func restart(_ number: Int) {
        do { try self.nodes[number].replica.restart() } catch { Issue.record("it does not start again: \(error)") }
        self.nodes[number].lead = self.newLead(number)
        self.nodes[number].isUp = true
    }
}

extension TestDisk {
    func read(_ read: StateRead) -> [StorageEntry] {
        switch read {
        case .key(let key): return self[key].map { [StorageEntry(key: key, value: $0)] } ?? []
        case .range(let prefix, let start, let limit, let bytesMax):
            var entries: [StorageEntry] = []
            var bytes = 0
            for (key, value) in self.range(prefix) where !key.lexicographicallyPrecedes(start) {
                guard entries.count < limit, bytes < bytesMax else { break }
                entries.append(StorageEntry(key: key, value: value))
                bytes += key.count + value.count
            }
            return entries
        }
    }
}

extension Placement {
    /// Every path is in partition 0.
    static var onePartition: Placement { Placement(cluster: ClusterID(high: 1, low: 2), partitions: 1) }
}
