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
    }

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

    /// Its turns are over: somebody else may lead.
    func drained(_ group: GroupID) {
        guard let partition = FirstGroups.partition(of: group), let lane = self.lane(of: partition) else { return }
        lane.driver.submit(.command(0, group, .transfer(to: nil)))
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

    func done(_ id: UInt64, _ result: GroupCommandResult) { if id != 0 { self.commandDone(id, result) } }
}
