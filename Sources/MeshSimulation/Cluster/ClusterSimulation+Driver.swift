internal import MeshCore
internal import MeshRuntime

/// What a daemon does around its shards: gives them turns, and does what these want.
extension ClusterSimulation {
    /// As in the production driver.
    private static var inlineRoundsMax: Int { 64 }

    // MARK: Turns

    mutating func submit(_ input: ClusterProcess.Input, to group: GroupID, on host: Int) {
        guard let executor = self.hosts[host].process?.executor(of: group) else { return }
        self.submit(input, executor, on: host)
    }

    mutating func submit(_ input: ClusterProcess.Input, _ executor: Int, on host: Int) {
        guard let process = self.hosts[host].process else { return }
        process.executors[executor].inbox.append(input)
        self.schedule(executor, on: host, process)
    }

    mutating func tellShards(_ input: PartitionShard.Input, on host: Int) {
        guard let process = self.hosts[host].process else { return }
        for place in process.shards.indices { self.submit(.shard(input), place + 1, on: host) }
    }

    private mutating func schedule(_ executor: Int, on host: Int, _ process: ClusterProcess) {
        guard !process.executors[executor].isScheduled, process.pausedUntil == nil else { return }
        process.executors[executor].isScheduled = true
        self.queue.schedule(
            .turn(host, life: process.life, executor: executor), at: self.now + self.schedulingDelay())
    }

    /// Threads wait for a core, now and then for long, and once in a while so long that the others must do without.
    private mutating func schedulingDelay() -> Duration {
        switch self.random.below(4_096) {
        case 0 where self.plan.kinds.contains(.pause) && self.now < self.scenario.healAt:
            self.random.duration(in: .milliseconds(10)...(.milliseconds(300)))
        case 0..<16: self.random.duration(in: .microseconds(30)...(.milliseconds(3)))
        default: self.random.duration(in: .microseconds(1)...(.microseconds(30)))
        }
    }

    mutating func wake(_ executor: Int, on host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life,
            process.executors[executor].wakeAt == self.now
        else { return }
        process.executors[executor].wakeAt = .distantFuture
        guard process.pausedUntil == nil else { return }
        self.checks.woke(host, at: self.now)
        self.submit(executor == 0 ? .hub(.wake) : .shard(.wake), executor, on: host)
    }

    mutating func takeTurn(_ executor: Int, on host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life, process.executors[executor].isScheduled
        else { return }
        process.executors[executor].isScheduled = false
        guard process.pausedUntil == nil else { return }
        self.counters.turns += 1
        let inputs = process.executors[executor].inbox
        process.executors[executor].inbox = []
        // Sampled after the inputs were taken from their queue.
        let moment = self.moment(on: host)
        if executor == 0 {
            self.takeHubTurn(inputs, process, on: host, at: moment)
            self.arm(executor, process, due: process.hub.nextWake, on: host)
        } else {
            let shard = process.shards[executor - 1]
            for case .shard(let input) in inputs {
                shard.step(input, at: moment)
                self.check(process, on: host)
            }
            for _ in 0..<Self.inlineRoundsMax {
                let outputs = shard.takeOutputs()
                guard !outputs.isEmpty else { break }
                for input in self.serve(outputs, process, on: host) {
                    shard.step(input, at: moment)
                    self.check(process, on: host)
                }
            }
            let turn = shard.finish(at: moment)
            self.check(process, on: host)
            self.perform(turn, of: executor, process, on: host)
            self.arm(executor, process, due: shard.nextWake, on: host)
        }
    }

    func moment(on host: Int) -> Moment {
        Moment(
            now: self.hosts[host].clock.reading(at: self.now),
            wall: UInt64(Int64(self.wall) + self.hosts[host].wallError))
    }

    /// What wall clocks that are right show, in milliseconds since 1970.
    var wall: UInt64 { 1_700_000_000_000 + self.now.nanoseconds / 1_000_000 }

    mutating func arm(_ executor: Int, _ process: ClusterProcess, due: Instant, on host: Int) {
        let time = max(self.now, self.hosts[host].clock.time(of: due))
        guard time < process.executors[executor].wakeAt else { return }
        process.executors[executor].wakeAt = time
        self.queue.schedule(.wake(host, life: process.life, executor: executor), at: time)
    }

    private mutating func takeHubTurn(
        _ inputs: [ClusterProcess.Input], _ process: ClusterProcess, on host: Int, at moment: Moment
    ) {
        var effects: [HeartbeatHub.Effect] = []
        for case .hub(let input) in inputs { process.hub.step(input, at: moment, into: &effects) }
        for effect in effects {
            switch effect {
            case .send(let frame, let node):
                self.counters.heartbeats += 1
                self.send(frame, to: node, from: host)
            case .ask(let shard, let question): self.submit(.shard(.heartbeat(question)), shard.number, on: host)
            case .malformed: self.checks.undecodable(on: host, at: self.now)
            }
        }
    }

    private mutating func perform(
        _ turn: PartitionShard.Turn, of executor: Int, _ process: ClusterProcess, on host: Int
    ) {
        self.perform(turn.jobs, on: host, process)
        for (node, frame) in turn.frames { self.send(frame, to: node, from: host) }
        for answer in turn.heartbeats { self.submit(.hub(.shard(ShardID(executor), answer)), 0, on: host) }
        for change in turn.roles {
            self.trace.record(
                self.now.nanoseconds, UInt64(host), UInt64(change.group.number), UInt64(change.role.rawValue),
                change.term)
            self.narrate(host, change.group, "\(change.role) in term \(change.term)")
        }
        for (group, request) in turn.strays { self.strayed(request, group, process, on: host) }
        for input in self.serve(turn.outputs, process, on: host) { self.submit(.shard(input), executor, on: host) }
    }

    // MARK: Checks

    private mutating func check(_ process: ClusterProcess, on host: Int) {
        for event in process.recorder.drain() {
            switch event {
            case .elected(let raft):
                self.counters.elections += 1
                self.checks.elected(raft, group: Int(raft.group.number), on: host, at: self.now)
            case .applied(let entries, let group, let term, let isLeader):
                self.checks.applied(entries, group: Int(group.number), in: term, on: host, at: self.now)
                if isLeader { self.checkHolders(of: entries, group, on: host) }
            case .asked(let request, let message, let raft):
                self.checks.asked(request, message, group: Int(raft.group.number), of: raft, on: host)
            case .refused(let reason): self.checks.refused(reason, on: host, at: self.now)
            case .transferred: self.counters.transfers += 1
            case .removed(let group):
                self.counters.removed += 1
                self.narrate(host, group, "removed")
            }
        }
    }

    /// What a leader has applied it is about to tell others of: it must be where every later quorum has it.
    private mutating func checkHolders(of entries: [LogEntry], _ group: GroupID, on host: Int) {
        guard let last = entries.last(where: { $0.kind == .command }) else { return }
        let replicas = self.newestReplicas(of: group)
        let holders = replicas.voters.filter { voter in
            guard let place = self.places[voter.node] else { return false }
            return self.hosts[place].disk.durableEnd(of: group, as: voter).map { $0 >= last.index } ?? false
        }
        self.checks.committed(
            last.position, group: Int(group.number), holders: holders.count, of: replicas, on: host, at: self.now)
    }
    /// The newest configuration that anybody knows to be committed: whoever acknowledges may have slept while replicas moved.
    private func newestReplicas(of group: GroupID) -> ReplicaSet {
        let versions = self.hosts.compactMap { host in
            host.process?.shard(of: group).raft(of: group) { $0.history.version(at: $0.commit) }
        }
        return versions.max { $0.index < $1.index }?.replicas ?? .empty
    }
}
