internal import MeshCore

/// What a daemon does around `Membership`: feeds inputs, performs effects, decides nothing.
extension MembershipSimulation {
    // MARK: Inputs

    /// Hands an input to the process on a host, or lets it wait while that is stopped.
    mutating func dispatch(_ input: Process.Input, to host: Int) {
        guard let process = self.hosts[host].process else { return self.discard(input) }
        guard process.pausedUntil != nil else { return self.handle(input, on: host) }
        if case .datagram(_, let buffer) = input {
            let bytes = process.waitingDatagramBytes + self.pool.count(buffer)
            guard bytes <= Process.datagramBufferBytes else { return self.pool.discard(buffer) }
            process.waitingDatagramBytes = bytes
        }
        process.waiting.append(input)
    }

    mutating func discard(_ input: Process.Input) {
        switch input {
        case .datagram(_, let buffer), .item(.frame(let buffer), _, _): self.pool.discard(buffer)
        default: break
        }
    }

    mutating func handle(_ input: Process.Input, on host: Int) {
        guard self.hosts[host].process != nil else { return self.discard(input) }
        switch input {
        case .wake:
            self.step(.wake, on: host)
        case .datagram(let from, let buffer):
            self.receive(datagram: buffer, from: from, on: host)
        case .accept(let connection): self.accept(connection, on: host)
        case .established(let connection): self.established(connection, on: host)
        case .refused(let connection): self.failed(connection, refused: true, on: host)
        case .timedOut(let connection): self.failed(connection, refused: false, on: host)
        case .item(let item, let connection, let side): self.receive(item, over: connection, from: side, on: host)
        case .ended(let connection, let reset): self.ended(connection, reset: reset, on: host)
        case .dialNeighbours:
            self.hosts[host].process?.willDialAgain = false
            self.dialNeighbours(of: host)
        case .join: self.join(host)
        }
    }

    mutating func step(_ input: Membership.Input, on host: Int) {
        self.withMembership(of: host) { membership, instant, effects in
            membership.step(input, at: instant, into: &effects)
        }
    }

    private mutating func receive(datagram buffer: BufferPool.Handle, from: Int, on host: Int) {
        let bytes = self.pool.take(buffer)
        self.trace.record(self.now.nanoseconds, UInt64(from), UInt64(host), 1)
        self.trace.record(bytes)
        self.withMembership(of: host) { membership, instant, effects in
            membership.receive(
                datagram: bytes.raw, from: Host.endpoint(of: from), at: instant, into: &effects)
        }
        self.pool.release(buffer, bytes)
    }

    mutating func receive(frame buffer: BufferPool.Handle, from peer: NodeID, on host: Int) {
        let bytes = self.pool.take(buffer)
        self.trace.record(self.now.nanoseconds, peer.low, UInt64(host), 2)
        self.trace.record(bytes)
        self.withMembership(of: host) { membership, instant, effects in
            membership.receive(frame: bytes.raw, from: peer, at: instant, into: &effects)
        }
        self.pool.release(buffer, bytes)
    }

    private mutating func withMembership(
        of host: Int, _ body: (inout Membership, Instant, inout Membership.Effects) -> Void
    ) {
        guard let process = self.hosts[host].process else { return }
        var effects = Membership.Effects()
        swap(&effects, &self.effects)
        effects.clear()
        body(&process.membership, self.hosts[host].clock.reading(at: self.now), &effects)
        self.perform(effects, of: host)
        swap(&effects, &self.effects)
        self.arm(host)
    }

    // MARK: Wakes

    /// Schedules the next wake if it comes earlier than the one already on the queue. A wake that comes too early
    /// costs less than one that has to be found and taken back.
    mutating func arm(_ host: Int) {
        guard let process = self.hosts[host].process else { return }
        let due = max(self.now, self.hosts[host].clock.time(of: process.membership.nextWake))
        guard due < process.wakeAt else { return }
        process.wakeAt = due
        self.queue.schedule(.wake(host, life: process.life), at: due)
    }

    mutating func wake(_ host: Int, life: UInt32) {
        guard let process = self.hosts[host].process, process.life == life, process.wakeAt == self.now else { return }
        process.wakeAt = .distantFuture
        guard process.pausedUntil == nil else { return }
        guard process.membership.nextWake <= self.hosts[host].clock.reading(at: self.now) else {
            return self.arm(host)
        }
        self.counters.wakes += 1
        self.checks.woke(host, at: self.now)
        self.handle(.wake, on: host)
    }

    // MARK: Effects

    private mutating func perform(_ effects: borrowing Membership.Effects, of host: Int) {
        var hasDeparted = false
        let (mutation, speaker) = (self.scenario.mutation, self.hosts[host].process?.membership.local.id)
        let said = { (bytes: ArraySlice<UInt8>) in
            guard let mutation, let speaker else { return bytes }
            return mutation.spoil(bytes, saidBy: speaker)
        }
        for index in effects.list.indices {
            switch effects.list[index] {
            case .datagram(let endpoint, let range):
                self.sendDatagram(said(effects.bytes[range]), from: host, to: endpoint)
            case .stream(let peer, let endpoint, let range):
                self.sendFrame(said(effects.bytes[range]), from: host, to: peer, at: endpoint)
            case .neighbours(let peers):
                self.hosts[host].process?.neighbours = peers
                self.dialNeighbours(of: host)
            case .changed(let change): self.changed(change, on: host)
            case .advertised(let id): self.trace.record(self.now.nanoseconds, UInt64(host), 3, id.low)
            case .event(let event):
                self.heard(event, on: host)
                if self.scenario.mutation == .repeatedEvents { self.heard(event, on: host) }
            case .refused(let reason):
                self.counters.refused[reason, default: 0] += 1
                self.checks.refused(reason, by: host, at: self.now)
            case .departed: hasDeparted = true
            }
        }
        if hasDeparted { self.stopProcess(on: host) }
    }

    private mutating func changed(_ change: MemberChange, on host: Int) {
        self.counters.changes += 1
        self.trace.record(
            self.now.nanoseconds, UInt64(host), 4, change.id.low, UInt64(change.to.rawValue),
            UInt64(change.incarnation))
        self.checks.changed(change, on: host, truth: self.truth, at: self.now)
        if self.narrative.isOn {
            let about = self.truth.lives[change.id].map { String($0.host) } ?? change.id.short
            let accuser = change.accuser.map { id in self.truth.lives[id].map { String($0.host) } ?? id.short }
            self.narrative.add(
                "\(self.now) \(host): \(about)/\(change.boot.epoch).\(change.incarnation) "
                    + "\(change.from.map(String.init(describing:)) ?? "-") -> \(change.to) (\(change.cause)"
                    + (accuser.map { ", accused by \($0)" } ?? "")
                    + (change.localHealth > 0 ? ", local health \(change.localHealth)" : "") + ")")
        }
    }

    private mutating func heard(_ event: UserEvent, on host: Int) {
        self.counters.userEvents += 1
        self.trace.record(self.now.nanoseconds, UInt64(host), 5, event.origin.low, UInt64(event.sequence))
        guard let life = self.hosts[host].process?.life else { return }
        self.narrative.add(
            "\(self.now) \(host): event \(event.sequence) of "
                + "\(self.truth.lives[event.origin].map { String($0.host) } ?? event.origin.short)/\(event.bootEpoch)")
        self.checks.heard(event, on: ProcessID(host: host, life: life), at: self.now)
    }

    // MARK: Datagrams

    private mutating func sendDatagram(_ bytes: ArraySlice<UInt8>, from host: Int, to endpoint: Endpoint) {
        self.counters.datagrams += 1
        self.counters.datagramBytes += bytes.count
        self.checks.sent(datagramOf: bytes.count, by: host, at: self.now)
        guard let target = Host.index(of: endpoint, count: self.hosts.count) else { return }
        let arrivals = self.network.arrivals(ofDatagramFrom: host, to: target)
        for delay in [arrivals.first, arrivals.second] {
            guard let delay else { continue }
            let buffer = self.pool.store(bytes)
            self.queue.schedule(.datagram(from: host, to: target, buffer), at: self.now + delay)
        }
    }

    mutating func arrive(_ buffer: BufferPool.Handle, from: Int, at host: Int) {
        guard self.hosts[host].isPowered, self.hosts[host].process != nil else { return self.pool.discard(buffer) }
        if self.scenario.mutation == .corruption {
            var bytes = self.pool.take(buffer)
            if let last = bytes.popLast() { bytes.append(~last) }
            bytes.append(0)
            self.pool.give(buffer, bytes)
        }
        self.dispatch(.datagram(from: from, buffer), to: host)
    }
}
