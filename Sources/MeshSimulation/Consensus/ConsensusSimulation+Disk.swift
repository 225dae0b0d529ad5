internal import MeshCore

/// Group commit: one fsync at a time for everything that a host has written.
extension ConsensusSimulation {
    mutating func sync(_ host: Int) {
        guard let process = self.hosts[host].process, !process.isSyncing else { return }
        let counts = self.hosts[host].disk.replicas.map { $0?.unsyncedCount ?? 0 }
        guard counts.contains(where: { $0 > 0 }) else { return }
        process.isSyncing = true
        let latency: ClosedRange<Duration> =
            self.hosts[host].isSlow
            ? .milliseconds(5)...(.milliseconds(500)) : .microseconds(100)...(.milliseconds(4))
        self.queue.schedule(
            .sync(host, life: process.life, counts: counts), at: self.now + self.random.duration(in: latency))
    }

    mutating func synced(_ host: Int, life: UInt32, counts: [Int]) {
        guard let process = self.hosts[host].process, process.life == life else { return }
        process.isSyncing = false
        for (group, count) in counts.enumerated() where count > 0 {
            guard let result = self.hosts[host].disk.replicas[group]?.synced(count, at: self.now) else { continue }
            guard result.sequence != nil || result.installed != nil else { continue }
            self.dispatch(.stored(group: group, result.sequence, result.installed), to: host)
        }
        self.sync(host)
    }
}
