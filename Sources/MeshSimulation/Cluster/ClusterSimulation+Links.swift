internal import MeshCore
internal import MeshRuntime

/// Frames between hosts, as on the wire.
extension ClusterSimulation {
    mutating func send(_ frame: PeerFrame, to node: NodeID, from host: Int) {
        guard let process = self.hosts[host].process else { return }
        self.counters.frames += 1
        self.counters.frameBytes += frame.body.count
        guard let carried = self.carry(frame, from: host), let target = self.places[node] else { return }
        let arrivals = self.network.arrivals(ofDatagramFrom: host, to: target)
        for delay in [arrivals.first, arrivals.second] {
            guard let delay else { continue }
            let time = self.arrival(after: delay, from: host, to: target)
            self.queue.schedule(.frame(to: target, carried, from: process.id, process.boot), at: time)
        }
    }

    /// When something that is sent once arrives; nil if it is lost.
    mutating func arrival(from host: Int, to target: Int) -> VirtualTime? {
        self.network.arrivals(ofDatagramFrom: host, to: target).first.map {
            self.arrival(after: $0, from: host, to: target)
        }
    }

    /// Streams keep their order.
    private mutating func arrival(after delay: Duration, from host: Int, to target: Int) -> VirtualTime {
        // Late ones come within a run that is shorter than the network's longest delay.
        let time = self.now + (delay > .seconds(30) ? delay / 6 : delay)
        guard self.network.weather.extraJitter == .zero, delay < .seconds(1) else { return time }
        let lane = host * self.hosts.count + target
        self.latest[lane] = max(time, self.latest[lane] + .nanoseconds(1))
        return self.latest[lane]
    }

    private mutating func carry(_ frame: PeerFrame, from host: Int) -> CarriedFrame? {
        guard frame.kind != .heartbeat else { return .heartbeat(frame.body) }
        guard let decoded = try? ConsensusFrame(decoding: frame.body), decoded.malformed == 0 else {
            self.checks.undecodable(on: host, at: self.now)
            return nil
        }
        for message in decoded.messages {
            self.counters.messages += 1
            self.checks.sent(message, group: Int(message.group.number), on: host, at: self.now)
        }
        return .consensus(decoded.messages, bytes: frame.body)
    }

    mutating func receive(_ frame: CarriedFrame, from sender: NodeID, _ boot: Boot, on host: Int) {
        // As the handshake of a stream does.
        guard let process = self.hosts[host].process, self.hosts[host].disk.knownBoots.admit(boot, of: sender) else {
            return
        }
        self.trace.record(self.now.nanoseconds, sender.low, UInt64(host))
        switch frame {
        case .heartbeat(let bytes):
            self.trace.record(bytes)
            self.submit(.hub(.frame(bytes, from: sender)), 0, on: host)
        case .consensus(let messages, let bytes):
            self.trace.record(bytes)
            for executor in 1...process.shards.count {
                let own = messages.filter { process.executor(of: $0.group) == executor }
                if !own.isEmpty { self.submit(.shard(.messages(own, from: sender)), executor, on: host) }
            }
        }
    }
}
