internal import MeshCore

/// What befalls hosts and processes.
extension MembershipSimulation {
    mutating func inflict(_ fault: Fault) {
        self.trace.record(self.now.nanoseconds, 9)
        self.narrative.add("\(self.now) ! \(fault)")
        switch fault.action {
        case .weather(let weather):
            self.network.weather = weather
            self.truth.disturbed()
        case .cut(let cuts):
            for cut in cuts { self.network.apply(cut) }
            self.truth.disturbed()
        case .heal(let number):
            self.network.heal(fault: number)
            self.truth.disturbed()
            // The promise is about a net that works again, so it waits for the last of the cuts.
            if !self.network.isCut {
                self.queue.schedule(
                    .checkHealed(disturbances: self.truth.disturbances),
                    at: self.now + self.scenario.configuration.pushPullInterval * 2)
            }
        case .pause(let host, let length): self.pause(host, for: length)
        case .starve(let host, let pause, let work, let until):
            self.hosts[host].process?.starving = (pause, work, until)
            self.pause(host, for: pause)
        case .kill(let host): self.kill(host)
        case .powerOff(let host):
            self.hosts[host].isPowered = false
            self.kill(host)
        case .start(let host):
            // A host that was here before comes back by what it remembers, a newcomer through the seeds.
            self.startProcess(on: host, joins: self.hosts[host].disk.remembered.isEmpty)
        case .startWiped(let host): self.startWiped(host)
        case .leave(let host):
            guard self.hosts[host].process?.pausedUntil == nil else { break }
            self.step(.leave, on: host)
            // It runs on until the others know; what they then believe is right, though it still runs.
            self.truth.disturbed()
        case .raiseEvent(let host): self.raiseEvent(host)
        case .retag(let host): self.retag(host)
        case .advertise(let host):
            if self.hosts[host].process?.pausedUntil == nil { self.advertise(host) }
        case .healAll: self.healAll()
        }
    }

    private mutating func healAll() {
        self.network.healAll()
        for host in self.hosts.indices {
            guard let process = self.hosts[host].process else { continue }
            self.hosts[host].process?.starving = nil
            if process.pausedUntil != nil {
                self.hosts[host].process?.pausedUntil = self.now
                self.resume(host, life: process.life)
            }
        }
        self.truth.disturbed()
    }

    // MARK: Processes

    mutating func startProcess(on host: Int, joins: Bool) {
        guard self.hosts[host].process == nil else { return }
        self.hosts[host].isPowered = true
        self.hosts[host].lives += 1
        let forgets = self.scenario.mutation == .forgottenEpoch && self.hosts[host].disk.bootEpoch > 0
        if !forgets { self.hosts[host].disk.bootEpoch += 1 }
        let disk = self.hosts[host].disk
        let boot = Boot(epoch: disk.bootEpoch, nonce: self.random.next())
        let description = MemberDescription(
            id: disk.id, boot: boot, endpoint: self.hosts[host].endpoint, name: "host-\(host)", zone: "z\(host % 3)",
            version: "0.1.0", tags: disk.tags)
        let membership = Membership(
            local: description, configuration: self.scenario.configuration, seed: self.random.next(),
            at: self.hosts[host].clock.reading(at: self.now))
        self.hosts[host].process = Process(membership: membership, life: self.hosts[host].lives, boot: boot)
        self.truth.started(disk.id, boot: boot, process: self.hosts[host].lives, on: host, at: self.now)
        self.checks.started(disk.id, on: host)
        self.trace.record(self.now.nanoseconds, UInt64(host), 10, disk.bootEpoch)
        if !disk.remembered.isEmpty { self.step(.remember(disk.remembered), on: host) }
        self.advertise(host)
        if joins { self.join(host) }
    }

    private mutating func startWiped(_ host: Int) {
        guard self.hosts[host].process == nil else { return }
        self.hosts[host].disk = Host.Disk(id: NodeID(high: self.random.next(), low: self.random.next()))
        self.startProcess(on: host, joins: true)
    }

    private mutating func kill(_ host: Int) {
        guard let process = self.hosts[host].process else { return }
        self.checks.detection.killed(
            process.membership.local.id, boot: process.boot, witnesses: self.truth.runningHosts, on: host,
            at: self.now)
        self.stopProcess(on: host)
    }

    mutating func stopProcess(on host: Int) {
        guard let process = self.hosts[host].process else { return }
        self.trace.record(self.now.nanoseconds, UInt64(host), 11)
        // The dead too: during a partition these are the other half, and without them a half that restarts stays alone.
        // As the daemon does: those known now, and those remembered before and not met since.
        let members = process.membership.members.filter { $0.description.id != process.membership.local.id }
        let met = Set(members.map(\.description.id))
        self.hosts[host].disk.remembered =
            members.filter { $0.state != .left }.map(\.description)
            + self.hosts[host].disk.remembered.filter { !met.contains($0.id) }
        self.hosts[host].process = nil
        for input in process.waiting { self.discard(input) }
        self.abandonStreams(of: process, on: host)
        self.truth.stopped(host)
        self.checks.stopped(host, at: self.now)
    }

    // MARK: Pauses

    private mutating func pause(_ host: Int, for length: Duration) {
        guard let process = self.hosts[host].process else { return }
        let until = self.now + length
        self.truth.paused(host, true)
        if let already = process.pausedUntil, already >= until { return }
        self.hosts[host].process?.pausedUntil = until
        self.queue.schedule(.resume(host, life: process.life), at: until)
    }

    /// SIGCONT: timers are due and inputs wait, and nobody says which a program looks at first. So the seed does.
    mutating func resume(_ host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life, process.pausedUntil == self.now else {
            return
        }
        let waiting = process.waiting
        process.pausedUntil = nil
        process.waiting = []
        process.waitingDatagramBytes = 0
        self.truth.paused(host, false)
        let timersAt =
            switch self.random.below(3) {
            case 0: 0
            case 1: waiting.count
            default: self.random.below(waiting.count + 1)
            }
        for (index, input) in waiting.enumerated() {
            if index == timersAt { self.wakeIfDue(host, life: life) }
            guard self.hosts[host].process?.life == life else {
                self.discard(input)
                continue
            }
            self.handle(input, on: host)
        }
        if timersAt == waiting.count { self.wakeIfDue(host, life: life) }
        self.starveOn(host)
    }

    private mutating func wakeIfDue(_ host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life else { return }
        self.hosts[host].process?.wakeAt = self.now
        self.wake(host, life: life)
    }

    private mutating func starveOn(_ host: Int) {
        guard let process = self.hosts[host].process, let starving = process.starving else { return }
        guard self.now < starving.until else {
            self.hosts[host].process?.starving = nil
            return
        }
        self.queue.schedule(
            .fault(Fault(at: self.now + starving.work, action: .pause(host, for: starving.pause))),
            at: self.now + starving.work)
    }

    // MARK: News

    private mutating func raiseEvent(_ host: Int) {
        guard let process = self.hosts[host].process, process.pausedUntil == nil else { return }
        let payload = (0..<16).map { _ in UInt8(self.random.below(256)) }
        self.step(.raise(name: "deployed", payload: payload), on: host)
    }

    private mutating func retag(_ host: Int) {
        guard let process = self.hosts[host].process, process.pausedUntil == nil else { return }
        self.hosts[host].disk.tags = [
            Label("rack", "r\(self.random.below(40))"), Label("tier", "\(self.random.below(3))"),
        ]
        self.step(.retag(self.hosts[host].disk.tags), on: host)
        self.truth.disturbed()
    }

    private mutating func advertise(_ host: Int) {
        let names = ["gpu.memory.free", "load", "models.loaded", "queue.depth"]
        let labels = (0..<self.scenario.capabilities).map { index in
            Label(index < names.count ? names[index] : "field.\(index)", "\(self.random.below(80))GiB")
        }
        self.step(.advertise(labels), on: host)
        self.truth.disturbed()
    }
}
