internal import MeshCore
internal import MeshRuntime

/// What befalls hosts, processes and disks.
extension ClusterSimulation {
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
        case .wipe(let host) where self.mayDestroy(host):
            self.setUpAnew(host)
            self.checks.damaged(host)
        case .copyDisk(let host): self.hosts[host].copy = self.hosts[host].disk.copied
        case .restore(let host) where self.mayDestroy(host): self.restore(host)
        case .loseSynced(let host) where self.mayDestroy(host): self.loseSynced(host)
        case .wipe, .restore, .loseSynced: break
        case .slowDisk(let host, let isSlow): self.hosts[host].isSlow = isSlow
        case .reconfigure: self.reconfigure()
        case .transfer: self.transfer()
        case .hint(let host):
            for node in self.places.keys.sorted() where node != self.hosts[host].disk.id && self.random.below(2) == 0 {
                self.tellShards(.suspected(node), on: host)
            }
        case .setClock(let host, let error): self.hosts[host].wallError = error
        case .healAll: self.healAll()
        }
    }

    // MARK: Processes

    mutating func startProcess(on host: Int) {
        guard self.hosts[host].process == nil else { return }
        if self.checks.isRolledBack(host), !self.isFork(host) { self.setUpAnew(host) }
        self.hosts[host].lives += 1
        self.hosts[host].disk.bootEpoch += 1
        let boot = Boot(epoch: self.hosts[host].disk.bootEpoch, nonce: self.random.next())
        let id = self.hosts[host].disk.id
        let makers = self.makers(for: ActivationHost(node: id, boot: boot.epoch))
        let shards = (0..<self.scenario.shards).map { _ in
            PartitionShard(
                node: id, life: boot.epoch, settings: self.settings, makers: makers, seed: self.random.next())
        }
        let service = PartitionService(random: self.random.split(), fails: self.now < self.scenario.healAt)
        let process = ClusterProcess(life: self.hosts[host].lives, boot: boot, id: id, shards: shards, service: service)
        self.hosts[host].process = process
        self.places[id] = host
        self.trace.record(self.now.nanoseconds, UInt64(host), 10, boot.epoch)
        self.recover(process, on: host)
    }

    private func makers(for host: ActivationHost) -> PartitionShard.Makers {
        let (placement, kinds, limits, rules) = (self.placement, self.kinds, self.scenario.limits, self.scenario.rules)
        return PartitionShard.Makers(
            state: { PartitionState(partition: Partition(index: UInt16($0.number)), rules: rules) },
            lead: { group, seed in
                PartitionLead(
                    partition: Partition(index: UInt16(group.number)), placement: placement, host: host, kinds: kinds,
                    schedules: SimulatedSchedules(), limits: limits, seed: seed)
            })
    }

    private mutating func recover(_ process: ClusterProcess, on host: Int) {
        let found = self.hosts[host].disk.recovered(settings: self.settings.raft)
        for case .replica(let replica) in found {
            self.checks.started(replica, group: Int(replica.group.number), on: host, at: self.now)
            if replica.lost != nil { self.counters.shortReplicas += 1 }
        }
        for (place, shard) in process.shards.enumerated() {
            let own = found.filter { process.executor(of: $0.group) == place + 1 }
            shard.recover(own, at: self.moment(on: host))
            self.submit(.shard(.wake), place + 1, on: host)
        }
    }

    private mutating func stop(_ host: Int, losesUnsynced: Bool) {
        guard let process = self.hosts[host].process else { return }
        self.trace.record(self.now.nanoseconds, UInt64(host), 11)
        self.hosts[host].process = nil
        let count = self.hosts[host].disk.unsyncedCount
        self.hosts[host].disk.lose(keeping: losesUnsynced ? self.random.below(count + 1) : count)
        for other in self.hosts.indices where other != host {
            guard let life = self.hosts[other].process?.life else { continue }
            let time = self.now + self.random.duration(in: .milliseconds(200)...(.seconds(3)))
            self.queue.schedule(.hostGone(process.host, on: other, life: life), at: time)
        }
        // A kernel that lives ends the streams of its dead process.
        guard !losesUnsynced else { return }
        for other in self.hosts.indices where other != host && self.network.passes(.streams, from: host, to: other) {
            guard let life = self.hosts[other].process?.life else { continue }
            self.queue.schedule(.suspect(other, life: life, process.id), at: self.now + .milliseconds(1))
        }
    }

    private mutating func healAll() {
        self.network.healAll()
        for host in self.hosts.indices {
            self.hosts[host].isSlow = false
            self.hosts[host].wallError = 0
            if let process = self.hosts[host].process {
                process.service.fails = false
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

    // MARK: Disks

    /// Three voters survive the loss of one. A group that has not grown to three, as far as any of its voters knows, does not.
    private func mayDestroy(_ host: Int) -> Bool {
        (0..<self.scenario.groups).map { GroupID(UInt32($0)) }.allSatisfy { group in
            self.hosts[host].disk.image(of: group) == nil
                || self.hosts.allSatisfy { $0.disk.votersKnown(of: group).map { $0 >= 3 } ?? true }
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
        self.hosts[host].disk.lose(keeping: 0)
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
        self.hosts[host].disk = HostDisk(
            id: NodeID(high: self.random.next(), low: self.random.next()), groups: self.scenario.groups)
        self.checks.setUpAnew(host)
    }

    private mutating func loseSynced(_ host: Int) {
        for group in self.hosts[host].disk.loseSynced() {
            self.checks.damaged(host)
            self.checks.lost(group, on: host)
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

    /// SIGCONT: timers are due and inputs wait, each on a stream of its own; the seed says which a thread looks at first.
    mutating func resume(_ host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life, process.pausedUntil == self.now else {
            return
        }
        process.pausedUntil = nil
        for executor in process.executors.indices {
            let wake: ClusterProcess.Input = executor == 0 ? .hub(.wake) : .shard(.wake)
            process.executors[executor].isScheduled = false
            process.executors[executor].wakeAt = .distantFuture
            if self.random.below(2) == 0 { process.executors[executor].putRequestsFirst() }
            if self.random.below(2) == 0 { process.executors[executor].inbox.insert(wake, at: 0) }
            self.submit(wake, executor, on: host)
        }
    }
}
