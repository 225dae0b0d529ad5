internal import MeshCore
internal import MeshRuntime

/// Jobs of all shards of a host, in the order in which they were handed over, with one fsync at a time.
extension ClusterSimulation {
    mutating func perform(_ jobs: [GroupJob], on host: Int, _ process: ClusterProcess) {
        guard !jobs.isEmpty else { return }
        var answers: [GroupAnswer] = []
        for job in jobs {
            self.check(job, on: host)
            if let result = self.hosts[host].disk.perform(job) { answers.append(GroupAnswer(job.group, result)) }
            self.checkState(after: job, on: host)
        }
        self.checkConfigurations(after: jobs, process, on: host)
        // What needs no fsync is answered soon, not all of it together.
        while !answers.isEmpty {
            let count = 1 + self.random.below(answers.count)
            self.answer(
                Array(answers.prefix(count)), to: host, process,
                after: self.random.duration(in: .microseconds(20)...(.milliseconds(2))))
            answers.removeFirst(count)
        }
        self.sync(host)
    }

    private mutating func answer(
        _ answers: [GroupAnswer], to host: Int, _ process: ClusterProcess, after delay: Duration
    ) {
        process.answeredAt = max(process.answeredAt + .nanoseconds(1), self.now + delay)
        self.queue.schedule(.answers(host, life: process.life, answers), at: process.answeredAt)
    }

    mutating func deliver(_ answers: [GroupAnswer], to host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life else { return }
        for executor in 1...process.shards.count {
            let own = answers.filter { process.executor(of: $0.group) == executor }
            if !own.isEmpty { self.submit(.shard(.answers(own)), executor, on: host) }
        }
    }

    private mutating func sync(_ host: Int) {
        guard let process = self.hosts[host].process, !process.isSyncing else { return }
        let count = self.hosts[host].disk.unsyncedCount
        guard count > 0 else { return }
        process.isSyncing = true
        let latency: ClosedRange<Duration> =
            self.hosts[host].isSlow
            ? .milliseconds(5)...(.milliseconds(500)) : .microseconds(100)...(.milliseconds(4))
        self.queue.schedule(
            .sync(host, life: process.life, count: count), at: self.now + self.random.duration(in: latency))
    }

    mutating func synced(_ host: Int, life: UInt32, count: Int) {
        guard let process = self.hosts[host].process, process.life == life else { return }
        process.isSyncing = false
        let answers = self.hosts[host].disk.synced(
            count, at: self.now, keepsHistory: self.plan.kinds.contains(.losesynced))
        self.answer(answers, to: host, process, after: .zero)
        self.sync(host)
    }

    // MARK: Checks

    private mutating func check(_ job: GroupJob, on host: Int) {
        let group = Int(job.group.number)
        switch job.work {
        case .create:
            self.counters.begun += 1
            self.narrate(host, job.group, "begins here")
        case .write(let write):
            let before = self.hosts[host].disk.image(of: job.group)?.last(before: write)
            self.checks.wrote(write, after: before, group: group, on: host, at: self.now)
        case .snapshot(.finish): self.counters.snapshots += 1
        case .apply, .load, .read, .dropLog, .snapshot, .remove: break
        }
    }

    /// Replicas that have applied as much hold the same bytes.
    private mutating func checkState(after job: GroupJob, on host: Int) {
        guard case .apply(let batch, let position) = job.work, let image = self.hosts[host].disk.image(of: job.group)
        else {
            return
        }
        self.trace.record(self.now.nanoseconds, UInt64(host), position.index, image.machine.hash)
        self.checks.reached(
            position.index, hash: image.machine.hash, group: Int(job.group.number), on: host, at: self.now)
        self.partitions.applied(
            batch, through: position.index, of: Int(job.group.number), on: host, at: self.now)
    }

    private mutating func checkConfigurations(after jobs: [GroupJob], _ process: ClusterProcess, on host: Int) {
        for job in jobs {
            guard case .write = job.work else { continue }
            let group = job.group
            guard let logged = self.hosts[host].disk.image(of: group)?.history.latest.index else { continue }
            process.shard(of: group).raft(of: group) {
                self.checks.stepped($0, logged: logged, on: host, at: self.now)
            }
        }
    }
}
