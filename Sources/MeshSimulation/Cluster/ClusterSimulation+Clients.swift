internal import MeshCore
internal import MeshRuntime

/// Clients that write and read registers, and an operator that says where replicas shall be.
extension ClusterSimulation {
    private static var replicas: Int { 3 }
    private static var keys: Int { 3 }

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
        let key = self.random.below(Self.keys)
        let operation = ClusterProcess.Operation(
            id: self.lastOperation, group: group, key: key,
            value: self.random.below(2) == 0 ? self.lastOperation : nil,
            floor: self.checks.registers.floor(group: group, key: key))
        // Any host that thinks it leads, also one that does so no longer; or any host at all.
        let leaders = self.leaders(of: group)
        let host =
            leaders.isEmpty || self.random.below(8) == 0
            ? self.random.below(self.hosts.count) : leaders[self.random.below(leaders.count)]
        self.begin(operation, on: host)
    }

    private func leaders(of group: Int) -> [Int] {
        let id = GroupID(UInt32(group))
        return self.hosts.indices.filter { self.hosts[$0].process?.shard(of: id).raft(of: id)?.role == .leader }
    }

    mutating func begin(_ operation: ClusterProcess.Operation, on host: Int) {
        guard let process = self.hosts[host].process else { return }
        process.operations[operation.id] = operation
        let request: CommandLead<RegisterState>.Request =
            if let value = operation.value {
                .command(operation.id, RegisterState.Command(key: operation.key, value: value).payload)
            } else {
                .read(operation.id, [.key(RegisterState.diskKey(operation.key))])
            }
        let group = GroupID(UInt32(operation.group))
        self.submit(.shard(.request(group, request)), to: group, on: host)
    }

    mutating func answer(
        _ output: CommandLead<RegisterState>.Output, of group: GroupID, _ process: ClusterProcess, on host: Int
    ) {
        switch output {
        case .applied(let id, let position, let outcome):
            guard let operation = process.operations.removeValue(forKey: id) else { return }
            self.wrote(operation, at: position, outcome, process, on: host)
        case .values(let id, let lists):
            guard let operation = process.operations.removeValue(forKey: id) else { return }
            self.read(operation, lists.first?.first, on: host)
        case .refused(let id, let reason): self.refused(id, reason, process)
        case .unresolved(let id, _):
            if process.operations.removeValue(forKey: id) != nil { self.counters.unanswered += 1 }
        }
    }

    private mutating func wrote(
        _ operation: ClusterProcess.Operation, at position: LogPosition, _ outcome: RegisterState.Outcome,
        _ process: ClusterProcess, on host: Int
    ) {
        let group = GroupID(UInt32(operation.group))
        self.counters.writes += 1
        let replicas = self.newestReplicas(of: group)
        let holders = replicas.voters.filter { voter in
            guard let place = self.places[voter.node] else { return false }
            return self.hosts[place].disk.durableEnd(of: group, as: voter).map { $0 >= position.index } ?? false
        }
        if case .wrote(let before) = outcome {
            self.checks.replaced(before, by: position.index, group: operation.group, key: operation.key, at: self.now)
        }
        self.checks.acknowledged(
            position, group: operation.group, key: operation.key, holders: holders.count, of: replicas, on: host,
            at: self.now)
    }

    /// The newest configuration that anybody knows to be committed: whoever acknowledges may have slept while replicas moved.
    private func newestReplicas(of group: GroupID) -> ReplicaSet {
        let rafts = self.hosts.compactMap { $0.process?.shard(of: group).raft(of: group) }
        return rafts.map { $0.history.version(at: $0.commit) }.max { $0.index < $1.index }?.replicas ?? .empty
    }

    private mutating func read(_ operation: ClusterProcess.Operation, _ entry: StorageEntry?, on host: Int) {
        self.counters.reads += 1
        let register = entry.flatMap { try? RegisterState.Register(bytes: $0.value) } ?? RegisterState.Register()
        self.trace.record(self.now.nanoseconds, UInt64(host), register.version, register.value)
        self.checks.read(
            version: register.version, floor: operation.floor, group: operation.group, key: operation.key, on: host,
            at: self.now)
    }

    /// Nothing was appended, so it may be tried elsewhere.
    private mutating func refused(_ id: UInt64, _ reason: Raft.Rejection, _ process: ClusterProcess) {
        guard var operation = process.operations.removeValue(forKey: id) else { return }
        guard case .notLeader(let leader?) = reason, operation.retries > 0, let target = self.places[leader.node] else {
            return
        }
        operation.retries -= 1
        self.queue.schedule(.operation(target, operation), at: self.now + .microseconds(300))
    }

    mutating func strayed(
        _ request: CommandLead<RegisterState>.Request, _ group: GroupID, _ process: ClusterProcess
    ) {
        switch request {
        case .command(let id, _), .read(let id, _): process.operations[id] = nil
        }
    }

    // MARK: Operator

    /// Some nodes that are well, chosen anew; the others as before.
    mutating func want(_ group: Int, instead replaced: NodeID?) {
        let well = self.places.keys.sorted().filter { node in
            self.places[node].map { !self.checks.isRolledBack($0) } ?? false
        }
        var nodes = self.wanted[group].filter { $0 != replaced && well.contains($0) }
        var free = well.filter { !nodes.contains($0) && $0 != replaced }
        while nodes.count < min(Self.replicas, well.count), !free.isEmpty {
            nodes.append(free.remove(at: self.random.below(free.count)))
        }
        self.wanted[group] = nodes
        let hosts = nodes.map { self.places[$0] ?? -1 }
        self.narrate(0, GroupID(UInt32(group)), "wanted on \(hosts)")
    }

    /// Tells everybody where replicas shall be, as the meta group does, and replaces nodes that are gone.
    mutating func administer() {
        for group in 0..<self.scenario.groups {
            let gone = self.wanted[group].first { node in
                self.places[node].map { self.checks.isRolledBack($0) } ?? true
            }
            if gone != nil { self.want(group, instead: nil) }
            for host in self.hosts.indices where self.hosts[host].process != nil {
                let id = GroupID(UInt32(group))
                self.submit(.shard(.place(id, self.wanted[group])), to: id, on: host)
            }
        }
        self.queue.schedule(.administer, at: self.now + .milliseconds(500))
    }

    /// One replica of a group moves.
    mutating func reconfigure() {
        // A group that has just given up a replica for another one does not survive the loss of a disk.
        guard !self.plan.kinds.contains(where: \.destroys) else { return }
        let group = self.random.below(self.scenario.groups)
        guard !self.wanted[group].isEmpty else { return }
        self.want(group, instead: self.wanted[group][self.random.below(self.wanted[group].count)])
    }

    mutating func transfer() {
        for group in 0..<self.scenario.groups {
            guard let host = self.leaders(of: group).first else { continue }
            self.lastOperation += 1
            let id = GroupID(UInt32(group))
            self.submit(.shard(.command(self.lastOperation, id, .transfer(to: nil))), to: id, on: host)
        }
    }
}
