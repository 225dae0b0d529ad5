internal import MeshCore
internal import MeshRuntime

/// The end of a run: what is left, what was processed, and whether what clients saw can have been.
extension ClusterSimulation {
    mutating func checkEnd() {
        // A few dozen paths may all be of other groups.
        let busy = Set(ClusterOperation.paths.map { Int(self.placement.partition(of: $0).index) })
        self.checks.finish(
            at: self.now, servedUntil: self.scenario.quietAt,
            exceptFor: Set(0..<self.scenario.groups).subtracting(busy))
        guard self.violation == nil else { return }
        let machines = (0..<self.scenario.groups).map { self.latestMachine(of: GroupID(UInt32($0))) }
        for (group, machine) in machines.enumerated() {
            guard let machine else { continue }
            self.partitions.finish(machine, of: group, at: self.now)
        }
        self.checkClients()
        guard self.violation == nil else { return }
        do throws(WireError) {
            for index in 0..<ChainActor.count {
                let actor = ChainActor(index: index)
                guard let machine = machines[Int(self.placement.partition(of: actor.path).index)] else { continue }
                let stops = try actor.processed(in: machine)
                self.counters.processed += stops.count
                self.history.processed(stops, by: actor)
            }
            for case let machine? in machines {
                for letter in try ChainActor.deadLetters(in: machine) {
                    self.counters.deadLetters += 1
                    self.history.gaveUp(letter.stop, at: letter.path)
                }
            }
        } catch { self.partitions.report("what is written can be read", at: self.now, "\(error)") }
        let (text, undecided) = self.history.check()
        self.counters.undecided = undecided
        if let text { self.partitions.report("histories", at: self.now, text) }
    }

    /// Of the replica that has applied most.
    private func latestMachine(of group: GroupID) -> KeyValueStore? {
        let images = self.hosts.compactMap { $0.disk.image(of: group) }
        return images.max { $0.applied < $1.applied }?.machine
    }

    /// Whoever repeats until he is answered was answered.
    private mutating func checkClients() {
        for client in self.clients.indices {
            guard let operation = self.clients[client].operation else { continue }
            _ = self.history.record(operation, .unknown, by: client, at: self.now)
            self.partitions.report(
                "liveness of clients", at: self.now,
                "client \(client) asks group \(operation.group) since \(operation.begun), \(operation.tries) times, for "
                    + "\(operation.wish)")
        }
    }
}
