internal import MeshCore

/// What a daemon does around its groups: feeds inputs, performs effects, decides nothing.
extension ConsensusSimulation {
    // MARK: Inputs

    mutating func dispatch(_ input: ConsensusProcess.Input, to host: Int) {
        guard let process = self.hosts[host].process else { return }
        guard process.pausedUntil == nil else { return process.waiting.append(input) }
        self.handle(input, on: host)
    }

    mutating func handle(_ input: ConsensusProcess.Input, on host: Int) {
        guard let process = self.hosts[host].process else { return }
        switch input {
        case .wake: self.wakeGroups(on: host)
        case .message(let bytes, _, let sender, let boot):
            guard self.admits(boot, of: sender, on: host) else { return }
            self.receive(message: bytes, from: sender, on: host)
        case .heartbeat(let bytes, let from, let sender, let boot):
            guard self.admits(boot, of: sender, on: host) else { return }
            self.receive(heartbeat: bytes, from: sender, at: from, boot: boot, on: host)
        case .answer(let bytes, _, let sender, let boot):
            guard self.admits(boot, of: sender, on: host) else { return }
            self.receive(answer: bytes, from: sender, on: host)
        case .stored(let group, let sequence, let installed):
            if let sequence { self.step(.stored(through: sequence), group, on: host) }
            if let installed {
                process.proposed[group] = [:]
                self.step(.snapshot(.installed(installed)), group, on: host)
            }
        case .raft(let group, let input): self.step(input, group, on: host)
        case .operation(let operation): self.begin(operation, on: host)
        }
        self.arm(host, process)
    }

    /// As the handshake of a stream does.
    private mutating func admits(_ boot: Boot, of sender: NodeID, on host: Int) -> Bool {
        self.hosts[host].disk.knownBoots.admit(boot, of: sender)
    }

    mutating func step(_ input: Raft.Input, _ group: Int, on host: Int) {
        guard let process = self.hosts[host].process, process.groups[group] != nil else { return }
        // Sampled after the input was taken from its queue.
        let instant = self.hosts[host].clock.reading(at: self.now)
        self.perform(group, of: host) { raft, effects in raft.step(input, at: instant, into: &effects) }
    }

    mutating func perform(_ group: Int, of host: Int, _ body: (inout Raft, inout Raft.Effects) -> Void) {
        guard let process = self.hosts[host].process, process.groups[group] != nil else { return }
        var effects = self.effects.popLast() ?? Raft.Effects()
        effects.clear()
        body(&process.groups[group]!, &effects)
        for effect in effects.list { self.perform(effect, group, of: host) }
        self.effects.append(effects)
        if let raft = process.groups[group], let disk = self.hosts[host].disk.replicas[group] {
            self.checks.stepped(raft, logged: disk.current.history.latest.index, on: host, at: self.now)
        }
    }

    // MARK: Wakes

    private func nextWake(of process: ConsensusProcess, on host: Int) -> VirtualTime {
        var next = process.heartbeats.nextWake
        for raft in process.groups { if let raft { next = min(next, raft.nextWake) } }
        return max(self.now, self.hosts[host].clock.time(of: next))
    }

    mutating func arm(_ host: Int, _ process: ConsensusProcess) {
        let due = self.nextWake(of: process, on: host)
        guard due < process.wakeAt else { return }
        process.wakeAt = due
        self.queue.schedule(.wake(host, life: process.life), at: due)
    }

    mutating func wake(_ host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life, process.wakeAt == self.now else { return }
        process.wakeAt = .distantFuture
        guard process.pausedUntil == nil else { return }
        self.checks.woke(host, at: self.now)
        self.handle(.wake, on: host)
    }

    private mutating func wakeGroups(on host: Int) {
        guard let process = self.hosts[host].process else { return }
        let instant = self.hosts[host].clock.reading(at: self.now)
        for group in process.groups.indices {
            if let raft = process.groups[group], raft.nextWake <= instant { self.step(.wake, group, on: host) }
        }
        for node in process.heartbeats.fallenSilent(at: instant) {
            for group in process.groups.indices { self.step(.peer(.silent(node)), group, on: host) }
        }
        for node in process.heartbeats.due(at: instant) { self.sendHeartbeat(from: host, to: node) }
    }

    // MARK: Effects

    private mutating func perform(_ effect: Raft.Effect, _ group: Int, of host: Int) {
        guard let process = self.hosts[host].process else { return }
        switch effect {
        case .send(let message): self.send(message, group, from: host)
        case .write(let write):
            let image = self.hosts[host].disk.replicas[group]?.current
            self.checks.wrote(write, after: image?.last(before: write), group: group, on: host, at: self.now)
            self.hosts[host].disk.replicas[group]?.write(.log(write), sequence: write.sequence)
            self.sync(host)
        case .load(let request):
            guard let disk = self.hosts[host].disk.replicas[group] else { return }
            self.remind(
                .raft(group: group, .loaded(request.purpose, disk.load(request))), host, process,
                after: self.random.duration(in: .microseconds(20)...(.milliseconds(2))))
        case .apply(let entries): self.apply(entries, group, of: host)
        case .accepted(let id, let position):
            if process.operations[id] != nil { process.proposed[group][position.index] = (position.term, id) }
        case .rejected(let id, let reason): self.rejected(id, reason, on: host)
        case .readReady(let id): self.readReady(id, on: host)
        case .transferred: self.counters.transfers += 1
        case .snapshot(let effect): self.perform(effect, group, of: host)
        case .dropLog(let index):
            self.hosts[host].disk.replicas[group]?.write(.drop(index))
            self.sync(host)
        case .changed(let role, let term, _): self.changed(role, term, group, on: host)
        case .ready(let term): self.narrate(host, group, "ready in term \(term)")
        case .removed: self.remove(group, from: host)
        case .refused(let reason):
            self.counters.refused[reason, default: 0] += 1
            self.checks.refused(reason, on: host, at: self.now)
        }
    }

    private mutating func apply(_ entries: [LogEntry], _ group: Int, of host: Int) {
        guard let process = self.hosts[host].process, let raft = process.groups[group], let last = entries.last else {
            return
        }
        self.checks.applied(entries, group: group, in: raft.term, on: host, at: self.now)
        self.hosts[host].disk.replicas[group]?.write(.applied(entries, through: last.index))
        self.sync(host)
        if let machine = self.hosts[host].disk.replicas[group]?.current.machine {
            self.checks.reached(last.index, hash: machine.hash, group: group, on: host, at: self.now)
        }
        self.trace.record(self.now.nanoseconds, UInt64(host), 4, last.index, last.term)
        for entry in entries { self.answerProposal(at: entry, group, on: host) }
        self.remind(
            .raft(group: group, .applied(through: last.index)), host, process,
            after: self.random.duration(in: .microseconds(10)...(.microseconds(300))))
    }

    private mutating func perform(_ effect: SnapshotEffect, _ group: Int, of host: Int) {
        guard let process = self.hosts[host].process else { return }
        let delay = self.random.duration(in: .microseconds(20)...(.milliseconds(2)))
        switch effect {
        case .open(let receiver):
            guard let image = self.hosts[host].disk.replicas[group]?.current,
                let term = process.groups[group]?.log.term(at: image.applied)
            else { return }
            let position = LogPosition(index: image.applied, term: term)
            process.reading[group][receiver] = (position, image.machine.snapshot)
            self.remind(.raft(group: group, .snapshot(.opened(to: receiver, position))), host, process, after: delay)
        case .readChunk(let receiver, let position, let offset, let bytesMax):
            guard let open = process.reading[group][receiver], open.position == position else { return }
            let start = min(Int(offset), open.bytes.count)
            let end = min(start + bytesMax, open.bytes.count)
            self.remind(
                .raft(
                    group: group,
                    .snapshot(
                        .chunkRead(
                            to: receiver, position, offset: offset, bytes: Array(open.bytes[start..<end]),
                            isLast: end == open.bytes.count))), host, process, after: delay)
        case .close(let receiver): process.reading[group][receiver] = nil
        case .begin, .chunk, .finish, .discard:
            if case .finish = effect { self.counters.snapshots += 1 }
            self.hosts[host].disk.replicas[group]?.write(.install(effect))
            self.sync(host)
        }
    }

    private mutating func changed(_ role: Raft.Role, _ term: Term, _ group: Int, on host: Int) {
        guard let raft = self.hosts[host].process?.groups[group] else { return }
        self.trace.record(self.now.nanoseconds, UInt64(host), 3, UInt64(role.rawValue), term)
        self.narrate(host, group, "\(role) in term \(term), log \(raft.log.last), commit \(raft.commit)")
        guard role == .leader else { return }
        self.counters.elections += 1
        self.checks.elected(raft, group: group, on: host, at: self.now)
    }

    /// This replica is no longer one: its data go, and that it was here stays known.
    private mutating func remove(_ group: Int, from host: Int) {
        guard let process = self.hosts[host].process, let raft = process.groups[group] else { return }
        self.narrate(host, group, "removed")
        self.hosts[host].disk.tombstones[group] = max(
            self.hosts[host].disk.tombstones[group] ?? 0, raft.id.addedAt)
        self.hosts[host].disk.replicas[group] = nil
        process.groups[group] = nil
        process.proposed[group] = [:]
        process.reading[group] = [:]
    }

    mutating func remind(
        _ input: ConsensusProcess.Input, _ host: Int, _ process: ConsensusProcess, after delay: Duration
    ) {
        self.queue.schedule(.input(host, life: process.life, input), at: self.now + delay)
    }

    mutating func narrate(_ host: Int, _ group: Int, _ text: @autoclosure () -> String) {
        guard self.narrative.isOn else { return }
        let line = "\(self.now) \(host)/\(group): \(text())"
        self.narrative.add(line)
    }
}
