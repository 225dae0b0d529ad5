internal import Logging
internal import MeshCore
internal import Synchronization

/// What the services of a node's shards reach of each other and of the node; it is complete once the node is put together.
final class PartitionSurroundings: Sendable {
    typealias Driver = ShardDriver<PartitionLead>

    /// One shard and what stands around it.
    struct Lane: Sendable {
        var driver: Driver
        var service: PartitionService
    }

    private struct Parts: Sendable {
        var lanes: [Lane] = []
        var hosting: Hosting?
        var refusal: MeshError?
        /// Who shall lead groups whose turns are coming to an end here.
        var heirs: [GroupID: ReplicaID] = [:]
        var isStopping = false
        /// What operators want of leads here, until it is answered.
        var operations: [UInt64: @Sendable (PartitionAnswer) -> Void] = [:]
        var lastOperation = PartitionSurroundings.operation
        /// Groups that nobody took when this node was to stop: how often, and since when.
        var untaken: [GroupID: (tries: Int, since: Instant)] = [:]
    }

    /// For turns that are under way when leadership is to go to another; what takes longer begins anew there.
    private static let handoverGrace = Duration.milliseconds(100)
    private static let offersMax = 3
    private static let offerPause = Duration.milliseconds(200)
    private static let operationsMax = 1_024
    /// Numbers of operations count up from here: routers never get so far.
    private static let operation: UInt64 = 1 << 63
    /// Numbers of commands that hand over, with the group in the low bits; all others are counted up from 1.
    private static let handover: UInt64 = 1 << 60

    private let parts = Mutex(Parts())
    private let network: any PeerNetwork
    private let clock: @Sendable () -> Moment
    /// To a door of this node.
    let answer: @Sendable (UInt64, Answer) -> Void
    /// A command to a group is done.
    private let commandDone: @Sendable (UInt64, GroupCommandResult) -> Void
    private let logger: Logger

    init(
        network: any PeerNetwork, logger: Logger, clock: @escaping @Sendable () -> Moment,
        answer: @escaping @Sendable (UInt64, Answer) -> Void,
        done: @escaping @Sendable (UInt64, GroupCommandResult) -> Void
    ) {
        self.network = network
        self.logger = logger
        self.clock = clock
        self.answer = answer
        self.commandDone = done
    }

    func connect(_ lanes: [Lane], hosting: Hosting) {
        self.parts.withLock { parts in
            parts.lanes = lanes
            parts.hosting = hosting
        }
    }

    /// Why leaders here take no durable message at present, if they take none. Ephemeral ones need nothing of what is short.
    var refusal: MeshError? {
        get { self.parts.withLock { $0.refusal } }
        set { self.parts.withLock { $0.refusal = newValue } }
    }

    var lanes: [Lane] { self.parts.withLock { $0.lanes } }
    var hosting: Hosting? { self.parts.withLock { $0.hosting } }

    /// A partition belongs to the same shard for as long as the process lives.
    func lane(of partition: Partition) -> Lane? {
        self.parts.withLock { parts in
            parts.lanes.isEmpty ? nil : parts.lanes[Int(partition.index) % parts.lanes.count]
        }
    }

    func service(of partition: Partition) -> PartitionService? { self.lane(of: partition)?.service }

    /// Why this request is not taken here, whoever leads.
    func refusal(of request: PartitionRequest) -> MeshError? {
        guard case .message(let message) = request, message.delivery == .durable else { return nil }
        return self.refusal
    }

    /// False if it was not taken.
    func submit(_ request: PartitionRequest, to partition: Partition) -> Bool {
        guard let lane = self.lane(of: partition) else { return false }
        if case .taken = lane.driver.submit(.request(FirstGroups.group(of: partition), request)) { return true }
        return false
    }

    func submitToAll(_ request: PartitionRequest) {
        for lane in self.lanes {
            for group in lane.driver.inspect({ $0.groups }) { lane.driver.submit(.request(group, request)) }
        }
    }

    func send(_ frame: PartitionFrame, number: UInt64, to node: NodeID) -> Bool {
        let body = frame.encoded(at: self.clock().wall)
        let sent = self.network.send([PeerFrame(kind: .partition, correlation: number, body: body)], to: node)
        if case .queued = sent { return true }
        return false
    }

    /// As planned: turns under way come to their end, and others begin at the heir.
    func handOver(_ group: GroupID, to heir: ReplicaID) {
        guard let partition = FirstGroups.partition(of: group), let lane = self.lane(of: partition) else { return }
        let isNew = self.parts.withLock { $0.heirs.updateValue(heir, forKey: group) == nil }
        let end = self.clock().now + Self.handoverGrace
        if isNew { lane.driver.submit(.request(group, .drain(by: end))) }
    }

    /// The node is about to stop: what is handed over is not taken back if nobody takes it.
    func stopHandingBack() { self.parts.withLock { $0.isStopping = true } }

    /// Its turns are over: somebody else may lead.
    func drained(_ group: GroupID) {
        guard let partition = FirstGroups.partition(of: group), let lane = self.lane(of: partition) else { return }
        let heir = self.parts.withLock { $0.heirs.removeValue(forKey: group) }
        lane.driver.submit(.command(Self.handover | UInt64(group.number), group, .transfer(to: heir)))
    }

    /// Nobody took it: turns go on here, unless the node stops; then it is tried again.
    private func notHandedOver(_ group: GroupID, because reason: Raft.Rejection) {
        if case .notLeader = reason { return }
        guard let partition = FirstGroups.partition(of: group) else { return }
        let now = self.clock().now
        let isStopping = self.parts.withLock { parts in
            if parts.isStopping { parts.untaken[group] = ((parts.untaken[group]?.tries ?? 0) + 1, now) }
            return parts.isStopping
        }
        if !isStopping { _ = self.submit(.resume, to: partition) }
    }

    /// Offers once more, after a pause, what nobody took. Returns which groups were offered in vain often enough: their
    /// other voters are dead, or too far behind.
    func offerAgain() -> Set<GroupID> {
        let now = self.clock().now
        let (again, hopeless) = self.parts.withLock { parts in
            let again = parts.untaken.filter {
                $0.value.tries < Self.offersMax && $0.value.since + Self.offerPause <= now
            }.map(\.key)
            for group in again { parts.untaken[group]?.since = .distantFuture }
            return (again, Set(parts.untaken.filter { $0.value.tries >= Self.offersMax }.keys))
        }
        for group in again { self.drained(group) }
        return hopeless
    }

    /// An operator's command for the lead of a partition here; `done` is called once, unless this node stops.
    func operate(
        _ command: DeadLetterCommand, in partition: Partition, done: @escaping @Sendable (PartitionAnswer) -> Void
    ) {
        let full = MeshError(
            .overloaded, "more is asked of dead letters than this node does at a time", retryAfter: .seconds(1))
        let number = self.parts.withLock { parts -> UInt64? in
            guard parts.operations.count < Self.operationsMax else { return nil }
            parts.lastOperation += 1
            parts.operations[parts.lastOperation] = done
            return parts.lastOperation
        }
        guard let number else { return done(.refused(full)) }
        let requester = Requester(node: nil, number: number)
        if !self.submit(.deadLetters(command, requester), to: partition) { _ = self.operated(number, .refused(full)) }
    }

    /// False: the number is that of something else.
    func operated(_ number: UInt64, _ answer: PartitionAnswer) -> Bool {
        guard number > Self.operation else { return false }
        self.parts.withLock { $0.operations.removeValue(forKey: number) }?(answer)
        return true
    }

    func note(_ note: LeadNote) {
        switch note {
        case .retried(let path, let id, let attempts, let reason):
            self.logger.warning(
                "a turn failed; its message is tried again",
                metadata: ["path": "\(path)", "message": "\(id)", "attempt": "\(attempts)", "reason": "\(reason)"])
        case .deadLetter(let path, let id, let reason):
            self.logger.error(
                "a message failed too often; it is a dead letter now",
                metadata: ["path": "\(path)", "message": "\(id)", "reason": "\(reason)"])
        }
    }

    func done(_ id: UInt64, _ result: GroupCommandResult) {
        if id & Self.handover != 0 {
            if case .rejected(let reason) = result {
                self.notHandedOver(GroupID(UInt32(truncatingIfNeeded: id)), because: reason)
            }
        } else if id != 0 {
            self.commandDone(id, result)
        }
    }
}
