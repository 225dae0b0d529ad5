package import MeshCore

/// The kinds of trouble that a run of the consensus simulator can draw. The raw values are the names on the command
/// line.
package enum ConsensusFault: String, CaseIterable, Hashable, Sendable {
    case loss, duplicate
    /// Messages arrive up to two minutes late.
    case late
    case reorder
    /// Two sides that do not hear each other.
    case partition
    /// One side hears the other, but not the other way round.
    case oneway
    /// A ring: each host hears only some of the others.
    case partial
    /// SIGSTOP for up to 60 s: inputs wait, time goes on.
    case pause
    /// Clocks run up to 1 % fast or slow.
    case drift
    /// kill -9: what was written stays, synced or not.
    case crash
    /// What was not synced is gone, torn at a random write.
    case power
    /// Everybody at once.
    case massrestart
    /// An fsync takes up to half a second.
    case slowdisk
    /// The disk is emptied: another node at the same address.
    case wipe
    /// The disk goes back to an old copy, from before the last start.
    case restore
    /// What was synced is gone; the watermark in its file of its own is not.
    case losesynced
    /// Replicas are added, promoted and removed without pause, also removed and added again.
    case reconfigure
    /// Leadership is handed over without pause.
    case transfer
    /// Streams end and gossip suspects without reason.
    case hint
    /// Logs are dropped early, so that whoever lags needs a snapshot.
    case compaction
    /// The clients rest now and then, so that groups fall asleep.
    case idle
    /// The wall clock of one host is an hour off, now and then. Consensus knows none; partitions do.
    case clock

    /// At most one of these befalls a run: a quorum of three survives one.
    var destroys: Bool { self == .wipe || self == .restore || self == .losesynced }
}

/// What a run of the consensus simulator is a function of.
package struct ConsensusScenario: Sendable {
    package enum Faults: Hashable, Sendable {
        case only(Set<ConsensusFault>)
        /// Each kind with probability one half.
        case swarm
    }

    package static let hostsMax = 15
    package static let groupsMax = 64

    package var hosts = 5
    package var groups = 2
    package var seed: UInt64 = 1
    package var duration = Duration.seconds(60)
    package var faults = Faults.only([])
    /// Operations per virtual second and group.
    package var operations = 20
    /// A rule left out on purpose. For tests only; no command line reaches it.
    package var flaw: RaftFlaw?

    package init() {}

    /// All faults end here; then a leader must be there and everything must commit.
    package var healAt: VirtualTime { .zero + (self.duration - Self.quiet) }
    /// After this long without faults every group must serve.
    package static let recovery = Duration.seconds(10)
    package static let quiet = Duration.seconds(16)
    package static let warm = VirtualTime.zero + .seconds(3)

    var settings: RaftSettings {
        var settings = RaftSettings()
        settings.flaw = self.flaw
        // Small, so that windows, loads and chunks are met by a few hundred entries.
        settings.tailBytesMax = 2_048
        settings.appendBytesMax = 512
        settings.applyBytesMax = 1_024
        settings.inFlightMessagesMax = 8
        // Several chunks for each snapshot.
        settings.chunkBytesMax = 16
        settings.dropEntriesMin = 32
        settings.promotionGapMax = 16
        return settings
    }
}

/// What will go wrong in a run, drawn from its seed before it begins.
package struct ConsensusFaultPlan: Sendable {
    package enum Action: Sendable {
        case weather(SimulatedNetwork.Weather)
        case cut([Cut])
        case heal(Int)
        case pause(Int, for: Duration)
        case kill(Int)
        case powerOff(Int)
        case start(Int)
        case wipe(Int)
        /// Copies the disk, and brings the copy back.
        case copyDisk(Int)
        case restore(Int)
        case loseSynced(Int)
        case slowDisk(Int, Bool)
        case reconfigure
        case transfer
        case hint(Int)
        /// By so many milliseconds wrong from here on.
        case setClock(Int, Int64)
        case healAll
    }

    package struct Fault: Sendable {
        package var at: VirtualTime
        package var action: Action
    }

    package private(set) var kinds: Set<ConsensusFault> = []
    package private(set) var faults: [Fault] = []
    package private(set) var drift: [Int]

    private let hosts: Int
    private let healAt: VirtualTime
    private var random: RandomSource
    private var cuts = 0
    private var weather = SimulatedNetwork.Weather()

    package init(_ scenario: ConsensusScenario, random: RandomSource) {
        self.hosts = scenario.hosts
        self.healAt = scenario.healAt
        self.random = random
        self.drift = Array(repeating: 0, count: scenario.hosts)
        switch scenario.faults {
        case .only(let kinds): self.kinds = kinds
        case .swarm:
            for kind in ConsensusFault.allCases where kind != .clock && self.random.chance(.percent(50)) {
                self.kinds.insert(kind)
            }
        }
        self.keepOneDestroyer()
        for kind in ConsensusFault.allCases where self.kinds.contains(kind) && kind != .clock { self.plan(kind) }
        // After all others, so that what these draw is as it was before there was this one.
        if scenario.faults == .swarm, self.random.chance(.percent(50)) { self.kinds.insert(.clock) }
        if self.kinds.contains(.clock) { self.plan(.clock) }
        if self.weather != SimulatedNetwork.Weather() { self.add(.weather(self.weather), at: ConsensusScenario.warm) }
        self.add(.healAll, at: self.healAt)
        self.faults.sort { $0.at < $1.at }
    }

    private mutating func keepOneDestroyer() {
        let destroyers = ConsensusFault.allCases.filter { $0.destroys && self.kinds.contains($0) }
        guard !destroyers.isEmpty else { return }
        let kept = destroyers[self.random.below(destroyers.count)]
        for kind in destroyers where kind != kept { self.kinds.remove(kind) }
    }

    private mutating func plan(_ kind: ConsensusFault) {
        let host = self.random.below(self.hosts)
        switch kind {
        case .loss: self.weather.loss = Share(partsPerMillion: 1_000 + self.random.below(199_000))
        case .duplicate: self.weather.duplication = Share(partsPerMillion: 1_000 + self.random.below(199_000))
        case .late: self.weather.lateness = Share(partsPerMillion: 1_000 + self.random.below(49_000))
        case .reorder:
            self.weather.extraJitter = self.random.duration(in: .milliseconds(2)...(.milliseconds(200)))
        case .partition, .oneway, .partial: for _ in 0..<4 { self.planCut(kind) }
        case .pause:
            for _ in 0..<5 {
                let longest: Duration = self.random.below(3) == 0 ? .seconds(60) : .seconds(3)
                self.add(
                    .pause(self.random.below(self.hosts), for: self.random.duration(in: .milliseconds(50)...longest)),
                    at: self.moment())
            }
        case .drift: self.drift = (0..<self.hosts).map { _ in self.random.below(20_001) - 10_000 }
        case .crash, .power:
            for _ in 0..<5 {
                let host = self.random.below(self.hosts)
                let down = self.moment()
                self.add(kind == .crash ? .kill(host) : .powerOff(host), at: down)
                self.add(.start(host), at: down + self.random.duration(in: .milliseconds(1)...(.seconds(4))))
            }
        case .massrestart:
            let start = self.moment()
            for host in 0..<self.hosts {
                let down = start + self.random.duration(in: .zero...(.milliseconds(200)))
                self.add(self.random.below(2) == 0 ? .kill(host) : .powerOff(host), at: down)
                self.add(.start(host), at: down + self.random.duration(in: .milliseconds(1)...(.seconds(2))))
            }
        case .slowdisk:
            let (start, end) = self.interval()
            self.add(.slowDisk(host, true), at: start)
            self.add(.slowDisk(host, false), at: end)
        case .wipe: self.takeDown(host, .wipe(host))
        case .losesynced: self.takeDown(host, .loseSynced(host))
        case .restore: self.planRestore(host)
        case .reconfigure: for _ in 0..<24 { self.add(.reconfigure, at: self.moment()) }
        case .transfer: for _ in 0..<16 { self.add(.transfer, at: self.moment()) }
        case .hint: for _ in 0..<12 { self.add(.hint(self.random.below(self.hosts)), at: self.moment()) }
        case .clock:
            for _ in 0..<3 {
                self.add(.setClock(host, self.random.below(2) == 0 ? 3_600_000 : -3_600_000), at: self.moment())
                self.add(.setClock(host, 0), at: self.moment())
            }
        case .compaction, .idle: break
        }
    }

    private mutating func planCut(_ kind: ConsensusFault) {
        self.cuts += 1
        let start = self.moment()
        let end = start + self.random.duration(in: .milliseconds(300)...(.seconds(8)))
        var cuts: [Cut] = []
        if kind == .partial {
            for host in 0..<self.hosts {
                let other = (host + 1) % self.hosts
                let (one, two) = (HostSet([host], of: self.hosts), HostSet([other], of: self.hosts))
                guard self.random.below(2) == 0 else { continue }
                cuts += [Cut(fault: self.cuts, from: one, to: two), Cut(fault: self.cuts, from: two, to: one)]
            }
        } else {
            let side = self.random.distinct(1 + self.random.below(max(1, self.hosts / 2)), below: self.hosts)
            let inside = HostSet(side, of: self.hosts)
            cuts = [Cut(fault: self.cuts, from: inside, to: inside.complement)]
            if kind == .partition { cuts.append(Cut(fault: self.cuts, from: inside.complement, to: inside)) }
        }
        self.add(.cut(cuts), at: start)
        self.add(.heal(self.cuts), at: end)
    }

    private mutating func takeDown(_ host: Int, _ action: Action) {
        let down = self.moment()
        self.add(.powerOff(host), at: down)
        self.add(action, at: down + .microseconds(1))
        self.add(.start(host), at: down + self.random.duration(in: .milliseconds(1)...(.seconds(2))))
    }

    /// Copied, started anew, and some time later brought back.
    private mutating func planRestore(_ host: Int) {
        let third = (self.healAt - ConsensusScenario.warm) / 3
        let copied = ConsensusScenario.warm + self.random.duration(in: .zero...third)
        self.add(.copyDisk(host), at: copied)
        let restarted = copied + self.random.duration(in: .zero...(third / 2))
        self.add(.powerOff(host), at: restarted)
        self.add(.start(host), at: restarted + .milliseconds(10))
        let restored = restarted + third / 4 + self.random.duration(in: .zero...third)
        self.add(.powerOff(host), at: restored)
        self.add(.restore(host), at: restored + .microseconds(1))
        self.add(.start(host), at: restored + .milliseconds(10))
    }

    private mutating func add(_ action: Action, at time: VirtualTime) {
        self.faults.append(Fault(at: time, action: action))
    }

    private mutating func moment() -> VirtualTime {
        ConsensusScenario.warm + self.random.duration(in: .zero...(self.healAt - ConsensusScenario.warm))
    }

    private mutating func interval() -> (VirtualTime, VirtualTime) {
        let (one, other) = (self.moment(), self.moment())
        return (min(one, other), max(one, other) + .milliseconds(1))
    }
}
