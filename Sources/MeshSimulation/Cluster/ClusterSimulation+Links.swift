internal import MeshCore
internal import MeshRuntime

/// Frames between hosts, as on the wire.
extension ClusterSimulation {
    mutating func send(_ frame: PeerFrame, to node: NodeID, from host: Int) {
        guard let process = self.hosts[host].process else { return }
        if frame.kind != .heartbeat { self.check(sent: frame, from: host) }
        self.counters.frames += 1
        self.counters.frameBytes += frame.body.count
        guard let target = self.places[node] else { return }
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
            self.queue.schedule(.frame(to: target, frame, from: process.id, process.boot), at: time)
        }
    }

    private mutating func check(sent frame: PeerFrame, from host: Int) {
        guard let decoded = try? ConsensusFrame(decoding: frame.body), decoded.malformed == 0 else {
            return self.checks.undecodable(on: host, at: self.now)
        }
        for message in decoded.messages {
            self.counters.messages += 1
            self.checks.sent(message, group: Int(message.group.number), on: host, at: self.now)
        }
    }

    mutating func receive(_ frame: PeerFrame, from sender: NodeID, _ boot: Boot, on host: Int) {
        // As the handshake of a stream does.
        guard let process = self.hosts[host].process, self.hosts[host].disk.knownBoots.admit(boot, of: sender) else {
            return
        }
        self.trace.record(self.now.nanoseconds, sender.low, UInt64(host), UInt64(frame.kind.rawValue))
        self.trace.record(frame.body)
        guard frame.kind != .heartbeat else { return self.submit(.hub(.frame(frame.body, from: sender)), 0, on: host) }
        guard let decoded = try? ConsensusFrame(decoding: frame.body) else {
            return self.checks.undecodable(on: host, at: self.now)
        }
        for executor in 1...process.shards.count {
            let own = decoded.messages.filter { process.executor(of: $0.group) == executor }
            if !own.isEmpty { self.submit(.shard(.messages(own, from: sender)), executor, on: host) }
        }
    }
}
