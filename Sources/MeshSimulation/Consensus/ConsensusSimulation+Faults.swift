internal import MeshCore

/// What befalls hosts, processes and disks.
extension ConsensusSimulation {
    mutating func inflict(_ fault: ConsensusFaultPlan.Fault) {
        self.trace.record(self.now.nanoseconds, 9)
        if self.narrative.isOn { self.narrative.add("\(self.now) ! \(fault.action)") }
        switch fault.action {
        case .weather(let weather): self.network.weather = weather
        case .cut(let cuts): for cut in cuts { self.network.apply(cut) }
        case .heal(let number): self.network.heal(fault: number)
        case .pause(let host, let length): self.pause(host, for: length)
        case .kill(let host): self.stop(host, losesUnsynced: false)
        case .powerOff(let host): self.stop(host, losesUnsynced: true)
        case .start(let host): self.startProcess(on: host)
        case .wipe(let host):
            self.setUpAnew(host)
            self.checks.damaged(host)
        case .copyDisk(let host): self.hosts[host].copy = self.hosts[host].disk.copied
        case .restore(let host): self.restore(host)
        case .loseSynced(let host): self.loseSynced(host)
        case .slowDisk(let host, let isSlow): self.hosts[host].isSlow = isSlow
        case .reconfigure: self.reconfigure()
        case .transfer: self.transfer()
        case .hint(let host): self.hint(host)
        case .setClock: break
        case .healAll: self.healAll()
        }
    }

    mutating func startProcess(on host: Int) {
        guard self.hosts[host].process == nil else { return }
        if self.checks.isRolledBack(host), !self.isFork(host) { self.setUpAnew(host) }
        self.hosts[host].lives += 1
        self.hosts[host].disk.bootEpoch += 1
        let boot = Boot(epoch: self.hosts[host].disk.bootEpoch, nonce: self.random.next())
        let process = ConsensusProcess(
            life: self.hosts[host].lives, boot: boot, id: self.hosts[host].disk.id, groups: self.scenario.groups)
        self.hosts[host].process = process
        self.places[process.id] = host
        self.trace.record(self.now.nanoseconds, UInt64(host), 10, boot.epoch)
        for group in 0..<self.scenario.groups { self.startReplica(group, on: host) }
        for other in self.hosts.indices { self.followAll(on: other) }
        self.arm(host, process)
    }

    /// Each node beats for every other.
    private mutating func followAll(on host: Int) {
        guard let process = self.hosts[host].process else { return }
        let others = self.places.keys.filter { $0 != process.id }.sorted()
        process.heartbeats.follow(others, at: self.hosts[host].clock.reading(at: self.now))
        if process.pausedUntil == nil { self.arm(host, process) }
    }

    private mutating func stop(_ host: Int, losesUnsynced: Bool) {
        guard let process = self.hosts[host].process else { return }
        self.trace.record(self.now.nanoseconds, UInt64(host), 11)
        self.hosts[host].process = nil
        for group in 0..<self.scenario.groups {
            guard let count = self.hosts[host].disk.replicas[group]?.unsyncedCount else { continue }
            let kept = losesUnsynced ? self.random.below(count + 1) : count
            self.hosts[host].disk.replicas[group]?.lose(keeping: kept)
        }
        self.counters.unanswered += process.operations.count
        // The others' streams to it end.
        for other in self.hosts.indices where other != host && self.network.passes(.streams, from: host, to: other) {
            guard let life = self.hosts[other].process?.life else { continue }
            for group in 0..<self.scenario.groups where !losesUnsynced {
                self.queue.schedule(
                    .input(other, life: life, .raft(group: group, .peer(.suspected(process.id)))),
                    at: self.now + .milliseconds(1))
            }
        }
    }

    /// Noticed only if everybody has met a boot that the copy will count again (docs/simulation.md says what is not).
    private mutating func restore(_ host: Int) {
        guard let copy = self.hosts[host].copy, self.hosts[host].process == nil else { return }
        let isNoticed = self.hosts.indices.allSatisfy { other in
            other == host || (self.hosts[other].disk.knownBoots.epoch(of: copy.id) ?? 0) > copy.bootEpoch
        }
        guard isNoticed, copy.id == self.hosts[host].disk.id else { return }
        self.hosts[host].disk = copy
        self.hosts[host].isRestored = true
        self.checks.damaged(host)
        self.checks.rolledBack(host)
    }

    /// The first start of a restored disk shows an epoch that everybody knows. A later one may not, where somebody has
    /// not met the first: then a person must have set the node up anew.
    private mutating func isFork(_ host: Int) -> Bool {
        defer { self.hosts[host].isRestored = false }
        let id = self.hosts[host].disk.id
        return self.hosts[host].isRestored
            || self.hosts.indices.allSatisfy { $0 == host || self.hosts[$0].disk.knownBoots.isForked(id) }
    }

    private mutating func setUpAnew(_ host: Int) {
        self.places[self.hosts[host].disk.id] = nil
        self.hosts[host].disk = .init(
            id: NodeID(high: self.random.next(), low: self.random.next()), groups: self.scenario.groups)
        self.checks.setUpAnew(host)
    }

    private mutating func loseSynced(_ host: Int) {
        for group in 0..<self.scenario.groups {
            guard self.hosts[host].disk.replicas[group]?.loseSynced() == true else { continue }
            self.checks.damaged(host)
            self.checks.lost(group, on: host)
        }
    }

    private mutating func hint(_ host: Int) {
        guard let process = self.hosts[host].process else { return }
        for group in process.groups.indices {
            if let leader = process.groups[group]?.leader {
                self.dispatch(.raft(group: group, .peer(.suspected(leader.node))), to: host)
            }
        }
    }

    private mutating func healAll() {
        self.network.healAll()
        for host in self.hosts.indices {
            self.hosts[host].isSlow = false
            if let process = self.hosts[host].process {
                guard process.pausedUntil != nil else { continue }
                process.pausedUntil = self.now
                self.resume(host, life: process.life)
            } else {
                self.startProcess(on: host)
            }
        }
        // A node that everybody refuses, because its disk went back, is set up anew.
        for host in self.hosts.indices where self.checks.isRolledBack(host) {
            self.stop(host, losesUnsynced: true)
            self.setUpAnew(host)
            self.startProcess(on: host)
        }
    }

    // MARK: Pauses

    private mutating func pause(_ host: Int, for length: Duration) {
        guard let process = self.hosts[host].process else { return }
        let until = self.now + length
        if let already = process.pausedUntil, already >= until { return }
        process.pausedUntil = until
        self.queue.schedule(.resume(host, life: process.life), at: until)
    }

    /// SIGCONT: timers are due and inputs wait; the seed says which the program looks at first.
    mutating func resume(_ host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life, process.pausedUntil == self.now else {
            return
        }
        let waiting = process.waiting
        process.pausedUntil = nil
        process.waiting = []
        let timersFirst = self.random.below(2) == 0
        if timersFirst { self.wakeNow(host, process) }
        for input in waiting {
            guard self.hosts[host].process?.life == life else { return }
            self.handle(input, on: host)
        }
        if !timersFirst { self.wakeNow(host, process) }
    }

    private mutating func wakeNow(_ host: Int, _ process: ConsensusProcess) {
        process.wakeAt = self.now
        self.wake(host, life: process.life)
    }
}
