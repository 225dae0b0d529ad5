package import MeshCore

/// Groups of the production `Raft` values on one thread in virtual time.
///
/// A run is a function of its scenario, like that of `MembershipSimulation`: every draw comes from the seed, every event
/// has its place in one queue. The files beside this one: `+Driver` is what a daemon does around `Raft`, `+Links` carries
/// messages, `+Disk` syncs, `+Faults` breaks things, `+Clients` and `+Operator` want something.
package struct ConsensusSimulation {
    enum Event: Sendable {
        case wake(Int, life: UInt32)
        case input(Int, life: UInt32?, ConsensusProcess.Input)
        case sync(Int, life: UInt32, counts: [Int])
        case resume(Int, life: UInt32)
        case fault(ConsensusFaultPlan.Fault)
        case operate
        case administer
    }

    package let scenario: ConsensusScenario
    package let plan: ConsensusFaultPlan
    package internal(set) var now = VirtualTime.zero
    package internal(set) var trace = Trace()
    package internal(set) var checks: ConsensusChecks
    package internal(set) var counters = ConsensusCounters()
    package var narrative: Narrative

    let settings: RaftSettings
    var hosts: [ConsensusHost]
    /// Where each living identity is.
    var places: [NodeID: Int] = [:]
    let incarnations: [GroupIncarnation]
    var queue = EventQueue<Event>()
    var network: SimulatedNetwork
    /// Streams keep their order: when the latest message between two hosts arrives.
    var latest: [VirtualTime]
    var effects: [Raft.Effects] = []
    var random: RandomSource
    var lastOperation: UInt64 = 0

    package init(_ scenario: ConsensusScenario, narrating: Bool = false) {
        precondition((3...ConsensusScenario.hostsMax).contains(scenario.hosts), "\(scenario.hosts) hosts")
        precondition((1...ConsensusScenario.groupsMax).contains(scenario.groups), "\(scenario.groups) groups")
        var random = RandomSource(seed: scenario.seed)
        let plan = ConsensusFaultPlan(scenario, random: random.split())
        var settings = scenario.settings
        if plan.kinds.contains(.compaction) { settings.logBytesMax = 4_096 }
        self.scenario = scenario
        self.plan = plan
        self.settings = settings
        self.network = SimulatedNetwork(link: .lan, random: random.split())
        self.latest = Array(repeating: .zero, count: scenario.hosts * scenario.hosts)
        self.hosts = (0..<scenario.hosts).map { index in
            ConsensusHost(
                clock: NodeClock(
                    offset: random.duration(in: .seconds(1)...(.seconds(86_400))), drift: plan.drift[index]),
                disk: .init(id: NodeID(high: random.next(), low: random.next()), groups: scenario.groups))
        }
        self.incarnations = (0..<scenario.groups).map { _ in GroupIncarnation(counter: 1, id: random.next()) }
        self.checks = ConsensusChecks(groups: scenario.groups)
        self.narrative = Narrative(isOn: narrating)
        self.random = random
        for fault in plan.faults { self.queue.schedule(.fault(fault), at: fault.at) }
        self.begin()
    }

    package mutating func run(until end: VirtualTime) {
        while self.checks.violation == nil, let next = self.queue.nextTime, next <= end,
            let (time, event) = self.queue.popFirst()
        {
            self.now = time
            self.counters.events += 1
            self.handle(event)
        }
        if self.checks.violation == nil { self.now = max(self.now, end) }
    }

    package mutating func run() -> ConsensusReport {
        self.run(until: .zero + self.scenario.duration)
        return self.finish()
    }

    package mutating func finish() -> ConsensusReport {
        if self.checks.violation == nil { self.checks.finish(at: self.now, servedUntil: self.now) }
        if self.checks.violation != nil { self.describeGroups() }
        return ConsensusReport(self)
    }

    private mutating func describeGroups() {
        for host in self.hosts.indices {
            for raft in self.hosts[host].process?.groups ?? [] {
                if let raft { self.narrate(host, Int(raft.group.number), "\(raft)") }
            }
        }
    }

    /// Each group begins with three to five voters.
    private mutating func begin() {
        for group in 0..<self.scenario.groups {
            let size = min(self.scenario.hosts, 3 + self.random.below(3))
            let members = self.random.distinct(size, below: self.scenario.hosts)
            let replicas = ReplicaSet(
                voters: members.map { ReplicaID(node: self.hosts[$0].disk.id, addedAt: 0) })
            for host in members {
                self.hosts[host].disk.replicas[group] = ReplicaDisk(
                    id: ReplicaID(node: self.hosts[host].disk.id, addedAt: 0), replicas: replicas)
            }
        }
        for host in self.hosts.indices { self.startProcess(on: host) }
        self.queue.schedule(.operate, at: .zero + .seconds(1))
        self.queue.schedule(.administer, at: .zero + .seconds(2))
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .wake(let host, let life): self.wake(host, life: life)
        case .input(let host, let life, let input):
            guard let process = self.hosts[host].process, life == nil || life == process.life else { return }
            self.dispatch(input, to: host)
        case .sync(let host, let life, let counts): self.synced(host, life: life, counts: counts)
        case .resume(let host, let life): self.resume(host, life: life)
        case .fault(let fault): self.inflict(fault)
        case .operate: self.operate()
        case .administer: self.administer()
        }
    }
}

/// What a run amounted to.
package struct ConsensusCounters: Sendable {
    package var events = 0
    package var messages = 0
    package var messageBytes = 0
    package var heartbeats = 0
    package var elections = 0
    package var committed = 0
    package var writes = 0
    package var reads = 0
    package var unanswered = 0
    package var snapshots = 0
    package var changes = 0
    package var transfers = 0
    package var naps = 0
    package var shortReplicas = 0
    package var refused: [Raft.RefusalReason: Int] = [:]

    init() {}
}

/// What came of a run.
package struct ConsensusReport: Sendable {
    package let scenario: ConsensusScenario
    package let kinds: [ConsensusFault]
    package let violation: Violation?
    package let virtualTime: Duration
    package let hash: UInt64
    package let counters: ConsensusCounters

    init(_ simulation: borrowing ConsensusSimulation) {
        self.scenario = simulation.scenario
        self.kinds = ConsensusFault.allCases.filter(simulation.plan.kinds.contains)
        self.violation = simulation.checks.violation
        self.virtualTime = simulation.now - .zero
        self.hash = simulation.trace.hash
        self.counters = simulation.counters
    }
}
