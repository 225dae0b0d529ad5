internal import MeshCore

/// The driver's side of streams: whom to dial, what to tell `Membership`.
extension MembershipSimulation {
    private static let dialAgain = Duration.seconds(5)
    private static let joinAgainMax = Duration.seconds(10)

    // MARK: Dialling

    private mutating func dial(_ target: Int, from host: Int, peer: NodeID?, purpose: StreamPurpose) -> ConnectionID? {
        guard let id = self.connect(from: host, to: target, purpose: purpose) else { return nil }
        self.hosts[host].process?.links.append(
            Process.Link(connection: id, host: target, side: .opener, peer: peer))
        return id
    }

    mutating func sendFrame(_ bytes: ArraySlice<UInt8>, from host: Int, to peer: NodeID, at endpoint: Endpoint) {
        guard let process = self.hosts[host].process else { return }
        self.counters.frames += 1
        self.counters.frameBytes += bytes.count
        if let link = process.link(to: peer) {
            self.send(.frame(self.pool.store(bytes)), over: link.connection, from: link.side)
        } else if let target = Host.index(of: endpoint, count: self.hosts.count), target != host,
            let id = self.dial(target, from: host, peer: peer, purpose: .reach(peer))
        {
            self.send(.frame(self.pool.store(bytes)), over: id, from: .opener)
        }
    }

    /// Keeps a stream open to every neighbour; looks again later as long as one is missing.
    mutating func dialNeighbours(of host: Int) {
        guard let process = self.hosts[host].process else { return }
        var isMissingOne = false
        for peer in process.neighbours {
            if let link = process.link(to: peer) {
                if !link.isOpen { isMissingOne = true }
                continue
            }
            isMissingOne = true
            guard let member = process.membership.member(peer),
                let target = Host.index(of: member.description.endpoint, count: self.hosts.count), target != host
            else { continue }
            _ = self.dial(target, from: host, peer: peer, purpose: .reach(peer))
        }
        if isMissingOne, !process.willDialAgain {
            self.hosts[host].process?.willDialAgain = true
            self.remind(host, .dialNeighbours, after: Self.dialAgain)
        }
    }

    /// Asks one seed after the other, until one has answered.
    mutating func join(_ host: Int) {
        guard let process = self.hosts[host].process, !process.hasJoined else { return }
        let seeds = (0..<min(Scenario.seedHosts, self.hosts.count)).filter { $0 != host }
        guard !seeds.isEmpty else { return }
        let attempt = process.joinAttempts
        self.hosts[host].process?.joinAttempts += 1
        if !process.links.contains(where: { $0.peer == nil }) {
            _ = self.dial(seeds[(host + attempt) % seeds.count], from: host, peer: nil, purpose: .join)
        }
        self.remind(host, .join, after: min(.milliseconds(500 << min(attempt, 10)), Self.joinAgainMax))
    }

    private mutating func remind(_ host: Int, _ input: Process.Input, after delay: Duration) {
        guard let life = self.hosts[host].process?.life else { return }
        self.queue.schedule(.remind(host, life: life, input), at: self.now + delay)
    }

    // MARK: What connections bring

    mutating func established(_ id: ConnectionID, on host: Int) {
        guard let connection = self.streams[id], let index = self.linkIndex(id, on: host) else { return }
        guard let peer = self.hosts[connection.acceptor.host].process, peer.life == connection.acceptor.life else {
            return self.failed(id, refused: false, on: host)
        }
        let (peerID, boot) = (peer.membership.local.id, peer.boot)
        switch connection.purpose {
        case .reach(let expected) where expected != peerID:
            return self.drop(id, on: host)
        case .verify(let expected, _) where expected != peerID:
            return self.drop(id, on: host)
        default: break
        }
        self.hosts[host].process?.links[index].peer = peerID
        self.hosts[host].process?.links[index].boot = boot
        self.hosts[host].process?.links[index].isOpen = true
        self.opened(id)
        self.streamOpened(peerID, boot: boot, at: connection.acceptor.host, on: host)
        if connection.purpose == .join {
            self.hosts[host].process?.hasJoined = true
            self.step(.exchange(peerID), on: host)
        }
    }

    mutating func receive(_ item: SimulatedStreams.Item, over id: ConnectionID, from side: StreamSide, on host: Int) {
        guard let connection = self.streams[id] else {
            if case .frame(let buffer) = item { self.pool.discard(buffer) }
            return
        }
        switch item {
        case .hello:
            guard let peer = self.hosts[connection.opener.host].process, peer.life == connection.opener.life else {
                return
            }
            let peerID = peer.membership.local.id
            self.hosts[host].process?.links.append(
                Process.Link(
                    connection: id, host: connection.opener.host, side: .acceptor, peer: peerID, boot: peer.boot,
                    isOpen: true))
            self.streamOpened(peerID, boot: peer.boot, at: connection.opener.host, on: host)
        case .frame(let buffer):
            guard let index = self.linkIndex(id, on: host), let peer = self.hosts[host].process?.links[index].peer
            else { return self.pool.discard(buffer) }
            self.receive(frame: buffer, from: peer, on: host)
        case .keepalive: break
        }
    }

    private mutating func streamOpened(_ peer: NodeID, boot: Boot, at target: Int, on host: Int) {
        self.trace.record(self.now.nanoseconds, UInt64(host), 6, peer.low)
        self.step(.streamOpened(peer, boot: boot, endpoint: Host.endpoint(of: target)), on: host)
    }

    // MARK: What ends them

    /// A connection did not come about.
    mutating func failed(_ id: ConnectionID, refused: Bool, on host: Int) {
        guard let connection = self.streams[id], let index = self.linkIndex(id, on: host),
            self.hosts[host].process?.links[index].isOpen == false
        else { return }
        self.drop(id, on: host)
        if case .verify(let peer, let boot) = connection.purpose, refused, self.scenario.hardEvidence {
            self.trace.record(self.now.nanoseconds, UInt64(host), 7, peer.low)
            self.step(.streamClosed(peer, boot: boot, refused: true), on: host)
        }
    }

    mutating func ended(_ id: ConnectionID, reset: Bool, on host: Int) {
        guard let index = self.linkIndex(id, on: host), let link = self.hosts[host].process?.links[index] else {
            return
        }
        self.drop(id, on: host, keepsOtherEnd: true)
        guard let peer = link.peer, let boot = link.boot, link.isOpen else { return }
        if self.hosts[host].process?.link(to: peer)?.isOpen == true { return }
        self.trace.record(self.now.nanoseconds, UInt64(host), 8, peer.low, reset ? 1 : 0)
        if reset {
            // A hint, told at once; only a new connection tells whether the process is gone or just this stream.
            self.step(.streamClosed(peer, boot: boot, refused: false), on: host)
            _ = self.dial(link.host, from: host, peer: peer, purpose: .verify(peer, boot))
        } else {
            self.step(.streamReleased(peer, boot: boot), on: host)
        }
    }

    private func linkIndex(_ id: ConnectionID, on host: Int) -> Int? {
        self.hosts[host].process?.links.firstIndex { $0.connection == id }
    }

    private mutating func drop(_ id: ConnectionID, on host: Int, keepsOtherEnd: Bool = false) {
        self.hosts[host].process?.links.removeAll { $0.connection == id }
        if !keepsOtherEnd { self.streams.close(id, returning: &self.pool) }
    }
}
