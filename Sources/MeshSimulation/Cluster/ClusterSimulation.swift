internal import MeshCore
internal import MeshRuntime

/// Whole nodes on one thread in virtual time: the production shards, partitions, heartbeats and frames, with clocks,
/// disks, a network
/// and clients that fail.
///
/// A run is a function of its scenario, like the other simulations. The files beside this one: `+Driver` gives executors
/// their turns, `+Disk` does jobs, `+Links` carries frames, `+Partitions` brings requests to leaders and has turns run,
/// `+Faults` breaks things, `+Operator` moves replicas, `+Clients` wants something, `+Ending` looks at what came of it.
package struct ClusterSimulation {
    enum Event: Sendable {
        case turn(Int, life: UInt32, executor: Int)
        case wake(Int, life: UInt32, executor: Int)
        case frame(to: Int, CarriedFrame, from: NodeID, Boot)
        case answers(Int, life: UInt32, [GroupAnswer])
        case sync(Int, life: UInt32, count: Int)
        case resume(Int, life: UInt32)
        case suspect(Int, life: UInt32, NodeID)
        case fault(ConsensusFaultPlan.Fault)
        case message(to: Int, PartitionMessage, for: NodeID, from: NodeID)
        case ran(Int, life: UInt32, PartitionMessage, to: NodeID)
        case hostGone(ActivationHost, on: Int, life: UInt32)
        case client(Int)
        case attempt(Int, after: UInt64)
        case timeout(Int, attempt: UInt64)
        case administer
    }

    /// A frame on its way. What it says was decoded when it was sent, for the checks, from the bytes that it is made of.
    enum CarriedFrame: Sendable {
        case heartbeat([UInt8])
        case consensus([RaftMessage], bytes: [UInt8])
    }

    /// A client waits for an answer, at this node in this life.
    struct Attempt {
        var client: Int
        var host: Int
        var life: UInt32
    }

    package let scenario: ClusterScenario
    package let plan: ConsensusFaultPlan
    package internal(set) var now = VirtualTime.zero
    package internal(set) var trace = Trace()
    package internal(set) var checks: ConsensusChecks
    package internal(set) var partitions: PartitionChecks
    package internal(set) var counters = ClusterCounters()
    package var narrative: Narrative

    let settings: ShardSettings
    let placement: Placement
    let kinds = SimulatedKinds()
    var hosts: [ClusterHost]
    /// Where each living identity is.
    var places: [NodeID: Int] = [:]
    /// Where each group's voters are wanted.
    var wanted: [[NodeID]]
    var queue = EventQueue<Event>()
    var network: SimulatedNetwork
    /// Streams keep their order: when the latest frame between two hosts arrives.
    var latest: [VirtualTime]
    var random: RandomSource
    var clients: [ClusterClient]
    let hasFavourites: Bool
    var history = ClusterHistory()
    var attempts: [UInt64: Attempt] = [:]
    var lastAttempt: UInt64 = 0
    var lastCommand: UInt64 = 0
    /// Values are never written twice.
    var lastValue: ValueID = 0

    package init(_ scenario: ClusterScenario, narrating: Bool = false) {
        precondition((3...ConsensusScenario.hostsMax).contains(scenario.hosts), "\(scenario.hosts) hosts")
        precondition((1...ClusterScenario.groupsMax).contains(scenario.groups), "\(scenario.groups) groups")
        precondition((1...ClusterScenario.shardsMax).contains(scenario.shards), "\(scenario.shards) shards")
        var random = RandomSource(seed: scenario.seed)
        let plan = ConsensusFaultPlan(scenario.consensus, random: random.split())
        self.scenario = scenario
        self.plan = plan
        self.settings = scenario.settings(of: plan)
        self.network = SimulatedNetwork(link: .lan, random: random.split())
        self.latest = Array(repeating: .zero, count: scenario.hosts * scenario.hosts)
        self.hosts = (0..<scenario.hosts).map { index in
            ClusterHost(
                clock: NodeClock(
                    offset: random.duration(in: .seconds(1)...(.seconds(86_400))), drift: plan.drift[index]),
                disk: HostDisk(id: NodeID(high: random.next(), low: random.next()), groups: scenario.groups))
        }
        self.wanted = Array(repeating: [], count: scenario.groups)
        self.placement = Placement(
            cluster: ClusterID(high: random.next(), low: random.next()), partitions: scenario.groups)
        self.clients = (0..<max(6, 3 * scenario.groups)).map { ClusterClient(number: $0) }
        self.hasFavourites = random.below(2) == 0
        self.checks = ConsensusChecks(groups: scenario.groups)
        self.partitions = PartitionChecks(groups: scenario.groups)
        self.narrative = Narrative(isOn: narrating)
        self.random = random
        for (place, fault) in plan.faults.enumerated() where scenario.keeps(fault, at: place) {
            self.queue.schedule(.fault(fault), at: fault.at)
        }
        self.begin()
    }

    package var violation: Violation? { self.checks.violation ?? self.partitions.violation }

    package mutating func run(until end: VirtualTime) {
        while self.violation == nil, let next = self.queue.nextTime, next <= end,
            let (time, event) = self.queue.popFirst()
        {
            self.now = time
            self.counters.events += 1
            self.handle(event)
        }
        if self.violation == nil { self.now = max(self.now, end) }
    }

    package mutating func run() -> ClusterReport {
        self.run(until: .zero + self.scenario.duration)
        return self.finish()
    }

    package mutating func finish() -> ClusterReport {
        if self.violation == nil { self.checkEnd() }
        if self.violation != nil { self.describeGroups() }
        return ClusterReport(self)
    }

    private mutating func describeGroups() {
        for host in self.hosts.indices {
            for group in 0..<self.scenario.groups {
                let id = GroupID(UInt32(group))
                guard let shard = self.hosts[host].process?.shard(of: id) else { continue }
                if let text = shard.raft(of: id, { "\($0)" }) { self.narrate(host, id, text) }
                if let text = shard.describeLead(of: id) { self.narrate(host, id, text) }
            }
        }
    }

    /// The first host founds the mesh and creates all groups alone; the others are added to them one by one.
    private mutating func begin() {
        for host in self.hosts.indices { self.startProcess(on: host) }
        for group in 0..<self.scenario.groups {
            let id = GroupID(UInt32(group))
            let create = GroupCommand.create(GroupIncarnation(counter: 1, id: self.random.next()))
            self.submit(.shard(.command(0, id, create)), to: id, on: 0)
            self.want(Int(id.number), instead: nil)
        }
        for client in self.clients.indices { self.queue.schedule(.client(client), at: .zero + .seconds(1)) }
        self.queue.schedule(.administer, at: .zero + .milliseconds(500))
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .turn(let host, let life, let executor): self.takeTurn(executor, on: host, life: life)
        case .wake(let host, let life, let executor): self.wake(executor, on: host, life: life)
        case .frame(let host, let frame, let node, let boot): self.receive(frame, from: node, boot, on: host)
        case .answers(let host, let life, let answers): self.deliver(answers, to: host, life: life)
        case .sync(let host, let life, let count): self.synced(host, life: life, count: count)
        case .resume(let host, let life): self.resume(host, life: life)
        case .suspect(let host, let life, let node):
            guard self.hosts[host].process?.life == life else { return }
            self.tellShards(.suspected(node), on: host)
        case .fault(let fault): self.inflict(fault)
        case .message(let host, let message, let node, let sender):
            self.receive(message, for: node, from: sender, on: host)
        case .ran(let host, let life, let message, let node): self.ran(host, life: life, message, to: node)
        case .hostGone(let gone, let host, let life): self.hostGone(gone, on: host, life: life)
        case .client(let client): self.think(client)
        case .attempt(let client, let attempt): self.attempt(client, after: attempt)
        case .timeout(let client, let attempt): self.timeout(client, attempt: attempt)
        case .administer: self.administer()
        }
    }

    mutating func narrate(_ host: Int, _ group: GroupID, _ text: @autoclosure () -> String) {
        guard self.narrative.isOn else { return }
        let line = "\(self.now) \(host)/\(group.number): \(text())"
        self.narrative.add(line)
    }
}
