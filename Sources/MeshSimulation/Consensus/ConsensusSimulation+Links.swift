internal import MeshCore

/// Messages and heartbeats between hosts, encoded as on the wire.
extension ConsensusSimulation {
    // MARK: Groups

    mutating func send(_ message: RaftMessage, _ group: Int, from host: Int) {
        guard let process = self.hosts[host].process else { return }
        self.checks.sent(message, group: group, on: host, at: self.now)
        var writer = WireWriter()
        writer.write(message)
        self.counters.messages += 1
        self.counters.messageBytes += writer.count
        guard let target = self.places[message.to.node] else { return }
        self.carry(.message(writer.bytes, from: host, process.id, process.boot), from: host, to: target)
    }

    private mutating func carry(_ input: ConsensusProcess.Input, from host: Int, to target: Int) {
        let arrivals = self.network.arrivals(ofDatagramFrom: host, to: target)
        for delay in [arrivals.first, arrivals.second] {
            guard let delay else { continue }
            // Late ones come within a run that is shorter than the network's longest delay.
            var time = self.now + (delay > .seconds(30) ? delay / 6 : delay)
            let lane = host * self.hosts.count + target
            if self.network.weather.extraJitter == .zero, delay < .seconds(1) {
                time = max(time, self.latest[lane] + .nanoseconds(1))
                self.latest[lane] = time
            }
            self.queue.schedule(.input(target, life: nil, input), at: time)
        }
    }

    mutating func receive(message bytes: [UInt8], from sender: NodeID, on host: Int) {
        self.trace.record(self.now.nanoseconds, sender.low, UInt64(host), 1)
        self.trace.record(bytes)
        var reader = WireReader(bytes.raw)
        guard let message = try? reader.raftMessage() else {
            return self.checks.undecodable(on: host, at: self.now)
        }
        let group = Int(message.group.number)
        guard self.hosts.indices.contains(host), group < self.scenario.groups, message.from.node == sender else {
            return
        }
        self.createReplica(for: message, group, on: host)
        if case .voteRequest(let request) = message.body {
            let raft = self.hosts[host].process?.groups[group]
            self.checks.asked(request, message, group: group, of: raft, on: host)
        }
        self.step(.received(message), group, on: host)
    }

    /// A leader speaks to a replica that is not here yet: an entry has added it.
    ///
    /// Only appends and snapshots make one, for a candidate may ask for one that was removed; and only one that was added
    /// later than any that was here.
    private mutating func createReplica(for message: RaftMessage, _ group: Int, on host: Int) {
        guard let process = self.hosts[host].process, message.to.node == process.id else { return }
        switch message.body {
        case .append, .snapshotChunk: break
        default: return
        }
        if let existing = process.groups[group] {
            guard existing.id.addedAt < message.to.addedAt else { return }
        } else if self.scenario.flaw != .replicaIsNode {
            guard message.to.addedAt > self.hosts[host].disk.tombstones[group] ?? 0 else { return }
        }
        self.narrate(host, group, "is replica \(message.to.addedAt) from here on")
        self.hosts[host].disk.replicas[group] = ReplicaDisk(id: message.to, replicas: .empty)
        process.proposed[group] = [:]
        process.reading[group] = [:]
        self.startReplica(group, on: host)
    }

    mutating func startReplica(_ group: Int, on host: Int) {
        guard let process = self.hosts[host].process, let disk = self.hosts[host].disk.replicas[group] else { return }
        let recovered = disk.recovered(
            group: GroupID(UInt32(group)), incarnation: self.incarnations[group], settings: self.settings)
        self.checks.started(recovered, group: group, on: host, at: self.now)
        if recovered.lost != nil {
            self.counters.shortReplicas += 1
            self.narrate(host, group, "short: \(recovered.log.last.index) of \(recovered.lost ?? 0)")
        }
        process.groups[group] = Raft(
            recovered, life: process.boot.epoch, settings: self.settings, seed: self.random.next(),
            at: self.hosts[host].clock.reading(at: self.now))
    }

    // MARK: Nodes

    mutating func sendHeartbeat(from host: Int, to node: NodeID) {
        guard let process = self.hosts[host].process, let target = self.places[node] else { return }
        var heartbeat = Heartbeat(stamp: self.hosts[host].clock.reading(at: self.now))
        for raft in process.groups {
            if let (claim, isAsleep) = raft?.claim(on: node) { heartbeat.add(claim, isAsleep: isAsleep) }
        }
        var writer = WireWriter()
        writer.write(heartbeat)
        self.counters.heartbeats += 1
        self.carry(.heartbeat(writer.bytes, from: host, process.id, process.boot), from: host, to: target)
    }

    /// Compares and renews in one step, and answers what was renewed.
    mutating func receive(heartbeat bytes: [UInt8], from sender: NodeID, at origin: Int, boot: Boot, on host: Int) {
        guard let process = self.hosts[host].process else { return }
        var reader = WireReader(bytes.raw)
        guard let heartbeat = try? reader.heartbeat() else { return self.checks.undecodable(on: host, at: self.now) }
        let instant = self.hosts[host].clock.reading(at: self.now)
        guard process.heartbeats.accept(heartbeat, from: sender, boot: boot.epoch, at: instant) else { return }
        var answer = HeartbeatAnswer(to: heartbeat)
        for claim in heartbeat.awake {
            let group = Int(claim.group.number)
            guard group < self.scenario.groups, process.groups[group] != nil else { continue }
            var isRenewed = false
            self.perform(group, of: host) { isRenewed = $0.renew(claim, by: sender, at: instant, into: &$1) }
            if isRenewed { answer.renewed.append(claim.group) }
            if let term = process.groups[group]?.term, term > claim.term {
                answer.deposed.append(.init(group: claim.group, term: term))
            }
        }
        var hash = ClaimHash()
        for raft in process.groups { if let claim = raft?.sleepingClaim(under: sender) { hash.add(claim) } }
        answer.sleepersAgree = hash == heartbeat.asleep
        for group in process.groups.indices where process.groups[group] != nil {
            if answer.sleepersAgree {
                process.groups[group]!.renewAsleep(under: sender, at: instant)
            } else {
                process.groups[group]!.wakeUp(under: sender, at: instant)
            }
        }
        var writer = WireWriter()
        writer.write(answer)
        self.carry(.answer(writer.bytes, from: host, process.id, process.boot), from: host, to: origin)
    }

    mutating func receive(answer bytes: [UInt8], from sender: NodeID, on host: Int) {
        guard let process = self.hosts[host].process else { return }
        var reader = WireReader(bytes.raw)
        guard let answer = try? reader.heartbeatAnswer() else {
            return self.checks.undecodable(on: host, at: self.now)
        }
        for group in answer.renewed where Int(group.number) < self.scenario.groups {
            self.step(
                .peer(.renewed(sender, stamp: answer.stamp, asleep: false)), Int(group.number), on: host)
        }
        for deposition in answer.deposed where Int(deposition.group.number) < self.scenario.groups {
            self.step(.peer(.deposed(deposition.term)), Int(deposition.group.number), on: host)
        }
        for group in process.groups.indices where process.groups[group]?.claim(on: sender)?.isAsleep == true {
            let agrees = answer.sleepersAgree
            self.step(
                .peer(
                    agrees || self.scenario.flaw == .sleepersAlwaysRenewed
                        ? .renewed(sender, stamp: answer.stamp, asleep: true) : .differs(sender)), group, on: host)
        }
        if !answer.sleepersAgree {
            process.heartbeats.hasten(sender, at: self.hosts[host].clock.reading(at: self.now))
        }
    }
}
