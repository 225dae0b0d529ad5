internal import MeshCore

// What comes back, and what does not.
extension PartitionRouter {
    mutating func answered(
        _ number: UInt64, _ answer: PartitionAnswer, from node: NodeID, at moment: Moment, into effects: inout [Effect]
    ) {
        guard let attempt = self.tries[number], attempt.node == node else { return }
        self.heardAt[node] = moment.now
        self.silentUntil[node] = nil
        self.avoidedUntil[node] = nil
        switch attempt.purpose {
        case .session(let partition):
            self.tries[number] = nil
            if answer.isWordOfLeader, self.leaders[partition] == nil { self.leaders[partition] = node }
            self.answered(session: answer, of: partition, from: node, at: moment, into: &effects)
        case .message(let request):
            guard let pending = self.pending[request] else {
                self.tries[number] = nil
                return
            }
            let partition = pending.request.partition
            if answer.isWordOfLeader, self.leaders[partition] == nil { self.leaders[partition] = node }
            if case .accepted(let id) = answer {
                self.accepted(request, id, at: moment, into: &effects)
                if pending.wantsOutcome { return }
            }
            self.forget(number, of: request)
            // An older try says nothing new, unless it says how it ended.
            let isCurrent = pending.current == number
            self.ended(request, answer, isCurrent: isCurrent, from: node, at: moment, into: &effects)
        }
    }

    private mutating func forget(_ attempt: UInt64, of number: UInt64) {
        self.tries[attempt] = nil
        self.pending[number]?.tries.removeAll { $0 == attempt }
        if self.pending[number]?.current == attempt { self.pending[number]?.current = nil }
    }

    private mutating func ended(
        _ number: UInt64, _ answer: PartitionAnswer, isCurrent: Bool, from node: NodeID, at moment: Moment,
        into effects: inout [Effect]
    ) {
        switch answer {
        case .accepted: break
        case .outcome(let id, .reply(let body)):
            self.settle(number, used: true, at: moment, into: &effects)
            self.end(number, id, .reply(body), at: moment, into: &effects)
        case .outcome(let id, .failed(let error)):
            self.failed(number, id, error, isCurrent: isCurrent, at: moment, into: &effects)
        case .refused(let error):
            guard let id = self.pending[number]?.id else { return }
            self.failed(number, id, error, isCurrent: isCurrent, at: moment, into: &effects)
        case .sessionExpired, .outOfOrder:
            guard isCurrent else { return }
            self.sessionIsGone(number, at: moment, into: &effects)
        case .elsewhere(let leader):
            guard isCurrent, let partition = self.pending[number]?.request.partition else { return }
            let isKnown = self.believe(leader, of: partition, toldBy: node, at: moment.now)
            self.goOn(number, after: node, isKnown: isKnown, at: moment, into: &effects)
        case .session, .deadLetters: break
        }
    }

    /// What another node says counts only where nobody here knows better; it may be older than what it replaces, and then
    /// costs one more question. Returns whether there is somebody else to go to.
    private mutating func believe(
        _ leader: NodeID?, of partition: Partition, toldBy node: NodeID, at now: Instant
    ) -> Bool {
        // It was elected and is not ready yet. Nobody would say so a second time.
        guard leader != node else { return false }
        // Whoever says so has not noticed yet that it is silent.
        if let leader, !self.isSilent(leader, at: now) {
            self.leaders[partition] = leader
            return true
        }
        if self.leaders[partition] == node { self.leaders[partition] = nil }
        return false
    }

    /// To whoever was named, at once; otherwise after a pause, or when a leader is heard of. That this node does not know costs
    /// none.
    private mutating func goOn(
        _ number: UInt64, after node: NodeID, isKnown: Bool, at moment: Moment, into effects: inout [Effect]
    ) {
        guard let partition = self.pending[number]?.request.partition else { return }
        self.pending[number]?.hops += 1
        let mayHop = isKnown && self.pending[number]?.hops ?? 0 <= Self.hopsMax
        if mayHop || self.asksOthers(about: partition, after: node) {
            self.advance(number, at: moment, into: &effects)
        } else {
            self.pause(number, for: Self.pause, at: moment)
        }
    }

    /// This node was asked in vain, and the next is another.
    private func asksOthers(about partition: Partition, after node: NodeID) -> Bool {
        node == self.local && self.leaders[partition] == nil && self.hasOthers
    }

    private mutating func pause(_ number: UInt64, for pause: Duration, at moment: Moment) {
        let until = moment.now + pause
        self.pending[number]?.pausedUntil = until
        self.note(.pause(number), due: until)
    }

    private mutating func accepted(
        _ number: UInt64, _ id: MessageID, at moment: Moment, into effects: inout [Effect]
    ) {
        self.settle(number, used: true, at: moment, into: &effects)
        guard let pending = self.pending[number] else { return }
        if !pending.isAccepted { effects.append(.accepted(number, id)) }
        self.pending[number]?.isAccepted = true
        if !pending.wantsOutcome { self.remove(number, at: moment, into: &effects) }
    }

    private mutating func failed(
        _ number: UInt64, _ id: MessageID, _ error: MeshError, isCurrent: Bool, at moment: Moment,
        into effects: inout [Effect]
    ) {
        guard let pending = self.pending[number] else { return }
        switch error.accepted {
        case .yes: self.settle(number, used: true, at: moment, into: &effects)
        case .unknown: self.loseTrack(of: number)
        case .no: break
        }
        // Of the leader and not of the message: another try may find another.
        let isPassing = error.code == .unavailable && error.retryAfter != nil
        let mayRepeat = error.accepted == .no || pending.isRepeatable
        if isPassing, mayRepeat {
            guard isCurrent else { return }
            return self.pause(number, for: min(error.retryAfter ?? Self.pause, Self.pause), at: moment)
        }
        // A try that did nothing says nothing of those that were lost.
        if !isCurrent, error.accepted == .no { return }
        var told = error
        if error.accepted == .no {
            if pending.isAccepted { told.accepted = .yes } else if pending.isUnknown { told.accepted = .unknown }
        }
        self.end(number, id, .failed(told), at: moment, into: &effects)
    }

    /// The number of the request means nothing any more. Its first try is sent again under another; what became of an earlier
    /// one nobody can say.
    private mutating func sessionIsGone(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard let pending = self.pending[number] else { return }
        self.drop(number, at: moment, into: &effects)
        guard pending.isUnknown || pending.isAccepted else {
            self.pending[number]?.place = nil
            return self.advance(number, at: moment, into: &effects)
        }
        let error = MeshError(
            .unavailable, "what became of the message to \(pending.path) was forgotten while it was looked for",
            hint: "send it again under an idempotency key, if it may take effect twice",
            accepted: pending.isAccepted ? .yes : .unknown)
        self.end(number, pending.id, .failed(error), at: moment, into: &effects)
    }

    // MARK: Ends

    /// What became of the place in the session is known: it was used, or it never will be.
    private mutating func settle(
        _ number: UInt64, used: Bool, at moment: Moment, into effects: inout [Effect]
    ) {
        guard let pending = self.pending[number], pending.holdsSlot, let place = pending.place else { return }
        self.pending[number]?.holdsSlot = false
        let slot = SessionSlots.Slot(session: place.session, next: used ? place.number + 1 : place.number)
        self.slots[pending.request.partition]?.give(back: slot)
        self.serveLine(of: pending.request.partition, at: moment, into: &effects)
    }

    private mutating func drop(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard let pending = self.pending[number], pending.holdsSlot else { return }
        self.pending[number]?.holdsSlot = false
        self.slots[pending.request.partition]?.give(back: nil)
        self.openSessions(with: pending.request.partition, at: moment, into: &effects)
    }

    private mutating func end(
        _ number: UInt64, _ id: MessageID, _ outcome: Outcome, at moment: Moment, into effects: inout [Effect]
    ) {
        effects.append(.ended(number, id, outcome))
        self.remove(number, at: moment, into: &effects)
    }

    private mutating func remove(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard let pending = self.pending[number] else { return }
        if pending.holdsSlot {
            // Only one that was tried once, and whose try is over, can have its number used again.
            if pending.isUnknown || pending.current != nil {
                self.drop(number, at: moment, into: &effects)
            } else {
                self.settle(number, used: false, at: moment, into: &effects)
            }
        }
        for attempt in pending.tries { self.tries[attempt] = nil }
        self.pending[number] = nil
        self.ofPartition[pending.request.partition]?.remove(number)
    }

    private mutating func serveLine(of partition: Partition, at moment: Moment, into effects: inout [Effect]) {
        while let next = self.slots[partition]?.nextInLine() {
            // It may have lost its patience meanwhile.
            if self.pending[next] != nil { self.advance(next, at: moment, into: &effects) }
        }
    }

    // MARK: Sessions

    private mutating func answered(
        session answer: PartitionAnswer, of partition: Partition, from node: NodeID, at moment: Moment,
        into effects: inout [Effect]
    ) {
        switch answer {
        case .session(let session):
            self.slots[partition]?.opened(session)
            self.serveLine(of: partition, at: moment, into: &effects)
        case .elsewhere(let leader):
            self.slots[partition]?.notOpened(by: node)
            let isKnown = self.believe(leader, of: partition, toldBy: node, at: moment.now)
            // Two that name each other must not be asked in turn without a pause.
            let hops = self.slots[partition]?.wentElsewhere() ?? 0
            if isKnown && hops <= Self.hopsMax || self.asksOthers(about: partition, after: node) {
                self.openSessions(with: partition, at: moment, into: &effects)
            } else {
                self.note(.session(partition), due: moment.now + Self.pause)
            }
        case .refused(let error) where error.code == .overloaded && self.slots[partition]?.isEmpty == true:
            self.slots[partition]?.notOpened(by: node)
            // As many as there may be, none of them ours: better one try than none.
            for number in self.slots[partition]?.nobodyElse() ?? [] {
                self.pending[number]?.goesWithout = true
                self.advance(number, at: moment, into: &effects)
            }
        default:
            self.slots[partition]?.notOpened(by: node)
            self.note(.session(partition), due: moment.now + Self.pause)
        }
    }

    // MARK: What does not come back

    mutating func unsent(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard let attempt = self.tries[number] else { return }
        // A shard that is full leads no less for that.
        let leader = attempt.node == self.local ? self.local : nil
        self.answered(number, .elsewhere(leader), from: attempt.node, at: moment, into: &effects)
    }

    mutating func disconnected(_ node: NodeID, at moment: Moment, into effects: inout [Effect]) {
        self.avoidedUntil[node] = moment.now + Self.silence
        for partition in self.leaders.keys.sorted() where self.leaders[partition] == node {
            self.leaders[partition] = nil
        }
        for number in self.tries.keys.sorted() where self.tries[number]?.node == node {
            self.lost(number, at: moment, into: &effects)
        }
    }

    /// The answer to a try will not come; what it did nobody knows.
    private mutating func lost(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard let attempt = self.tries[number] else { return }
        switch attempt.purpose {
        case .session(let partition):
            self.tries[number] = nil
            self.slots[partition]?.notOpened(by: attempt.node)
            self.note(.session(partition), due: moment.now + Self.pause)
        case .message(let request):
            self.loseTrack(of: request)
            let isCurrent = self.pending[request]?.current == number
            self.forget(number, of: request)
            guard isCurrent, let pending = self.pending[request] else { return }
            if pending.isRepeatable { return self.pause(request, for: Self.pause, at: moment) }
            let error = MeshError(
                .unavailable, "the connection to the leader for \(pending.path) broke before it answered",
                hint: "send again with the same idempotency key, if there was one",
                accepted: pending.isAccepted ? .yes : .unknown, retryAfter: .seconds(1))
            self.end(request, pending.id, .failed(error), at: moment, into: &effects)
        }
    }

    // MARK: Time

    mutating func wake(at moment: Moment, into effects: inout [Effect]) {
        while let wake = self.wakes.popDue(at: moment.now) {
            switch wake {
            case .deadline(let number): self.expire(number, at: moment, into: &effects)
            case .pause(let number):
                guard let until = self.pending[number]?.pausedUntil, until <= moment.now else { continue }
                self.advance(number, at: moment, into: &effects)
            case .timeout(let attempt): self.timedOut(attempt, at: moment, into: &effects)
            case .session(let partition): self.openSessions(with: partition, at: moment, into: &effects)
            }
        }
    }

    private mutating func expire(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard let pending = self.pending[number], pending.request.deadline + Self.grace <= moment.now else { return }
        let isUnderWay = pending.isUnknown || pending.current != nil
        let reason =
            pending.current == nil && self.leaders[pending.request.partition] == nil
            ? "; nobody who leads its partition could be found" : ""
        let error = MeshError(
            .deadlineExceeded, "no answer from \(pending.path) before the deadline\(reason)",
            hint: pending.isAccepted ? "the message was accepted" : "",
            accepted: pending.isAccepted ? .yes : isUnderWay ? .unknown : .no)
        self.end(number, pending.id, .failed(error), at: moment, into: &effects)
    }

    /// A node that hangs neither answers nor breaks its stream: somebody else may know who leads now.
    private mutating func timedOut(_ number: UInt64, at moment: Moment, into effects: inout [Effect]) {
        guard let attempt = self.tries[number], attempt.node != self.local else { return }
        if self.heardAt[attempt.node].map({ $0 < attempt.begun }) ?? true {
            self.silentUntil[attempt.node] = moment.now + Self.silence
            self.avoidedUntil[attempt.node] = moment.now + Self.silence
        }
        switch attempt.purpose {
        case .session(let partition):
            if self.leaders[partition] == attempt.node { self.leaders[partition] = nil }
            self.lost(number, at: moment, into: &effects)
        case .message(let request):
            guard let pending = self.pending[request], pending.current == number, pending.isRepeatable else { return }
            if self.leaders[pending.request.partition] == attempt.node {
                self.leaders[pending.request.partition] = nil
            }
            self.loseTrack(of: request)
            // The try goes on: its answer counts if it comes.
            self.pending[request]?.current = nil
            self.pending[request]?.hops = 0
            self.pending[request]?.timeouts += 1
            self.advance(request, at: moment, into: &effects)
        }
    }
}

extension PartitionAnswer {
    /// Nobody else would have said so. A node without a replica learns in no other way who leads.
    fileprivate var isWordOfLeader: Bool {
        switch self {
        case .accepted, .outcome, .session, .sessionExpired, .outOfOrder: true
        case .refused(let error): error.code == .notFound
        case .elsewhere, .deadLetters: false
        }
    }
}
