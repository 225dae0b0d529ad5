/// A message that waits for a write.
struct HeldMessage: Sendable {
    var write: UInt64
    var message: RaftMessage
}

/// Nothing is said before it is durable (§3.8, Figure 3.1: "updated on stable storage before responding").
extension Raft {
    // MARK: Writing

    /// Term, vote and shortfall as they are now.
    mutating func writeState(into effects: inout Effects) {
        self.write(state: HardState(term: self.term, vote: self.vote, shortfall: self.shortfall), into: &effects)
        self.stateWrite = self.lastWrite
    }

    mutating func write(
        state: HardState? = nil, truncateFrom: LogIndex? = nil, entries: [LogEntry] = [], into effects: inout Effects
    ) {
        self.lastWrite += 1
        self.log.wrote(self.lastWrite)
        effects.list.append(
            .write(
                LogWrite(sequence: self.lastWrite, state: state, truncateFrom: truncateFrom, entries: entries)))
    }

    mutating func stored(through sequence: UInt64, at now: Instant, into effects: inout Effects) {
        guard sequence <= self.lastWrite else { return effects.refuse(.unexpected) }
        self.durableWrite = max(self.durableWrite, sequence)
        self.log.stored(through: sequence)
        if self.durableWrite >= self.stateWrite { self.durableTerm = self.term }
        self.release(into: &effects)
        self.countOwnVote(at: now, into: &effects)
        self.noteCaughtUp(into: &effects)
    }

    // MARK: Sending

    /// Sends at once what needs no write, and holds the rest until its write is durable.
    ///
    /// - Parameter write: what must be durable beside the message's term.
    mutating func send(
        _ body: RaftMessage.Body, to receiver: ReplicaID, after write: UInt64 = 0, into effects: inout Effects
    ) {
        let message = RaftMessage(
            group: self.group, incarnation: self.incarnation, from: self.id, to: receiver, term: self.term, body: body)
        var needed = self.durableTerm < self.term ? max(write, self.stateWrite) : write
        switch (self.settings.flaw, body) {
        case (.voteNotSynced, .voteRequest), (.voteNotSynced, .voteResponse): needed = 0
        case (.acknowledgedBeforeSync, .appendResponse): needed = 0
        default: break
        }
        if needed <= self.durableWrite {
            effects.list.append(.send(message))
        } else {
            self.held.append(HeldMessage(write: needed, message: message))
        }
    }

    private mutating func release(into effects: inout Effects) {
        guard self.held.contains(where: { $0.write <= self.durableWrite }) else { return }
        let durable = self.durableWrite
        for held in self.held where held.write <= durable { effects.list.append(.send(held.message)) }
        self.held.removeAll { $0.write <= durable }
    }
}
