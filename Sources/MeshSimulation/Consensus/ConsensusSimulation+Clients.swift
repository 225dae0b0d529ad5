internal import MeshCore

/// Clients that write and read registers, and an operator that repairs and rearranges.
extension ConsensusSimulation {
    // MARK: Clients

    mutating func operate() {
        for group in 0..<self.scenario.groups where !self.isResting(group) { self.begin(inGroup: group) }
        let interval = Duration.nanoseconds(2_000_000_000 / Int64(max(1, self.scenario.operations)))
        self.queue.schedule(.operate, at: self.now + self.random.duration(in: .microseconds(100)...interval))
    }

    /// Groups rest four of every eight seconds, except at the end.
    private func isResting(_ group: Int) -> Bool {
        guard self.plan.kinds.contains(.idle), self.now < self.scenario.healAt else { return false }
        let second = Int((self.now - .zero) / .seconds(1))
        // Now and then somebody asks anyway.
        return (second + group) % 8 >= 4 && self.now.nanoseconds % 16 != 0
    }

    private mutating func begin(inGroup group: Int) {
        self.lastOperation += 1
        let key = self.random.below(RegisterMachine.keys)
        let operation = ConsensusProcess.Operation(
            id: self.lastOperation, group: group, key: key,
            value: self.random.below(2) == 0 ? self.lastOperation : nil,
            floor: self.checks.registers.floor(group: group, key: key))
        // Any host that thinks it leads, also one that does so no longer; or any host at all.
        let leaders = self.hosts.indices.filter { self.hosts[$0].process?.groups[group]?.role == .leader }
        let host =
            leaders.isEmpty || self.random.below(8) == 0
            ? self.random.below(self.hosts.count) : leaders[self.random.below(leaders.count)]
        self.dispatch(.operation(operation), to: host)
    }

    mutating func begin(_ operation: ConsensusProcess.Operation, on host: Int) {
        guard let process = self.hosts[host].process, process.groups[operation.group] != nil else { return }
        process.operations[operation.id] = operation
        if let value = operation.value {
            let payload = RegisterMachine.Command(key: operation.key, value: value).payload
            self.step(.propose([.init(id: operation.id, payload: payload)]), operation.group, on: host)
        } else {
            self.step(.read(operation.id), operation.group, on: host)
        }
    }

    /// Nothing was appended, so it may be tried elsewhere.
    mutating func rejected(_ id: UInt64, _ reason: Raft.Rejection, on host: Int) {
        guard let operation = self.hosts[host].process?.operations.removeValue(forKey: id) else { return }
        guard case .notLeader(let leader?) = reason, operation.retries > 0, let target = self.places[leader.node] else {
            return
        }
        var again = operation
        again.retries -= 1
        self.queue.schedule(.input(target, life: nil, .operation(again)), at: self.now + .microseconds(300))
    }

    mutating func readReady(_ id: UInt64, on host: Int) {
        guard let operation = self.hosts[host].process?.operations.removeValue(forKey: id),
            let machine = self.hosts[host].disk.replicas[operation.group]?.current.machine
        else { return }
        self.counters.reads += 1
        self.trace.record(self.now.nanoseconds, UInt64(host), 6, machine.versions[operation.key])
        self.checks.read(
            version: machine.versions[operation.key], floor: operation.floor, group: operation.group,
            key: operation.key, on: host, at: self.now)
    }

    /// The write that became this entry, if it was proposed here, is answered when it is applied here.
    mutating func answerProposal(at entry: LogEntry, _ group: Int, on host: Int) {
        guard let process = self.hosts[host].process,
            let proposed = process.proposed[group].removeValue(forKey: entry.index),
            let operation = process.operations.removeValue(forKey: proposed.id), proposed.term == entry.term
        else { return }
        self.counters.writes += 1
        let replicas = self.newestReplicas(of: group)
        let holders = replicas.voters.filter { voter in
            guard let place = self.places[voter.node], let disk = self.hosts[place].disk.replicas[group] else {
                return false
            }
            return disk.id == voter && disk.durable.last.index >= entry.index
        }
        self.checks.acknowledged(
            entry.position, group: group, key: operation.key, holders: holders.count, of: replicas, on: host,
            at: self.now)
    }

    /// The newest configuration that anybody knows to be committed: whoever acknowledges may have slept while replicas moved.
    private func newestReplicas(of group: Int) -> ReplicaSet {
        let rafts = self.hosts.compactMap { $0.process?.groups[group] }
        return rafts.map { $0.history.version(at: $0.commit) }.max { $0.index < $1.index }?.replicas ?? .empty
    }

    // MARK: Operator

    /// Whoever thinks it leads the group, also leaders of the past.
    private mutating func someLeader(of group: Int) -> Int? {
        let leaders = self.hosts.indices.filter {
            self.hosts[$0].process?.groups[group]?.role == .leader && self.hosts[$0].process?.pausedUntil == nil
        }
        return leaders.isEmpty ? nil : leaders[self.random.below(leaders.count)]
    }

    /// Replaces replicas whose node is gone: learner, catch up, remove the dead, promote.
    mutating func administer() {
        for group in 0..<self.scenario.groups {
            guard let host = self.someLeader(of: group),
                let replicas = self.hosts[host].process?.groups[group]?.replicas
            else { continue }
            let dead = replicas.all.first { self.places[$0.node] == nil || self.isRefused($0.node) }
            if let learner = replicas.learners.first {
                if self.places[learner.node] == nil {
                    self.change(.remove(learner), group, on: host)
                } else if let dead, dead != learner, replicas.voters.count > 2, self.isNear(learner, group, on: host) {
                    self.change(.remove(dead), group, on: host)
                } else {
                    self.change(.promote(learner), group, on: host)
                }
            } else if dead != nil || replicas.voters.count < 3 {
                self.addSomebody(to: replicas, group, on: host)
            }
        }
        self.queue.schedule(.administer, at: self.now + .milliseconds(500))
    }

    private func isRefused(_ node: NodeID) -> Bool {
        self.places[node].map { self.checks.isRolledBack($0) } ?? false
    }

    private func isNear(_ learner: ReplicaID, _ group: Int, on host: Int) -> Bool {
        guard let place = self.places[learner.node], let disk = self.hosts[place].disk.replicas[group],
            let log = self.hosts[host].process?.groups[group]?.log
        else { return false }
        return disk.id == learner && disk.durable.last.index + self.settings.promotionGapMax >= log.last.index
    }

    private mutating func addSomebody(to replicas: ReplicaSet, _ group: Int, on host: Int) {
        let free = self.places.keys.sorted().filter { replicas.replica(on: $0) == nil && !self.isRefused($0) }
        guard !free.isEmpty else { return }
        self.change(.addLearner(free[self.random.below(free.count)]), group, on: host)
    }

    /// One to four random changes at once, each asked of whoever thinks it leads.
    mutating func reconfigure() {
        for group in 0..<self.scenario.groups {
            for _ in 0...self.random.below(4) { self.reconfigure(group) }
        }
    }

    private mutating func reconfigure(_ group: Int) {
        guard let host = self.someLeader(of: group), let raft = self.hosts[host].process?.groups[group] else { return }
        let replicas = raft.replicas
        let others = replicas.voters.filter { $0 != raft.id }
        switch self.random.below(3) {
        case 0: self.addSomebody(to: replicas, group, on: host)
        case 1 where replicas.voters.count > 3 || self.mayHaveTwoVoters && replicas.voters.count == 3:
            self.change(.remove(others[self.random.below(others.count)]), group, on: host)
        default:
            if let learner = replicas.learners.first { self.change(.promote(learner), group, on: host) }
        }
    }

    /// Two voters do not survive the loss of one for good.
    private var mayHaveTwoVoters: Bool { !self.plan.kinds.contains(where: \.destroys) }

    private mutating func change(_ change: ReplicaChange, _ group: Int, on host: Int) {
        self.counters.changes += 1
        self.narrate(host, group, "asked to \(change)")
        self.lastOperation += 1
        self.dispatch(.raft(group: group, .change(self.lastOperation, change)), to: host)
    }

    mutating func transfer() {
        for group in 0..<self.scenario.groups {
            guard let host = self.someLeader(of: group) else { continue }
            self.lastOperation += 1
            self.dispatch(.raft(group: group, .transfer(self.lastOperation, to: nil)), to: host)
        }
    }
}
