/// Messages from outside: refused by reason if they make no sense, never a trap.
extension Raft {
    /// Terms above this never come about by elections.
    package static let termMax: Term = 1 << 48

    mutating func receive(_ message: RaftMessage, at now: Instant, into effects: inout Effects) {
        if let reason = self.refusal(of: message) { return effects.refuse(reason) }
        switch message.body {
        // Requests are answered whatever the own configuration says of who asks: it may be older than theirs (§4.1).
        case .voteRequest(let request):
            return self.receive(request, from: message.from, at: now, into: &effects)
        case .append, .snapshotChunk, .timeoutNow, .sleep:
            guard message.term >= self.term else { return self.answerStale(message, into: &effects) }
            if message.term > self.term || self.role == .candidate || self.role == .preCandidate {
                self.becomeFollower(in: message.term, of: message.from, at: now, into: &effects)
            }
            guard self.leadership == nil, self.leader == nil || self.leader == message.from else {
                return effects.refuse(.secondLeader)
            }
            self.follow(message, at: now, into: &effects)
        case .voteResponse, .appendResponse, .snapshotResponse, .sleepResponse:
            if message.term > self.term {
                return self.becomeFollower(in: message.term, of: nil, at: now, into: &effects)
            }
            // Late answers to an earlier term are ordinary and mean nothing now.
            guard message.term == self.term || message.isPreVoteResponse else { return }
            self.receiveAnswer(message, at: now, into: &effects)
        }
    }

    private func refusal(of message: RaftMessage) -> RefusalReason? {
        if message.group != self.group { return .wrongGroup }
        if message.incarnation != self.incarnation {
            if message.incarnation.counter < self.incarnation.counter { return .olderIncarnation }
            return message.incarnation.counter > self.incarnation.counter ? .newerIncarnation : .foreignIncarnation
        }
        if message.to != self.id && !(self.settings.flaw == .replicaIsNode && message.to.node == self.id.node) {
            return .wrongReplica
        }
        if message.from.node == self.id.node { return .unexpected }
        return message.malformation
    }

    private mutating func follow(_ message: RaftMessage, at now: Instant, into effects: inout Effects) {
        self.acknowledge(message.from, at: now, into: &effects)
        switch message.body {
        case .append(let append): self.receive(append, from: message.from, into: &effects)
        case .snapshotChunk(let chunk): self.receive(chunk, from: message.from, into: &effects)
        case .timeoutNow: self.takeOver(at: now, into: &effects)
        case .sleep(let sleep): self.receive(sleep, from: message.from, into: &effects)
        default: break
        }
    }

    /// A leader of this term spoke: from here on its lease may count, so no votes for others (§6.4.1).
    private mutating func acknowledge(_ leader: ReplicaID, at now: Instant, into effects: inout Effects) {
        self.renewedAt = now
        self.isAsleep = false
        self.resetElectionTimer(at: now)
        guard self.leader != leader else { return }
        self.leader = leader
        effects.list.append(.changed(.follower, self.term, leader: leader))
    }

    private mutating func receiveAnswer(_ message: RaftMessage, at now: Instant, into effects: inout Effects) {
        switch message.body {
        case .voteResponse(let response): self.receive(response, from: message.from, at: now, into: &effects)
        case .appendResponse(let response): self.receive(response, from: message.from, at: now, into: &effects)
        case .snapshotResponse(let response): self.receive(response, from: message.from, at: now, into: &effects)
        case .sleepResponse(let sleep): self.receiveAnswer(sleep, from: message.from, at: now, into: &effects)
        default: break
        }
    }

    /// Tells a leader of the past which term it is.
    private mutating func answerStale(_ message: RaftMessage, into effects: inout Effects) {
        let stamp =
            switch message.body {
            case .append(let append): append.stamp
            case .snapshotChunk(let chunk): chunk.stamp
            default: Instant(nanoseconds: 0)
            }
        let outcome = AppendResponse.Outcome.conflict(rejected: 0, hint: .zero)
        let response = AppendResponse(outcome: outcome, stamp: stamp, applied: 0, isShort: self.isShort)
        self.send(.appendResponse(response), to: message.from, into: &effects)
    }

    // MARK: Roles

    /// Adopts a term, or stays in its own (§3.3: "if one server's current term is smaller, it updates").
    mutating func becomeFollower(in term: Term, of leader: ReplicaID?, at now: Instant, into effects: inout Effects) {
        precondition(term >= self.term, "\(self.id) of \(self.group) cannot go from term \(self.term) back to \(term)")
        self.resign(into: &effects)
        self.campaign = nil
        self.isAsleep = false
        let before = (self.role, self.term, self.leader)
        if term > self.term {
            self.term = term
            self.vote = nil
            self.leader = nil
            self.writeState(into: &effects)
        }
        self.role = .follower
        self.leader = leader ?? (self.leader == self.id ? nil : self.leader)
        self.resetElectionTimer(at: now)
        if before != (self.role, self.term, self.leader) {
            effects.list.append(.changed(.follower, self.term, leader: self.leader))
        }
    }

    /// Gives up what only a leader has.
    private mutating func resign(into effects: inout Effects) {
        guard let leadership = self.leadership else { return }
        for read in leadership.reads { effects.reject(read.id, .notLeader(nil)) }
        for progress in leadership.followers {
            if case .snapshot = progress.mode { effects.list.append(.snapshot(.close(to: progress.id))) }
        }
        if let transfer = leadership.transfer {
            effects.list.append(
                transfer.isOrdered ? .transferred(transfer.request) : .rejected(transfer.request, .timedOut))
        }
        self.leadership = nil
    }
}

extension RaftMessage {
    fileprivate var isPreVoteResponse: Bool {
        if case .voteResponse(let response) = self.body { response.isPreVote } else { false }
    }

    /// What no honest peer says.
    fileprivate var malformation: Raft.RefusalReason? {
        let terms = 1...Raft.termMax
        switch self.body {
        case .voteRequest(let request):
            // Whoever asks for the first time has no term yet.
            guard terms ~= request.term, self.term <= request.term, request.last.term <= self.term else {
                return .impossibleTerm
            }
            if !request.isPreVote && request.term != self.term { return .impossibleTerm }
        case .voteResponse: if self.term > Raft.termMax { return .impossibleTerm }
        case .append(let append):
            guard terms ~= self.term else { return .impossibleTerm }
            return append.malformation(in: self.term)
        case .snapshotChunk(let chunk):
            guard terms ~= self.term, chunk.position.term <= self.term else { return .impossibleTerm }
            guard chunk.bytes.count <= SnapshotChunk.bytesMax else { return .oversized }
            guard chunk.replicas.index <= chunk.position.index, chunk.position.index > 0 else {
                return .impossibleIndex
            }
        default: guard terms ~= self.term else { return .impossibleTerm }
        }
        return nil
    }
}

extension Append {
    fileprivate func malformation(in term: Term) -> Raft.RefusalReason? {
        guard self.entries.count <= Self.entriesMax else { return .oversized }
        guard self.previous.term <= term else { return .impossibleTerm }
        guard self.previous.index < .max - UInt64(self.entries.count) else { return .impossibleIndex }
        var before = self.previous
        for entry in self.entries {
            guard entry.index == before.index + 1, entry.term >= before.term, entry.term <= term, entry.term > 0
            else { return .malformedEntries }
            guard entry.payload.count <= LogEntry.payloadBytesMax else { return .oversized }
            if entry.kind == .configuration, ReplicaSet(payload: entry.payload) == nil { return .malformedEntries }
            before = entry.position
        }
        return nil
    }
}
