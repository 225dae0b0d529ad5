internal import Logging
internal import MeshCore
internal import Synchronization

/// Stands between the shard of the meta group and the rest of the node: hands the group's leader its duties, carries reports
/// to it from the leaders of partitions here, and takes its orders to them.
final class MetaService: ShardService {
    typealias Lead = CommandLead<MetaState>
    typealias Request = Lead.Request
    typealias Output = Lead.Output

    struct State: Sendable {
        var keeper: MetaKeeper
        var vote: FoundingVote
        /// Groups are here, or were heard of.
        var isFounded = false
        var members: [MeshMember] = []
        /// As far as it is known here.
        var leader: NodeID?
        var isLeading = false
        /// A proposal is under way: the state will soon be another.
        var proposal: UInt64?
        var lastNumber: UInt64 = 0
        /// Of operators, by the numbers of their proposals.
        var wishes: [UInt64: @Sendable (MetaOutcome?) -> Void] = [:]
        var reported: [GroupReport] = []
        var reportedAt = Instant(nanoseconds: 0)
        /// What the shards were told last.
        var told: [Partition: [NodeID]] = [:]
        var isStopped = false
    }

    /// How often it is looked what is to be done, and how often reports go out though nothing has changed.
    private static let interval = Duration.milliseconds(500)
    private static let reportInterval = Duration.seconds(10)

    let local: NodeID
    let state: Mutex<State>
    let driver = Mutex<ShardDriver<Lead>?>(nil)
    let surroundings: PartitionSurroundings
    let storage: any Storage
    /// This node is to begin the groups of the mesh.
    let chosen: @Sendable () -> Void
    private let founders: Int?
    let executor: any ShardExecutor
    private let network: any PeerNetwork
    let clock: @Sendable () -> Moment
    private let logger: Logger
    private let commandDone: @Sendable (UInt64, GroupCommandResult) -> Void

    init(
        _ configuration: PartitionNode.Configuration, storage: any Storage, network: any PeerNetwork,
        surroundings: PartitionSurroundings, logger: Logger, chosen: @escaping @Sendable () -> Void,
        done: @escaping @Sendable (UInt64, GroupCommandResult) -> Void
    ) {
        let local = configuration.local
        self.local = local
        self.founders = configuration.founders
        self.state = Mutex(
            State(
                keeper: MetaKeeper(local: local, placement: configuration.placement),
                vote: FoundingVote(local: local, founders: configuration.founders)))
        self.executor = configuration.executors[0]
        self.storage = storage
        self.chosen = chosen
        self.network = network
        self.surroundings = surroundings
        self.logger = logger
        self.clock = configuration.clock
        self.commandDone = done
    }

    /// - Parameter promise: whom this node gave its word to in an earlier life.
    func start(_ driver: ShardDriver<Lead>, promise: NodeID?) {
        self.driver.withLock { $0 = driver }
        self.state.withLock {
            $0.vote = FoundingVote(local: self.local, founders: self.founders, promise: promise)
        }
        self.look()
    }

    func stop() { self.state.withLock { $0.isStopped = true } }
    func members(_ members: [MeshMember]) { self.state.withLock { $0.members = members } }

    /// The state of the meta group as this node has it; nil if it has none.
    var metaState: MetaState? {
        self.driver.withLock { $0 }?.inspect { $0.state(of: FirstGroups.meta) }
    }
    var leader: NodeID? { self.state.withLock { $0.leader } }
    var short: [Partition: Int] { self.state.withLock { $0.keeper.short } }

    // MARK: Looking after the mesh

    /// Now and then, on the executor of the meta group, between its turns.
    private func look() {
        guard !self.state.withLock({ $0.isStopped }) else { return }
        defer {
            self.executor.execute(at: self.clock().now + Self.interval) { [weak self] in self?.look() }
        }
        guard self.isFounded else { return self.seekFounding() }
        let reports = self.surroundings.lanes.flatMap { $0.driver.inspect { $0.reports } }
        self.forgetOrders(besides: reports)
        let now = self.clock().now
        guard let driver = self.driver.withLock({ $0 }) else { return }
        if self.state.withLock({ $0.isLeading }), let meta = self.metaState, let voters = driver.inspect(Self.voters) {
            self.keep(reports, meta, voters: voters, driver, at: now)
        } else {
            self.report(reports, at: now)
        }
    }

    static func voters(_ shard: borrowing Shard<Lead>) -> [NodeID]? {
        shard.raft(of: FirstGroups.meta)?.replicas.voters.map(\.node)
    }

    private func keep(
        _ reports: [GroupReport], _ meta: MetaState, voters: [NodeID], _ driver: ShardDriver<Lead>, at now: Instant
    ) {
        let (duties, orders, proposal) = self.state.withLock {
            state -> (MetaKeeper.Duties, [NodeID: [PlacementOrder]], UInt64?) in
            state.keeper.received(reports, at: now)
            let duties = state.keeper.duties(meta, members: state.members, voters: voters, at: now)
            var orders = state.keeper.news(meta, at: now)
            orders[self.local] = state.keeper.orders(for: reports, meta)
            guard !duties.commands.isEmpty, state.proposal == nil else { return (duties, orders, nil) }
            state.lastNumber += 1
            state.proposal = state.lastNumber
            return (duties, orders, state.lastNumber)
        }
        if !duties.metaVoters.isEmpty { driver.submit(.place(FirstGroups.meta, duties.metaVoters)) }
        for (node, orders) in orders {
            if node == self.local { self.obey(orders) } else { self.send(.orders(orders), to: node) }
        }
        if let heir = duties.heir { self.handOver(to: heir, driver) }
        guard let proposal else { return }
        let entry = MetaEntry(at: self.clock().wall, duties.commands)
        if case .full = driver.submit(.request(FirstGroups.meta, .command(proposal, entry.encoded()))) {
            self.state.withLock { $0.proposal = nil }
        }
    }

    private func handOver(to heir: NodeID, _ driver: ShardDriver<Lead>) {
        let replica = driver.inspect { shard in
            shard.raft(of: FirstGroups.meta)?.replicas.voters.first { $0.node == heir }
        }
        if let replica { driver.submit(.command(0, FirstGroups.meta, .transfer(to: replica))) }
    }

    /// To the leader of the meta group, or to anybody who may know it.
    private func report(_ reports: [GroupReport], at now: Instant) {
        let node = self.state.withLock { state -> NodeID? in
            let isDue = now >= state.reportedAt + Self.reportInterval
            guard !reports.isEmpty, isDue || reports != state.reported else { return nil }
            let others = state.members.filter { $0.isAlive && $0.id != self.local }.map(\.id)
            guard let node = state.leader ?? others.randomElement(), node != self.local else { return nil }
            state.reported = reports
            state.reportedAt = now
            return node
        }
        if let node { self.send(.report(reports), to: node) }
    }

    func send(_ frame: PlacementFrame, to node: NodeID) {
        _ = self.network.send([PeerFrame(kind: .placement, body: frame.encoded())], to: node)
    }

    /// Whoever leads again later must not bring replicas to where they were wanted in an earlier time.
    private func forgetOrders(besides reports: [GroupReport]) {
        let led = Set(reports.map(\.partition))
        let gone = self.state.withLock { state in
            let gone = state.told.keys.filter { !led.contains($0) }.sorted()
            for partition in gone { state.told[partition] = nil }
            return gone
        }
        for partition in gone {
            self.surroundings.lane(of: partition)?.driver.submit(.place(FirstGroups.group(of: partition), []))
        }
    }

    private func obey(_ orders: [PlacementOrder]) {
        for order in orders {
            guard let lane = self.surroundings.lane(of: order.partition) else { return }
            let group = FirstGroups.group(of: order.partition)
            let isNew = self.state.withLock {
                $0.told.updateValue(order.voters, forKey: order.partition) != order.voters
            }
            if isNew { lane.driver.submit(.place(group, order.voters)) }
            if let heir = order.heir, heir.node != self.local { self.surroundings.handOver(group, to: heir) }
        }
    }

    // MARK: Frames

    func received(_ frame: PlacementFrame, from node: NodeID) {
        switch frame {
        case .report(let reports):
            guard self.state.withLock({ $0.isLeading }), let meta = self.metaState, meta.isFounded else {
                let leader = self.state.withLock { $0.leader }
                return self.send(.elsewhere(leader == node ? nil : leader), to: node)
            }
            let now = self.clock().now
            // Only of what the sender itself leads.
            let own = reports.filter { $0.leader.node == node }
            let orders = self.state.withLock { state in
                state.keeper.received(own, at: now)
                return state.keeper.orders(for: own, meta)
            }
            self.send(.orders(orders), to: node)
        case .orders(let orders):
            guard self.state.withLock({ $0.leader == nil || $0.leader == node }) else { return }
            self.noteFounding()
            self.obey(orders)
        case .elsewhere(let leader):
            self.state.withLock { state in
                state.leader = leader == self.local ? nil : leader
                // Again, at the next look.
                state.reported = []
            }
            if leader != nil { self.noteFounding() }
        case .mayFound:
            if self.isFounded { self.vote(.founded) }
            self.vote(.asked(by: node))
        case .foundingAnswer(let answer):
            if answer == .founded { self.noteFounding() }
            self.vote(.answered(answer, by: node))
        }
    }

    // MARK: The shard

    func perform(_ outputs: [(group: GroupID, output: Output)]) -> [ShardInput<Request>] {
        for (_, output) in outputs {
            switch output {
            case .applied(let id, _, let outcomes):
                self.ended(id, outcomes.first)
                for case .refused(let error) in outcomes {
                    self.logger.warning("the mesh refuses what its keeper wanted", metadata: ["reason": "\(error)"])
                }
            case .refused(let id, _), .unresolved(let id, _): self.ended(id)
            case .values: break
            }
        }
        return []
    }

    private func ended(_ id: UInt64, _ outcome: MetaOutcome? = nil) {
        self.state.withLock { if $0.proposal == id { $0.proposal = nil } }
        self.granted(id, outcome)
    }

    func strayed(_ requests: [(group: GroupID, request: Request)]) {
        for case (_, .command(let id, _)) in requests { self.ended(id) }
    }

    func changed(_ roles: [ShardTurn<Request, Output>.RoleChange]) {
        for change in roles {
            self.state.withLock { state in
                state.isLeading = change.role == .leader
                state.leader = state.isLeading ? self.local : change.leader?.node
                state.reported = []
                if !state.isLeading { state.proposal = nil }
            }
        }
    }

    func done(_ results: [(id: UInt64, result: GroupCommandResult)]) {
        for (id, result) in results { self.commandDone(id, result) }
    }
}

extension Shard where Lead == PartitionLead {
    /// Of the groups that are led here, in order.
    var reports: [GroupReport] {
        self.groups.compactMap { group in
            guard let partition = FirstGroups.partition(of: group), let replica = self.replicas[group],
                replica.raft.isReady
            else { return nil }
            let totals = replica.state.totals
            return GroupReport(
                partition: partition, leader: replica.raft.id, replicas: replica.raft.replicas,
                caughtUp: replica.raft.replicas.learners.filter { replica.raft.hasCaughtUp($0) },
                // Roughly what a new replica is sent, in steps, so that not every message makes a report; actors' values are
                // not counted.
                byteCount: ((totals.messageBytes + totals.timerBytes + UInt64(replica.raft.log.bytes)) >> 20) << 20)
        }
    }
}
