internal import MeshCore

/// A mesh of the production `Membership` values on one thread in virtual time.
///
/// A run is a function of its scenario: every draw comes from the seed, every event has its place in one queue, and
/// the trace hash tells whether two runs were the same. The files beside this one hold one topic each: `+Driver` is
/// what a daemon does around `Membership`, `+Streams` what kernels and wires do with connections, `+Faults` what
/// befalls them.
package struct MembershipSimulation {
    enum Event: Sendable {
        case wake(Int, life: UInt32)
        case datagram(from: Int, to: Int, BufferPool.Handle)
        case stream(StreamEvent)
        /// Something that a process asked to be reminded of.
        case remind(Int, life: UInt32, Process.Input)
        case resume(Int, life: UInt32)
        case fault(Fault)
        case start(Int)
        case checkHealed(disturbances: Int)
    }

    package let scenario: Scenario
    package let plan: FaultPlan
    package internal(set) var now = VirtualTime.zero
    package internal(set) var trace = Trace()
    package internal(set) var checks: Checks
    package internal(set) var truth: Truth
    package internal(set) var counters = Counters()
    /// Lines for people, if somebody wants to read along.
    package var narrative: Narrative

    var hosts: [Host]
    var queue = EventQueue<Event>()
    var network: SimulatedNetwork
    var streams = SimulatedStreams()
    var pool = BufferPool()
    var effects = Membership.Effects()
    var random: RandomSource

    package init(_ scenario: Scenario, narrating: Bool = false) {
        precondition((1...Scenario.membersMax).contains(scenario.members), "\(scenario.members) members")
        var random = RandomSource(seed: scenario.seed)
        let plan = FaultPlan(scenario: scenario, random: random.split())
        self.scenario = scenario
        self.plan = plan
        self.network = SimulatedNetwork(link: scenario.profile.link, random: random.split())
        self.hosts = (0..<scenario.members).map { index in
            Host(
                endpoint: Host.endpoint(of: index),
                clock: NodeClock(
                    offset: random.duration(in: .zero...(.seconds(86_400))), drift: plan.drift[index]),
                disk: Host.Disk(id: NodeID(high: random.next(), low: random.next())))
        }
        self.truth = Truth(hosts: scenario.members, impaired: plan.impaired, isHealthyRun: plan.isHealthy)
        self.checks = Checks(scenario: scenario)
        self.narrative = Narrative(isOn: narrating)
        self.random = random
        for fault in plan.faults { self.queue.schedule(.fault(fault), at: fault.at) }
        if case .unreportedCut(let host) = scenario.mutation { self.cutUnreported(host) }
        self.begin()
    }

    /// Lets time pass until `end`, or until an invariant is broken.
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

    /// The whole run, with the checks that belong to its end.
    package mutating func run() -> RunReport {
        self.run(until: .zero + self.scenario.duration)
        return self.finish()
    }

    package mutating func finish() -> RunReport {
        if self.checks.violation == nil { self.checkEnd() }
        return RunReport(self)
    }

    private mutating func cutUnreported(_ host: Int) {
        let inside = HostSet([host], of: self.scenario.members)
        let all = HostSet(0..<self.scenario.members, of: self.scenario.members)
        let cuts = [Cut(fault: 0, from: inside, to: all), Cut(fault: 0, from: all, to: inside)]
        let fault = Fault(at: self.scenario.warmUntil, action: .cut(cuts))
        self.queue.schedule(.fault(fault), at: fault.at)
    }

    private mutating func begin() {
        let present = self.hosts.indices.filter { !self.plan.latecomers.contains($0) }
        switch self.scenario.start {
        case .joining:
            for host in present {
                let delay = host == 0 ? .zero : self.random.duration(in: .milliseconds(50)...(.seconds(5)))
                self.queue.schedule(.start(host), at: .zero + delay)
            }
        case .converged:
            for host in present { self.startProcess(on: host, joins: false) }
            self.converge(present)
            self.beginDriving(present)
        }
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .wake(let host, let life): self.wake(host, life: life)
        case .datagram(let from, let host, let buffer): self.arrive(buffer, from: from, at: host)
        case .stream(let event): self.handle(event)
        case .remind(let host, let life, let input):
            if self.hosts[host].process?.life == life { self.dispatch(input, to: host) }
        case .resume(let host, let life): self.resume(host, life: life)
        case .fault(let fault): self.inflict(fault)
        case .start(let host): self.startProcess(on: host, joins: host != 0)
        case .checkHealed(let disturbances):
            if self.truth.disturbances == disturbances {
                self.checks.report(Agreement.violation(in: self, check: "partition heals"))
            }
        }
    }

    private mutating func checkEnd() {
        self.checks.finish(at: self.now, truth: self.truth)
        self.checks.report(Agreement.violation(in: self, check: "agreement"))
    }
}
