internal import DequeModule

// Messages from actor to actor. Those for another partition wait in the outbox, numbered when their turn was applied; the
// destination knows by the numbers what it has. A delivery never fails because a mailbox is full, or one actor could stop
// all others: instead, those who send to it pause.
extension PartitionLead {
    // MARK: Sending

    /// A turn was applied, and with it what it sent.
    mutating func sent(
        _ turn: Turn, _ numbers: [OutboxNumber], over state: PartitionState, at now: Instant,
        into effects: inout Effects
    ) {
        guard !turn.outbox.isEmpty else { return }
        let room = self.limits.deliveryBytesMax * 2
        let remote = turn.outbox.filter { $0.destination != self.partition }
        for (letter, number) in zip(remote, numbers) {
            self.ensureFlow(to: number.destination, over: state)
            let numbered = OutboxFlow.Numbered(number.number, letter.letter, bytesThrough: number.bytesThrough)
            self.flows[number.destination]?.append(numbered, bytesMax: room)
        }
        for destination in Set(numbers.map(\.destination)).sorted() {
            if let stream = state.outbox(to: destination), stream.count > UInt64(self.limits.outboxMax) {
                self.flows[destination]?.heldByBacklog.insert(turn.path)
                self.senders[turn.path, default: HeldSender()].partitions.insert(destination)
            }
            self.advanceFlow(to: destination, over: state, at: now, into: &effects)
        }
        for letter in turn.outbox where letter.destination == self.partition && letter.letter.path != turn.path {
            guard self.isFull(letter.letter.path, over: state) else { continue }
            self.senders[turn.path, default: HeldSender()].local.insert(letter.letter.path)
            self.rechecks.add(turn.path, due: now + self.limits.fullPause)
        }
    }

    private mutating func ensureFlow(to destination: Partition, over state: PartitionState) {
        guard self.flows[destination] == nil else { return }
        self.flows[destination] = OutboxFlow(delivered: state.outbox(to: destination)?.acknowledged ?? 0)
    }

    /// What waits for others from before this leader's term.
    mutating func beginFlows(over state: PartitionState, at now: Instant, into effects: inout Effects) {
        for destination in state.waitingOutboxes {
            self.ensureFlow(to: destination, over: state)
            self.advanceFlow(to: destination, over: state, at: now, into: &effects)
        }
    }

    /// The next step towards one other partition: acknowledge, read, deliver, ask.
    private mutating func advanceFlow(
        to destination: Partition, over state: PartitionState, at now: Instant, into effects: inout Effects
    ) {
        guard var flow = self.flows[destination], let stream = state.outbox(to: destination) else { return }
        defer {
            let isDone = stream.count == 0 && flow.full.isEmpty && !flow.isAcknowledging && flow.inFlight == nil
            self.flows[destination] = isDone ? nil : flow
        }
        if let done = flow.unacknowledged, !flow.isAcknowledging {
            flow.unacknowledged = nil
            flow.isAcknowledging = true
            self.gather(
                .acknowledge(
                    OutboxAck(
                        destination: destination, stream: stream.stream, through: done.through,
                        bytesThrough: done.bytesThrough)))
        }
        if let until = flow.pausedUntil {
            guard until <= now else { return }
            flow.pausedUntil = nil
        }
        guard flow.inFlight == nil else { return }
        let first = flow.delivered + 1
        let letters = flow.batch(countMax: self.limits.deliveryCountMax, bytesMax: self.limits.deliveryBytesMax)
        let mayAsk = flow.asksAt.map { $0 <= now } ?? false
        if letters.isEmpty, first < stream.next, flow.reading == nil {
            let number = self.number()
            flow.reading = number
            self.readings[number] = .outbox(destination)
            effects.read(
                number,
                [
                    .range(
                        prefix: PartitionKeys.outbox(to: destination),
                        start: PartitionKeys.outbox(to: destination, first), limit: self.limits.deliveryCountMax,
                        bytesMax: self.limits.deliveryBytesMax)
                ])
        }
        guard !letters.isEmpty || mayAsk else { return }
        let asks = mayAsk ? Array(flow.full.keys.sorted().prefix(OutboxDelivery.asksMax)) : []
        flow.inFlight = OutboxFlow.InFlight(
            through: first + UInt64(letters.count) - 1, until: now + self.limits.deliveryTimeout, asks: asks)
        if mayAsk { flow.asksAt = now + self.limits.deliveryTimeout }
        effects.put(
            .deliver(
                OutboxDelivery(
                    Delivery(source: self.partition, stream: stream.stream, first: first, letters: letters), asks: asks),
                to: destination))
    }

    mutating func readOutbox(
        _ destination: Partition, _ number: UInt64, _ entries: [StorageEntry], over state: PartitionState,
        at now: Instant, into effects: inout Effects
    ) {
        guard self.flows[destination]?.reading == number else { return }
        self.flows[destination]?.reading = nil
        let first = (self.flows[destination]?.delivered ?? 0) + 1
        var letters: [OutboxFlow.Numbered] = []
        for entry in entries {
            guard let number = try? PartitionKeys.offset(of: entry.key).rawValue,
                number == first + UInt64(letters.count),
                let record = try? OutboxRecord(decoding: entry.value)
            else { break }
            letters.append(OutboxFlow.Numbered(number, record.letter, bytesThrough: record.bytesThrough))
        }
        let later = now + self.limits.placementPause
        if letters.isEmpty { self.flows[destination]?.pausedUntil = later }
        self.flows[destination]?.refill(letters)
        self.advanceFlow(to: destination, over: state, at: now, into: &effects)
    }

    mutating func delivered(
        _ answer: DeliveryAnswer, over state: PartitionState, in context: LeadContext, into effects: inout Effects
    ) {
        let destination = answer.destination
        guard let flow = self.flows[destination], let inFlight = flow.inFlight,
            let stream = state.outbox(to: destination), stream.stream == answer.stream
        else { return }
        self.flows[destination]?.inFlight = nil
        let later = context.now + self.limits.deliveryTimeout
        let verdict = self.limits.flaw == .deliveredUnheard ? .expects(inFlight.through + 1) : answer.verdict
        switch verdict {
        case .expects(let next) where next > flow.delivered:
            // It may have more, from an earlier leader; that is delivered again, for only then its size is known.
            let gone = self.flows[destination]?.advance(through: min(next - 1, inFlight.through)) ?? []
            self.hold(gone, asked: inFlight.asks, full: answer.full, of: destination, at: context.now)
        case .expects, .staleStream, .later:
            // Not there yet; or it has forgotten what it had, which only an operator can mend.
            self.flows[destination]?.pausedUntil = later
        }
        self.advanceFlow(to: destination, over: state, at: context.now, into: &effects)
    }

    /// Who sends to a mailbox that is full gets no turns until it has room.
    private mutating func hold(
        _ letters: [OutboxFlow.Numbered], asked: [ActorPath], full: [ActorPath], of destination: Partition,
        at now: Instant
    ) {
        guard var flow = self.flows[destination] else { return }
        let full = Set(full)
        for path in asked where !full.contains(path) {
            for sender in (flow.full.removeValue(forKey: path) ?? []).sorted() {
                self.senders[sender]?.remote.remove(path)
                self.release(sender)
            }
        }
        for letter in letters where full.contains(letter.letter.path) {
            guard flow.full[letter.letter.path] != nil || flow.full.count < OutboxDelivery.asksMax,
                let sender = try? ActorPath(letter.letter.envelope.message.sender)
            else { continue }
            flow.full[letter.letter.path, default: []].insert(sender)
            self.senders[sender, default: HeldSender()].remote.insert(letter.letter.path)
        }
        if flow.full.isEmpty {
            flow.asksAt = nil
        } else if flow.asksAt == nil || !asked.isEmpty {
            flow.asksAt = now + self.limits.fullPause
        }
        self.flows[destination] = flow
    }

    /// The state has forgotten what the destination has.
    mutating func acknowledged(
        _ ack: OutboxAck, over state: PartitionState, at now: Instant, into effects: inout Effects
    ) {
        self.flows[ack.destination]?.isAcknowledging = false
        if let held = self.flows[ack.destination]?.heldByBacklog, !held.isEmpty,
            state.outbox(to: ack.destination)?.count ?? 0 <= UInt64(self.limits.outboxMax / 2)
        {
            self.flows[ack.destination]?.heldByBacklog = []
            for sender in held.sorted() {
                self.senders[sender]?.partitions.remove(ack.destination)
                self.release(sender)
            }
        }
        self.advanceFlow(to: ack.destination, over: state, at: now, into: &effects)
    }

    /// The entry was refused: what it said is said again with the next.
    mutating func unacknowledged(_ ack: OutboxAck) {
        self.flows[ack.destination]?.isAcknowledging = false
        // So that the next wake looks at it.
        self.flows[ack.destination]?.pausedUntil = Instant(nanoseconds: 0)
        guard self.flows[ack.destination]?.unacknowledged == nil else { return }
        self.flows[ack.destination]?.unacknowledged = OutboxFlow.Acknowledgement(
            through: ack.through, bytesThrough: ack.bytesThrough)
    }

    /// Messages that the state has put into the outbox, and whose bodies are not at hand.
    mutating func sentFromState(
        _ numbers: [OutboxNumber], over state: PartitionState, at now: Instant, into effects: inout Effects
    ) {
        for destination in Set(numbers.map(\.destination)).sorted() {
            self.ensureFlow(to: destination, over: state)
            self.advanceFlow(to: destination, over: state, at: now, into: &effects)
        }
    }

    mutating func advanceFlows(over state: PartitionState, at now: Instant, into effects: inout Effects) {
        for destination in self.flows.keys.sorted() {
            if let until = self.flows[destination]?.inFlight?.until, until <= now {
                // Not answered: a repetition costs little, for the numbers say what was there.
                self.flows[destination]?.inFlight = nil
            }
            self.advanceFlow(to: destination, over: state, at: now, into: &effects)
        }
        while let sender = self.rechecks.popDue(at: now) {
            let local = self.senders[sender]?.local ?? []
            let still = local.filter { self.isFull($0, over: state) }
            self.senders[sender]?.local = still
            if still.isEmpty {
                self.release(sender)
            } else {
                self.rechecks.add(sender, due: now + self.limits.fullPause)
            }
        }
    }

    private mutating func release(_ sender: ActorPath) {
        guard self.senders[sender]?.isEmpty == true else { return }
        self.senders[sender] = nil
        self.ring.add(sender, class: 1)
    }

    /// No turns for who sends to a full mailbox, except if its own is full as well: every cycle of actors that wait for each
    /// other contains such a one, so none of them waits for ever. Too many messages for one partition hold up everybody
    /// who sends there, for those leave without any turn being run.
    func isHeldBack(_ path: ActorPath, over state: PartitionState) -> Bool {
        guard let held = self.senders[path] else { return false }
        return !held.partitions.isEmpty || !self.isFull(path, over: state)
    }

    // MARK: Receiving

    mutating func receive(
        _ delivery: OutboxDelivery, from route: Requester, over state: PartitionState, in context: LeadContext,
        into effects: inout Effects
    ) {
        let letters = delivery.delivery.letters
        // What does not belong here comes from a peer that is wrong about the partitions; it will not get better.
        guard letters.count <= Delivery.lettersMax, delivery.asks.count <= OutboxDelivery.asksMax,
            delivery.delivery.source != self.partition,
            letters.allSatisfy({ self.placement.partition(of: $0.path) == self.partition })
        else { return }
        let inbox = state.inbox(from: delivery.delivery.source)
        if let inbox, inbox.stream == delivery.delivery.stream,
            delivery.delivery.first + UInt64(letters.count) <= inbox.expects
        {
            return self.answer(delivery, .expects(inbox.expects), to: route, over: state, into: &effects)
        }
        if letters.isEmpty {
            return self.answer(delivery, .expects(inbox?.expects ?? 1), to: route, over: state, into: &effects)
        }
        guard self.hasRoom(for: LeadWork.delivery(delivery, route).byteCount) else {
            return self.later(delivery, to: route, into: &effects)
        }
        self.gather(.delivery(delivery, route))
    }

    /// A delivery was applied.
    mutating func taken(
        _ delivery: OutboxDelivery, _ outcome: DeliveryOutcome, from route: Requester, over state: PartitionState,
        into effects: inout Effects
    ) {
        switch outcome {
        case .accepted(let expects, let fresh):
            self.tally.accepted += UInt64(fresh)
            self.answer(delivery, .expects(expects), to: route, over: state, into: &effects)
        case .gap(let expects):
            self.answer(delivery, .expects(expects), to: route, over: state, into: &effects)
        case .staleStream(let current):
            self.answer(delivery, .staleStream(current: current), to: route, over: state, into: &effects)
        }
    }

    mutating func later(_ delivery: OutboxDelivery, to route: Requester, into effects: inout Effects) {
        effects.put(
            .deliveryAnswer(
                DeliveryAnswer(destination: self.partition, stream: delivery.delivery.stream, verdict: .later),
                to: route))
    }

    private func answer(
        _ delivery: OutboxDelivery, _ verdict: DeliveryAnswer.Verdict, to route: Requester,
        over state: PartitionState, into effects: inout Effects
    ) {
        let paths = Set(delivery.asks + delivery.delivery.letters.map(\.path)).sorted()
        effects.put(
            .deliveryAnswer(
                DeliveryAnswer(
                    destination: self.partition, stream: delivery.delivery.stream, verdict: verdict,
                    full: paths.filter { self.isFull($0, over: state) }),
                to: route))
    }
}

extension OutboxFlow {
    fileprivate func batch(countMax: Int, bytesMax: Int) -> [Letter] {
        var letters: [Letter] = []
        var bytes = 0
        for numbered in self.letters {
            guard letters.count < countMax, bytes + numbered.byteCount <= bytesMax || letters.isEmpty else { break }
            letters.append(numbered.letter)
            bytes += numbered.byteCount
        }
        return letters
    }
}
