internal import MeshCore

enum StreamEvent: Sendable {
    /// The opener's first segment reaches the other host, or does not.
    case attempt(ConnectionID)
    /// The other host answered with a reset: nobody listens there.
    case refuse(ConnectionID)
    case establish(ConnectionID)
    case expire(ConnectionID)
    /// The oldest item of one direction arrives.
    case carry(ConnectionID, from: StreamSide)
    /// This side learns that the stream is over.
    case end(ConnectionID, StreamSide, reset: Bool)
    case keepalive(ConnectionID)
}

/// What kernels and wires do with connections.
extension MembershipSimulation {
    mutating func handle(_ event: StreamEvent) {
        switch event {
        case .attempt(let id): self.attempt(id)
        case .refuse(let id): self.dispatch(id, to: .opener, .refused(id))
        case .establish(let id): self.dispatch(id, to: .opener, .established(id))
        case .expire(let id):
            if self.streams[id]?.isOpen == false { self.dispatch(id, to: .opener, .timedOut(id)) }
        case .carry(let id, let side): self.carry(id, from: side)
        case .end(let id, let side, let reset): self.end(id, side, reset: reset)
        case .keepalive(let id): self.keepalive(id)
        }
    }

    /// To the process at one end of a connection, if that life of it still runs.
    private mutating func dispatch(_ id: ConnectionID, to side: StreamSide, _ input: Process.Input) {
        guard let end = self.streams[id]?.end(side), self.isAlive(end) else { return self.discard(input) }
        self.dispatch(input, to: end.host)
    }

    private func isAlive(_ process: ProcessID) -> Bool { self.hosts[process.host].process?.life == process.life }

    private func passes(from: Int, to: Int) -> Bool {
        self.hosts[to].isPowered && self.network.passes(.streams, from: from, to: to)
    }

    private mutating func schedule(_ event: StreamEvent, after delay: Duration) {
        self.queue.schedule(.stream(event), at: self.now + delay)
    }

    // MARK: Opening

    mutating func connect(from host: Int, to target: Int, purpose: StreamPurpose) -> ConnectionID? {
        guard let process = self.hosts[host].process else { return nil }
        let id = self.streams.open(
            from: ProcessID(host: host, life: process.life), to: target, purpose: purpose, at: self.now)
        self.counters.connections += 1
        self.schedule(.attempt(id), after: self.network.streamDelay(from: host, to: target, bytes: 60))
        self.schedule(.expire(id), after: SimulatedStreams.connectTimeout)
        return id
    }

    private mutating func attempt(_ id: ConnectionID) {
        guard let connection = self.streams[id] else { return }
        let (host, target) = (connection.opener.host, connection.acceptor.host)
        guard self.passes(from: host, to: target) else {
            if self.streams.retried(id) < 3 { self.schedule(.attempt(id), after: .seconds(1)) }
            return
        }
        if self.hosts[target].process != nil {
            self.dispatch(.accept(id), to: target)
        } else if self.passes(from: target, to: host) {
            self.schedule(.refuse(id), after: self.network.streamDelay(from: target, to: host, bytes: 60))
        }
    }

    /// The acceptor's process takes the connection and answers the handshake.
    mutating func accept(_ id: ConnectionID, on host: Int) {
        guard let connection = self.streams[id], let process = self.hosts[host].process else { return }
        self.streams.accept(id, by: process.life)
        guard self.passes(from: host, to: connection.opener.host) else { return }
        self.schedule(
            .establish(id), after: self.network.streamDelay(from: host, to: connection.opener.host, bytes: 200))
    }

    mutating func opened(_ id: ConnectionID) {
        self.streams.establish(id)
        self.schedule(.keepalive(id), after: SimulatedStreams.keepaliveInterval)
        self.startCarrying(id, from: .opener)
    }

    // MARK: Carrying

    mutating func send(_ item: SimulatedStreams.Item, over id: ConnectionID, from side: StreamSide) {
        guard self.streams[id] != nil else {
            if case .frame(let buffer) = item { self.pool.discard(buffer) }
            return
        }
        self.streams.append(item, to: id, from: side, at: self.now)
        self.startCarrying(id, from: side)
    }

    private mutating func startCarrying(_ id: ConnectionID, from side: StreamSide) {
        guard let item = self.streams.start(id, from: side), let connection = self.streams[id] else { return }
        let delay = self.network.streamDelay(
            from: connection.end(side).host, to: connection.end(side.other).host, bytes: self.bytes(of: item))
        self.schedule(.carry(id, from: side), after: delay)
    }

    private func bytes(of item: SimulatedStreams.Item) -> Int {
        if case .frame(let buffer) = item { self.pool.count(buffer) } else { 60 }
    }

    private mutating func carry(_ id: ConnectionID, from side: StreamSide) {
        guard let connection = self.streams[id] else { return }
        let (sender, receiver) = (connection.end(side), connection.end(side.other))
        // Bytes of a process that died before they were acknowledged are gone with its kernel's socket.
        guard self.isAlive(sender) else { return }
        guard self.passes(from: sender.host, to: receiver.host) else { return self.stall(id, from: side) }
        guard self.isAlive(receiver) else {
            return self.schedule(
                .end(id, side, reset: true),
                after: self.network.streamDelay(from: receiver.host, to: sender.host, bytes: 60))
        }
        guard let (item, next) = self.streams.arrive(id, from: side) else { return }
        if let next {
            // The items behind were sent in the same breath and follow at the speed of the wire.
            self.schedule(.carry(id, from: side), after: .nanoseconds(1_000 + 8 * self.bytes(of: next)))
        }
        self.dispatch(.item(item, id, from: side), to: receiver.host)
    }

    private mutating func stall(_ id: ConnectionID, from side: StreamSide) {
        let stalled = self.now - self.streams.stall(id, from: side, at: self.now)
        if stalled < SimulatedStreams.stallMax {
            let again = min(max(stalled, SimulatedNetwork.retransmission), .seconds(2))
            return self.schedule(.carry(id, from: side), after: again)
        }
        self.schedule(.end(id, .opener, reset: true), after: .zero)
        self.schedule(.end(id, .acceptor, reset: true), after: .zero)
    }

    /// Closes what nobody uses and lets dead ends be found out.
    private mutating func keepalive(_ id: ConnectionID) {
        guard let connection = self.streams[id] else { return }
        let (opener, acceptor) = (connection.opener, connection.acceptor)
        let isWhole =
            self.isAlive(opener) && self.isAlive(acceptor)
            && self.passes(from: opener.host, to: acceptor.host) && self.passes(from: acceptor.host, to: opener.host)
        if isWhole {
            let isIdle = self.now - connection.usedAt >= SimulatedStreams.idleMax
            if isIdle, !self.wants(opener.host, acceptor.host), !self.wants(acceptor.host, opener.host) {
                self.schedule(.end(id, .opener, reset: false), after: .zero)
                self.schedule(.end(id, .acceptor, reset: false), after: .zero)
                return
            }
        } else {
            guard self.isAlive(opener) || self.isAlive(acceptor) else {
                return self.streams.close(id, returning: &self.pool)
            }
            if self.isAlive(opener) { self.send(.keepalive, over: id, from: .opener) }
            if self.isAlive(acceptor) { self.send(.keepalive, over: id, from: .acceptor) }
        }
        self.schedule(.keepalive(id), after: SimulatedStreams.keepaliveInterval)
    }

    /// Whether the process on a host keeps a stream to its neighbour on another.
    private func wants(_ host: Int, _ other: Int) -> Bool {
        guard let process = self.hosts[host].process, let peer = self.truth.running[other] else { return false }
        return process.neighbours.contains(peer)
    }

    // MARK: Ending

    private mutating func end(_ id: ConnectionID, _ side: StreamSide, reset: Bool) {
        guard let connection = self.streams[id] else { return }
        let end = connection.end(side)
        if self.isAlive(end) { self.dispatch(.ended(id, reset: reset), to: end.host) }
        // The other end learns of it in its own time, if it is still there.
        if self.streams.ended(id, side) || !self.isAlive(connection.end(side.other)) {
            self.streams.close(id, returning: &self.pool)
        }
    }

    /// A process died: its kernel, if that still has power, resets what it had open.
    mutating func abandonStreams(of process: Process, on host: Int) {
        guard self.hosts[host].isPowered else { return }
        for link in process.links {
            guard let connection = self.streams[link.connection] else { continue }
            guard connection.isOpen else {
                self.streams.close(link.connection, returning: &self.pool)
                continue
            }
            if self.passes(from: host, to: link.host) {
                self.schedule(
                    .end(link.connection, link.side.other, reset: true),
                    after: self.network.streamDelay(from: host, to: link.host, bytes: 60))
            }
        }
    }
}
