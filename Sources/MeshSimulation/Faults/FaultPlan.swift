package import MeshCore

/// Everything that will go wrong in a run, drawn from its seed.
///
/// Swarm testing (Groce et al., ISSTA 2012): a run that has every kind of trouble at once hides what only shows when
/// some of it is absent, so `swarm` leaves each kind out of half of the runs.
package struct FaultPlan: Sendable {
    package private(set) var kinds: Set<FaultKind> = []
    package private(set) var faults: [Fault] = []
    /// Clock drift per host, in parts per million.
    package private(set) var drift: [Int] = []
    /// Hosts that are not there at the start.
    package private(set) var latecomers: [Int] = []
    /// Hosts that some fault aims at. All others are healthy in the sense of the Lifeguard paper.
    package private(set) var impaired: Set<Int> = []

    private let scenario: Scenario
    private var random: RandomSource
    private var cuts = 0

    package init(scenario: Scenario, random: RandomSource) {
        self.scenario = scenario
        self.random = random
        self.kinds = self.chosenKinds()
        self.drift = (0..<scenario.members).map { _ in 0 }
        for kind in FaultKind.allCases where self.kinds.contains(kind) { self.plan(kind) }
        self.planRequested()
        self.faults.append(Fault(at: scenario.healAt, action: .healAll))
        self.faults.sort { $0.at < $1.at }
    }

    /// True if nothing but ordinary life happens: starts, crashes, leaves and news on a network that works.
    package var isHealthy: Bool {
        !self.kinds.contains(where: \.disturbs) && self.scenario.pausedMembers == 0 && self.scenario.loss == .none
            && self.scenario.partition == nil
    }

    private mutating func chosenKinds() -> Set<FaultKind> {
        switch self.scenario.faults {
        case .only(let kinds): return kinds
        case .swarm:
            // In order of declaration: a set's own order is not the same in two processes.
            var kinds: Set<FaultKind> = []
            for kind in FaultKind.allCases where self.random.chance(.percent(50)) { kinds.insert(kind) }
            return kinds
        }
    }

    // MARK: What each kind does

    private mutating func plan(_ kind: FaultKind) {
        let hosts = self.scenario.members
        let few = max(1, hosts / 12)
        switch kind {
        case .loss, .duplicate, .late, .reorder: self.planWeather(kind)
        case .partition:
            self.cutSides(self.someHosts(1 + self.random.below(max(1, hosts / 2))), bothWays: true)
        case .oneway: self.cutSides(self.someHosts(1 + self.random.below(few)), bothWays: false)
        case .udpblock: self.blockDatagrams(of: self.someHosts(few))
        case .pause:
            for host in self.someHosts(few) {
                for _ in 0..<2 {
                    let length = self.random.duration(in: .milliseconds(100)...(.seconds(40)))
                    self.add(.pause(host, for: length), at: self.moment())
                }
            }
        case .slow:
            for host in self.someHosts(few) {
                let pause = self.random.duration(in: .milliseconds(80)...(.milliseconds(900)))
                let work = self.random.duration(in: .milliseconds(2)...(.milliseconds(20)))
                let (start, end) = self.interval()
                self.add(.starve(host, pause: pause, work: work, until: end), at: start)
            }
        case .crash:
            for host in self.someHosts(few) { self.takeDown(host, by: .kill(host), comesBack: .percent(75)) }
        case .power:
            for host in self.someHosts(few) { self.takeDown(host, by: .powerOff(host), comesBack: .percent(50)) }
        case .massrestart:
            let start = self.moment()
            for host in 0..<hosts {
                let down = start + self.random.duration(in: .zero...(.seconds(2)))
                self.add(.kill(host), at: down)
                self.add(.start(host), at: down + self.random.duration(in: .milliseconds(200)...(.seconds(8))))
            }
        case .leave: for host in self.someHosts(few) { self.add(.leave(host), at: self.moment()) }
        case .wipe:
            for host in self.someHosts(1) where host >= Scenario.seedHosts {
                let (down, up) = self.interval()
                self.add(.kill(host), at: down)
                self.add(.startWiped(host), at: up)
            }
        case .drift: self.drift = (0..<hosts).map { _ in self.random.below(20_001) - 10_000 }
        case .join:
            for host in self.someHosts(few) where host >= Scenario.seedHosts {
                self.latecomers.append(host)
                self.add(.start(host), at: self.moment())
            }
        case .news:
            for _ in 0..<12 {
                self.add(.raiseEvent(self.random.below(hosts)), at: self.moment())
                self.add(.retag(self.random.below(hosts)), at: self.moment())
                self.add(.advertise(self.random.below(hosts)), at: self.moment())
            }
        }
    }

    private mutating func planWeather(_ kind: FaultKind) {
        // Weather faults share one state, so each sets the whole of it; the last one before `healAll` stays.
        var weather = self.lastWeather
        switch kind {
        case .loss: weather.loss = Share(partsPerMillion: 1_000 + self.random.below(99_000))
        case .duplicate: weather.duplication = Share(partsPerMillion: 1_000 + self.random.below(199_000))
        case .late: weather.lateness = Share(partsPerMillion: 100 + self.random.below(9_900))
        default: weather.extraJitter = self.random.duration(in: .milliseconds(5)...(.milliseconds(200)))
        }
        self.lastWeather = weather
        self.faults.removeAll { if case .weather = $0.action { true } else { false } }
        self.add(.weather(weather), at: self.scenario.warmUntil)
    }
    private var lastWeather = SimulatedNetwork.Weather()

    private mutating func cutSides(_ side: [Int], bothWays: Bool) {
        let (start, end) = self.interval()
        self.cutSides(side, bothWays: bothWays, from: start, until: end)
    }

    private mutating func cutSides(_ side: [Int], bothWays: Bool, from start: VirtualTime, until end: VirtualTime) {
        let inside = HostSet(side, of: self.scenario.members)
        self.cuts += 1
        var cuts = [Cut(fault: self.cuts, from: inside, to: inside.complement)]
        if bothWays { cuts.append(Cut(fault: self.cuts, from: inside.complement, to: inside)) }
        self.add(.cut(cuts), at: start)
        self.add(.heal(self.cuts), at: end)
        self.impaired.formUnion(bothWays ? Array(0..<self.scenario.members) : side)
    }

    private mutating func blockDatagrams(of side: [Int]) {
        let inside = HostSet(side, of: self.scenario.members)
        let everyone = HostSet(0..<self.scenario.members, of: self.scenario.members)
        let (start, end) = self.interval()
        self.cuts += 1
        self.add(
            .cut([
                Cut(fault: self.cuts, from: inside, to: everyone, traffic: .datagrams),
                Cut(fault: self.cuts, from: everyone, to: inside, traffic: .datagrams),
            ]), at: start)
        self.add(.heal(self.cuts), at: end)
        self.impaired.formUnion(side)
    }

    private mutating func takeDown(_ host: Int, by action: Fault.Action, comesBack: Share) {
        let (down, up) = self.interval()
        self.add(action, at: down)
        if self.random.chance(comesBack) { self.add(.start(host), at: up) }
    }

    // MARK: What the command line asked for

    private mutating func planRequested() {
        if self.scenario.loss > .none {
            var weather = self.lastWeather
            weather.loss = self.scenario.loss
            self.faults.removeAll { if case .weather = $0.action { true } else { false } }
            self.add(.weather(weather), at: self.scenario.warmUntil)
        }
        if let length = self.scenario.partition {
            let side = self.random.distinct(self.scenario.members / 2, below: self.scenario.members)
            self.cutSides(
                side, bothWays: true, from: self.scenario.warmUntil, until: self.scenario.warmUntil + length)
        }
        for host in self.random.distinct(self.scenario.crashes, below: self.scenario.members) {
            self.add(.kill(host), at: self.moment())
        }
        for host in self.random.distinct(self.scenario.pausedMembers, below: self.scenario.members) {
            self.planPauses(of: host)
        }
    }

    /// Lifeguard's interval experiment (§ V): a member stops for D, runs for I, and so on, with both drawn from
    /// powers of two in its range (D 128 ms to 32 s, I 1 ms to 16 s).
    private mutating func planPauses(of host: Int) {
        self.impaired.insert(host)
        var time = self.scenario.warmUntil + self.random.duration(in: .zero...(.seconds(1)))
        while time < self.scenario.healAt {
            let pause = Duration.milliseconds(128 << self.random.below(9))
            let run = Duration.milliseconds(1 << self.random.below(15))
            self.add(.pause(host, for: pause), at: time)
            time = time + pause + run
        }
    }

    // MARK: Draws

    private mutating func add(_ action: Fault.Action, at time: VirtualTime) {
        switch action {
        case .pause(let host, _), .starve(let host, _, _, _): self.impaired.insert(host)
        default: break
        }
        self.faults.append(Fault(at: time, action: action))
    }

    private mutating func someHosts(_ count: Int) -> [Int] {
        self.random.distinct(min(count, self.scenario.members), below: self.scenario.members)
    }

    private mutating func moment() -> VirtualTime {
        self.scenario.warmUntil + self.random.duration(in: .zero...(self.scenario.healAt - self.scenario.warmUntil))
    }

    private mutating func interval() -> (VirtualTime, VirtualTime) {
        let (one, other) = (self.moment(), self.moment())
        return (min(one, other), max(one, other) + .milliseconds(1))
    }
}
