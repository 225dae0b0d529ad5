internal import Logging
package import MeshCore
internal import Synchronization

/// The replicated partitions of a node: its shards, what stands around them, and the group that places them.
///
/// Order of use: `init`, `recover`, `run` for as long as the node lives; `shutdown` ends `run`.
package final class PartitionNode: Sendable {
    package struct Configuration: Sendable {
        package var local: NodeID
        package var boot: UInt64
        package var placement: Placement
        /// How many nodes make the mesh, if it has no creator and its token says so.
        package var founders: Int?
        /// One for the meta group and the heartbeats, and one for each shard of partitions.
        package var executors: [any ShardExecutor]
        package var clock: @Sendable () -> Moment
        package var seed: UInt64
        package var shard = ShardSettings()
        package var limits = LeadLimits()

        package init(
            local: NodeID, boot: UInt64, placement: Placement, founders: Int? = nil,
            executors: [any ShardExecutor], seed: UInt64, clock: @escaping @Sendable () -> Moment
        ) {
            precondition(executors.count > 1, "\(executors.count) executors for the meta group and at least one shard")
            self.local = local
            self.boot = boot
            self.placement = placement
            self.founders = founders
            self.executors = executors
            self.seed = seed
            self.clock = clock
            self.shard.groups = placement.partitions + 1
        }
    }

    typealias MetaDriver = ShardDriver<CommandLead<MetaState>>

    let configuration: Configuration
    let surroundings: PartitionSurroundings
    let meta: MetaService
    let metaDriver: MetaDriver
    let hosting: Hosting
    var hosted: HostedTurns { self.hosting.hosted }
    let results: CommandResults
    private let tally: PartitionTally
    let storage: any Storage & GroupStorage
    /// Yields when this node is to begin the groups of the mesh.
    let chosen: AsyncStream<Void>
    private let frames: GroupFrames
    private let heartbeats: HeartbeatDriver
    private let malformed = Atomic<Int>(0)
    let logger: Logger

    /// - Parameter answer: takes what becomes of requests, under the numbers that they were made with.
    init(
        _ configuration: Configuration, storage: any Storage & GroupStorage, network: any PeerNetwork,
        definitions: any DefinitionRegistry, handlers: any ActorHandlers, runtime: RuntimeConfiguration,
        metrics: RuntimeMetrics, logger: Logger, answer: @escaping @Sendable (UInt64, Answer) -> Void
    ) {
        let results = CommandResults()
        let surroundings = PartitionSurroundings(
            network: network, logger: logger, clock: configuration.clock, answer: answer,
            done: { results.done($0, $1) })
        let kinds = RegisteredKinds(definitions: definitions)
        self.configuration = configuration
        self.tally = PartitionTally(metrics)
        self.storage = storage
        self.surroundings = surroundings
        self.results = results
        self.logger = logger
        let hosted = HostedTurns(
            host: Host(node: configuration.local, boot: configuration.boot), kinds: kinds, handlers: handlers,
            configuration: runtime, metrics: metrics, logger: logger, clock: configuration.clock
        ) { frame, group, node in
            surroundings.hosting?.send(frame, of: group, to: node)
        }
        self.hosting = Hosting(
            local: configuration.local, hosted: hosted, kinds: kinds, network: network, clock: configuration.clock,
            submit: { _ = surroundings.submit($0, to: $1) }, submitToAll: { surroundings.submitToAll($0) })
        let hub = LateHeartbeats()
        let lanes = Self.lanes(configuration, storage, network, kinds, surroundings, hub)
        let (chosen, choose) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
        self.chosen = chosen
        self.meta = MetaService(
            configuration, storage: storage, network: network, surroundings: surroundings, logger: logger,
            chosen: { choose.yield() }, done: { results.done($0, $1) })
        let metaDriver = Self.metaDriver(configuration, storage, network, self.meta, hub)
        self.metaDriver = metaDriver
        let count = lanes.count
        let shardOf: @Sendable (GroupID) -> ShardID = { Self.shard(of: $0, count: count) }
        self.heartbeats = HeartbeatDriver(
            HeartbeatHub(
                boot: configuration.boot, shards: (0...count).map(ShardID.init), shardOf: shardOf),
            executor: configuration.executors[0], network: network, clock: configuration.clock
        ) { shard, question in
            if shard.number == 0 {
                metaDriver.submit(.heartbeat(question))
            } else {
                lanes[shard.number - 1].driver.submit(.heartbeat(question))
            }
        }
        hub.connect(self.heartbeats)
        self.frames = GroupFrames(shardOf: shardOf) { shard, messages, node in
            if shard.number == 0 {
                metaDriver.submit(.messages(messages, from: node))
            } else {
                lanes[shard.number - 1].driver.submit(.messages(messages, from: node))
            }
        } heartbeats: {
            hub.submit(.frame($0, from: $1))
        }
        surroundings.connect(lanes, hosting: self.hosting)
    }

    /// The meta group has a shard of its own.
    static func shard(of group: GroupID, count: Int) -> ShardID {
        guard let partition = FirstGroups.partition(of: group) else { return ShardID(0) }
        return ShardID(1 + Int(partition.index) % count)
    }

    private static func lanes(
        _ configuration: Configuration, _ storage: any GroupStorage, _ network: any PeerNetwork,
        _ kinds: RegisteredKinds, _ surroundings: PartitionSurroundings, _ hub: LateHeartbeats
    ) -> [PartitionSurroundings.Lane] {
        let count = configuration.executors.count - 1
        let host = Host(node: configuration.local, boot: configuration.boot)
        return (0..<count).map { index in
            let executor = configuration.executors[index + 1]
            let service = PartitionService(
                PartitionRouter(
                    local: configuration.local, index: index, of: count, seed: configuration.seed &+ UInt64(index)),
                local: configuration.local, executor: executor, surroundings: surroundings, clock: configuration.clock)
            let driver = ShardDriver<PartitionLead>(
                {
                    Shard(
                        node: configuration.local, life: configuration.boot, settings: configuration.shard,
                        makers: Self.makers(configuration, host, kinds),
                        seed: configuration.seed &+ 1_000 &+ UInt64(index))
                }, executor: executor, storage: storage, network: network, service: service,
                clock: configuration.clock, heartbeats: { hub.submit(.shard(ShardID(index + 1), $0)) })
            return PartitionSurroundings.Lane(driver: driver, service: service)
        }
    }

    private static func makers(
        _ configuration: Configuration, _ host: Host, _ kinds: RegisteredKinds
    ) -> Shard<PartitionLead>.Makers {
        Shard<PartitionLead>.Makers(
            state: { PartitionState(partition: Self.partition(of: $0)) },
            lead: { group, seed in
                PartitionLead(
                    partition: Self.partition(of: group), placement: configuration.placement, host: host, kinds: kinds,
                    schedules: CronSchedules(), limits: configuration.limits, seed: seed)
            })
    }

    private static func partition(of group: GroupID) -> Partition {
        guard let partition = FirstGroups.partition(of: group) else {
            preconditionFailure("the meta group is no partition")
        }
        return partition
    }

    private static func metaDriver(
        _ configuration: Configuration, _ storage: any GroupStorage, _ network: any PeerNetwork,
        _ service: MetaService, _ hub: LateHeartbeats
    ) -> MetaDriver {
        MetaDriver(
            {
                Shard(
                    node: configuration.local, life: configuration.boot, settings: configuration.shard,
                    makers: .init(state: { _ in MetaState() }, lead: { _, _ in CommandLead() }),
                    seed: configuration.seed &+ 999)
            }, executor: configuration.executors[0], storage: storage, network: network, service: service,
            clock: configuration.clock, heartbeats: { hub.submit(.shard(ShardID(0), $0)) })
    }

    // MARK: Life

    /// Takes up what the disk holds, after making sure that it holds nothing of the format before.
    package func recover() async throws {
        try await OldMailboxes.refuse(in: self.storage)
        let found = try await withCheckedThrowingContinuation { continuation in
            self.storage.recover { continuation.resume(with: $0) }
        }
        let count = self.surroundings.lanes.count
        self.metaDriver.recover(found.filter { Self.shard(of: $0.group, count: count).number == 0 })
        for (index, lane) in self.surroundings.lanes.enumerated() {
            lane.driver.recover(found.filter { Self.shard(of: $0.group, count: count).number == index + 1 })
        }
        self.meta.start(self.metaDriver, promise: try await Founding.promise(in: self.storage))
        let isBegun = try await Founding.isBegun(in: self.storage)
        if isBegun { self.meta.noteFounding() }
        for group in found { if case .damaged(let group, let error) = group { self.logDamage(group, error) } }
        let known = Set(found.map(\.group))
        if isBegun, !known.contains(FirstGroups.meta) {
            try await self.createGroups(known)
        }
    }

    private func logDamage(_ group: GroupID, _ error: StorageError) {
        self.logger.error(
            "a group's data are damaged: its replica here stays stopped",
            metadata: ["group": "\(group.number)", "reason": "\(error)"])
    }

    /// Runs programs until `shutdown`, and begins the mesh if this node is chosen to.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.beginWhenChosen() }
            await self.hosted.run()
            group.cancelAll()
        }
    }

    /// Turns end and leadership goes to others, for at most so long; then everybody who waits is told.
    package func shutdown(grace: Duration) async {
        self.meta.stop()
        self.hosted.retire()
        self.surroundings.stopHandingBack()
        let end = self.configuration.clock().now + grace
        for lane in self.surroundings.lanes {
            for group in lane.driver.inspect({ $0.groups }) {
                lane.driver.submit(.request(group, .drain(by: end)))
            }
        }
        self.metaDriver.drain()
        let metaEnd = min(end, self.configuration.clock().now + Self.metaPatience)
        while self.configuration.clock().now < end,
            !self.isDrained(isMetaWaitedFor: self.configuration.clock().now < metaEnd)
        {
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { break }
        }
        self.hosted.close()
        for lane in self.surroundings.lanes { lane.driver.stop() }
        self.metaDriver.stop()
    }

    /// For another voter of the meta group to take it; if all are dead none will.
    private static let metaPatience = Duration.seconds(2)

    private func isDrained(isMetaWaitedFor: Bool) -> Bool {
        let hopeless = self.surroundings.offerAgain()
        let lanes = self.surroundings.lanes
        let led = lanes.reduce(0) { sum, lane in sum + lane.driver.inspect { $0.ledWithOthers(besides: hopeless) } }
        return led == 0 && !self.hosted.isBusy && lanes.allSatisfy { $0.service.load.requests == 0 }
            && (self.metaDriver.isDrained || !isMetaWaitedFor)
    }

    // MARK: The mesh

    package func membersChanged(_ members: [MeshMember]) {
        self.meta.members(members)
        self.hosting.members(members, obstacles: self.obstacles(of: members))
        let reachable = members.filter { if case .dead = $0.health { false } else { true } }.map(\.id)
        for lane in self.surroundings.lanes { lane.service.route(.members(reachable)) }
    }

    func definitionsChanged() {
        self.hosted.definitionsChanged()
        self.surroundings.submitToAll(.kindsChanged)
    }

    /// What the meta group says against members as hosts, as far as this node has it.
    private func obstacles(of members: [MeshMember]) -> [NodeID: Candidate.Obstacle] {
        guard let meta = self.meta.metaState, meta.isFounded else { return [:] }
        return members.reduce(into: [:]) { obstacles, member in
            guard let admitted = meta.member(member.id), !admitted.isEvicted else {
                obstacles[member.id] = .notAdmitted
                return
            }
            if admitted.isDraining { obstacles[member.id] = .draining }
        }
    }

    /// The stream to that node ended: its leaders may be gone, and answers to what was asked there will not come.
    package func disconnected(_ node: NodeID) {
        self.metaDriver.submit(.suspected(node))
        for lane in self.surroundings.lanes {
            lane.driver.submit(.suspected(node))
            lane.service.route(.disconnected(node))
        }
    }

    // MARK: Requests and frames

    /// - Parameter deadline: on the same clock as the configuration's.
    func route(_ number: UInt64, _ letter: Letter, _ delivery: MessageRequest.Delivery, deadline: Instant) {
        let partition = self.configuration.placement.partition(of: letter.path)
        self.surroundings.service(of: partition)?.route(
            .request(
                PartitionRouter.Request(
                    number: number, partition: partition, letter: letter, delivery: delivery, deadline: deadline,
                    isRead: BuiltIn(letter.path)?.onlyReads(letter) ?? false)))
    }

    func leader(of path: ActorPath) -> NodeID? {
        let partition = self.configuration.placement.partition(of: path)
        return self.surroundings.service(of: partition)?.leader(of: partition)
    }

    /// False for a frame that is about something else.
    package func received(_ frame: PeerFrame, from node: NodeID) -> Bool {
        if self.frames.received(frame, from: node) { return true }
        do throws(WireError) {
            switch frame.kind {
            case .partition:
                let body = try PartitionFrame(decoding: frame.body, at: self.configuration.clock().wall)
                self.received(body, number: frame.correlation, from: node)
            case .hosting:
                let (partition, body) = try HostFrame.decode(frame.body)
                guard Int(partition.index) < self.configuration.placement.partitions else {
                    throw WireError(.invalidValue, at: 0)
                }
                self.hosting.received(body, of: FirstGroups.group(of: partition), from: node)
            case .placement: self.meta.received(try PlacementFrame(decoding: frame.body), from: node)
            default: return false
            }
        } catch { self.malformed.add(1, ordering: .relaxed) }
        return true
    }

    /// Brings the counters up to what was counted since.
    func measure() {
        for lane in self.surroundings.lanes {
            for (group, tally) in lane.driver.inspect({ $0.tallies }) { self.tally.note(tally, of: group) }
        }
        self.tally.note(malformed: self.malformedCount)
    }

    /// Frames of other nodes that did not parse or made no sense.
    package var malformedCount: Int {
        self.malformed.load(ordering: .relaxed) + self.frames.malformedCount + self.heartbeats.malformedCount
    }

    private func received(_ frame: PartitionFrame, number: UInt64, from node: NodeID) {
        let requester = Requester(node: node, number: number)
        switch frame {
        case .message(let ask, let partition):
            // A peer that is wrong about the partitions of the mesh will not get better.
            guard self.configuration.placement.partition(of: ask.letter.path) == partition else {
                self.malformed.add(1, ordering: .relaxed)
                return
            }
            let request = MessageRequest(
                requester: requester, letter: ask.letter, session: ask.session, delivery: ask.delivery,
                isRetry: ask.isRetry, patience: ask.patience)
            self.submit(.message(request), to: partition, of: requester)
        case .openSession(let partition): self.submit(.openSession(requester), to: partition, of: requester)
        case .answer(let answer):
            let lanes = self.surroundings.lanes
            guard !lanes.isEmpty else { return }
            lanes[PartitionRouter.index(of: number, count: lanes.count)].service.route(
                .answer(number, answer, from: node))
        case .delivery(let delivery, let partition):
            _ = self.surroundings.submit(.delivery(delivery, from: requester), to: partition)
        case .deliveryAnswer(let answer, let leader):
            if let leader {
                self.surroundings.service(of: answer.destination)?.route(.leader(answer.destination, leader))
            }
            guard number < UInt64(self.configuration.placement.partitions) else {
                self.malformed.add(1, ordering: .relaxed)
                return
            }
            _ = self.surroundings.submit(.delivered(answer), to: Partition(index: UInt16(number)))
        }
    }

    private func submit(_ request: PartitionRequest, to partition: Partition, of requester: Requester) {
        guard Int(partition.index) < self.configuration.placement.partitions, let node = requester.node else {
            self.malformed.add(1, ordering: .relaxed)
            return
        }
        // A short disk of this node is nobody's business who is only passed on.
        if self.surroundings.service(of: partition)?.leads(partition) == true,
            let refusal = self.surroundings.refusal(of: request)
        {
            _ = self.surroundings.send(.answer(.refused(refusal)), number: requester.number, to: node)
            return
        }
        guard !self.surroundings.submit(request, to: partition) else { return }
        // To who asks a node that is about to end it is one that leads nothing any more.
        if self.surroundings.lane(of: partition)?.driver.isStopped == true {
            _ = self.surroundings.send(.answer(.elsewhere(nil)), number: requester.number, to: node)
            return
        }
        let full = MeshError(
            .overloaded, "more requests wait here than this node takes",
            retryAfter: self.configuration.limits.overloadPause)
        _ = self.surroundings.send(.answer(.refused(full)), number: requester.number, to: node)
    }
}
