internal import MeshCore
internal import MeshRuntime

/// An operator that says where replicas shall be, as the meta group does, moves them, and hands leadership over.
extension ClusterSimulation {
    private static var replicas: Int { 3 }

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
            self.lastCommand += 1
            let id = GroupID(UInt32(group))
            self.submit(.shard(.command(self.lastCommand, id, .transfer(to: nil))), to: id, on: host)
        }
    }

    private func leaders(of group: Int) -> [Int] {
        let id = GroupID(UInt32(group))
        return self.hosts.indices.filter { self.hosts[$0].process?.shard(of: id).raft(of: id) { $0.role } == .leader }
    }
}
