// What hosts say of themselves and of the turns they run, and what their silence says.
extension PartitionLead {
    mutating func disowned(_ id: ActivationID, into effects: inout Effects) {
        guard let path = self.activations[id] else { return }
        self.slots[path]?.endReason = "its host did not have it any more"
        self.end(path, into: &effects)
    }

    /// Every activation of that boot, or of one before it, is over. Their messages are granted anew, under higher tokens.
    mutating func hostGone(_ host: Host, in context: LeadContext, into effects: inout Effects) {
        func isThere(_ place: Host) -> Bool { place.node == host.node && place.boot <= host.boot }
        let gone = self.slots.filter { _, slot in
            if case .loading(_, _, let place) = slot.phase { return isThere(place) }
            return slot.activation.map { isThere($0.host) } ?? false
        }
        for path in gone.keys.sorted() {
            self.slots[path]?.endReason = "its host was lost"
            if self.slots[path]?.activation == nil {
                self.stop(path, because: "its host was lost", at: context.now)
            } else {
                self.end(path, into: &effects)
            }
        }
    }

    /// How long the host of an activation may say nothing of its turn. One on this node needs not be asked: what it says
    /// does not get lost, and it says it in time.
    func patience(with activation: Activation) -> Duration {
        let limit = activation.kind.turnLimit
        return activation.host.node == self.host.node ? limit : min(limit, self.limits.hostSilenceMax)
    }

    mutating func renewed(_ id: ActivationID, at now: Instant) {
        guard let path = self.activations[id], var activation = self.slots[path]?.activation,
            var running = activation.running
        else { return }
        running.until = now + self.patience(with: activation)
        activation.running = running
        self.slots[path]?.activation = activation
    }

    /// From now on its host is looked after, for as long as one turn follows the other.
    mutating func watch(_ activation: inout Activation) {
        guard !activation.isWatched, let running = activation.running else { return }
        activation.isWatched = true
        self.hostWatch.add(activation.id, due: running.nextLook)
    }

    /// Hosts that have been silent for longer than they may lose the activation; those on other nodes are asked once in a
    /// while. There is one entry in the queue for each activation, however many turns it runs.
    mutating func lookAfterHosts(at now: Instant, into effects: inout Effects) {
        while let id = self.hostWatch.popDue(at: now) {
            guard let path = self.activations[id], var activation = self.slots[path]?.activation else { continue }
            guard var running = activation.running else {
                self.slots[path]?.activation?.isWatched = false
                continue
            }
            guard running.until > now else {
                self.slots[path]?.endReason = "its host said nothing of its turn for too long"
                self.end(path, into: &effects)
                continue
            }
            if running.askAt <= now {
                effects.put(.check(id, path, order: activation.orders, on: activation.host))
                running.askAt = now + self.limits.hostCheckInterval
                activation.running = running
                self.slots[path]?.activation = activation
            }
            self.hostWatch.add(id, due: running.nextLook)
        }
    }

    /// The order did not arrive: once more. It is the same order, so it does no harm if it did.
    mutating func missing(_ id: ActivationID, order: UInt64, into effects: inout Effects) {
        guard let path = self.activations[id], let activation = self.slots[path]?.activation,
            let running = activation.running, activation.orders == order
        else { return }
        effects.put(.run(self.order(running.source, at: path, activation), on: activation.host))
    }
}

extension LeadSlot {
    /// A new activation, on this host. `holder` is who the log says had the last one.
    mutating func note(_ host: NodeID, after holder: NodeID?, at wall: UInt64) {
        let before = self.lastHost ?? holder
        if let before, before != host {
            if self.moves.count == HostMove.keptMax { self.moves.removeFirst() }
            self.moves.append(HostMove(at: wall, from: before, to: host, reason: self.endReason))
        }
        self.lastHost = host
        self.endReason = ""
    }
}
