extension Membership {
    /// How long the dead are contacted now and then, and remembered.
    static let deadPatience = Duration.seconds(24 * 3600)
    /// Long enough that nobody still tells that it is alive.
    static let leftPatience = Duration.seconds(3600)

    mutating func remember(_ members: [MemberDescription], at now: Instant) {
        let others = members.filter { $0.id != self.local.id && $0.endpoint.isUnicast }
        self.remembered.add(
            others.shuffled(using: &self.random), firstPause: self.configuration.probeInterval, at: now)
        if !self.remembered.isEmpty { self.contactAt = min(self.contactAt, now) }
    }

    /// Tries remembered addresses, tries whether dead members are back, and forgets who has been away for long.
    mutating func contactTheAbsent(at now: Instant, into effects: inout Effects) {
        for member in self.takeRemembered(at: now) {
            self.exchange(with: member.id, at: member.endpoint, now: now, into: &effects)
        }
        self.reap(at: now)
        self.contactDead(at: now, into: &effects)
        let next = self.dead.isEmpty ? Instant.distantFuture : now + self.configuration.gossipToDead
        self.contactAt = min(next, max(self.remembered.due, now + self.configuration.probeInterval / 4))
        if self.remembered.isEmpty { self.contactAt = next }
    }

    private mutating func takeRemembered(at now: Instant) -> [(id: NodeID, endpoint: Endpoint)] {
        guard !self.remembered.isEmpty else { return [] }
        let table = self.table
        return self.remembered.take(at: now) { id in table.find(id).map { table[$0].isLive } ?? false }
    }

    /// Two halves of a healed partition hold each other for dead; one answered ping makes them one mesh again. Each
    /// node asks about as often as makes one question per dead member and round in the whole mesh.
    private mutating func contactDead(at now: Instant, into effects: inout Effects) {
        guard !self.dead.isEmpty, now >= self.deadContactAt else { return }
        self.deadContactAt = now + self.configuration.gossipToDead
        guard self.random.below(max(1, self.counts.live)) < 2 * self.dead.count else { return }
        for _ in 0..<2 {
            let index = Int(self.dead[self.random.below(self.dead.count)])
            guard self.table[index].state == .dead else { continue }
            self.ping(index, sequence: self.nextSequence(), into: &effects)
        }
    }

    private mutating func reap(at now: Instant) {
        var kept: [UInt32] = []
        for entry in self.dead {
            let index = Int(entry)
            let patience = self.table[index].state == .dead ? Self.deadPatience : Self.leftPatience
            if self.table[index].isLive {
                self.table[index].flags.remove(.inDead)
            } else if now - self.table[index].since < patience {
                kept.append(entry)
            } else {
                self.forget(index)
            }
        }
        if kept.count < self.dead.count { self.dropRumorsOfVacant() }
        self.dead = kept
    }

    /// A node that is alone tells nothing: what it still owes about the forgotten would wait for ever.
    private mutating func dropRumorsOfVacant() {
        let table = self.table
        self.rumors.removeAll { $0.subject != .event && !table.isUsed(Int($0.index)) }
    }

    private mutating func forget(_ index: Int) {
        self.counts.add(-1, to: self.table[index].state)
        if self.table[index].flags.contains(.inOrder) { self.order.remove(index) }
        self.probes.removeAll { $0.target == index }
        self.details[index] = nil
        self.events.forget(index)
        self.table.remove(index)
    }

    // MARK: Epochs

    /// A packet for another boot of this node, or for whoever lived here before. The sender learns the epoch by an
    /// answer, which is never longer than the packet and is itself never answered.
    mutating func answerEpoch(
        _ header: PacketHeader, _ reader: inout WireReader, from endpoint: Endpoint, at now: Instant,
        into effects: inout Effects
    ) throws(WireError) {
        effects.refuse(.staleBoot)
        let packetBytes = reader.offset + reader.remaining
        guard header.sender != self.local.id, packetBytes >= PacketHeader.byteCount + 9,
            try reader.messageKind() != .epochAnswer, self.epochAnswers.allows(at: now)
        else { return }
        let start = effects.bytes.count
        var writer = self.open(&effects, to: self.table.find(header.sender), epoch: header.senderEpoch)
        writer.write(epochAnswerTo: header.counter)
        self.close(&writer, from: start, to: endpoint, into: &effects)
    }

    /// The header named the epoch; that it answers a packet of this node makes it credible.
    mutating func learnedEpoch(
        answering counter: UInt64, from origin: Origin, at now: Instant, into effects: inout Effects
    ) {
        guard let index = origin.index, counter <= self.table[index].sent,
            self.table[index].sent - counter < ReplayWindow.width
        else { return }
        self.showsLife(index, epoch: origin.epoch, at: now)
        if origin.epoch > self.table[index].epochHeard,
            let heard = self.strangers.take(origin.id, epoch: origin.epoch)
        {
            self.table[index].window = heard
        }
        if let place = self.probes.firstIndex(where: { $0.target == index }), !self.probes[place].askedAgain {
            self.probes[place].askedAgain = true
            self.ping(index, sequence: self.probes[place].sequence, into: &effects)
        }
        // The boot that this node knew is gone: fetch the word of the new one.
        if origin.epoch > self.table[index].boot.epoch { self.exchange(with: origin.id, at: now, into: &effects) }
    }

    // MARK: Changing and leaving

    mutating func retag(_ tags: [Label], at now: Instant, into effects: inout Effects) {
        var next = self.local
        next.tags = tags.sorted()
        let labels = next.encodedLabels
        precondition(labels.count <= MemberDescription.labelBytesMax, "tags are validated before they are set")
        guard self.phase == .active, !self.table.labels(of: 0).elementsEqual(labels) else { return }
        self.local = next
        self.table.setLabels(of: 0, to: labels)
        self.renew(above: self.table[0].incarnation, cause: .updated, at: now, into: &effects)
    }

    /// `left` is an incarnation above all that was said of this boot: nothing can bring it back but a new boot.
    mutating func leave(at now: Instant, into effects: inout Effects) {
        guard self.phase == .active else { return }
        let rounds = self.configuration.retransmitMultiplier * decimalDigits(self.counts.live) + 2
        self.phase = .leaving(until: now + self.configuration.gossipInterval * rounds)
        self.probes.removeAll()
        self.change(
            0, to: .left, incarnation: Incarnation.after(self.table[0].incarnation), cause: .left, at: now,
            into: &effects)
        self.gossipAt = now
    }

    /// Over when the word was passed on often enough, or there is nobody to tell.
    mutating func depart(ifOver deadline: Instant, at now: Instant, into effects: inout Effects) {
        guard now >= deadline || self.table[0].rumor == 0 || self.counts.live == 0 else { return }
        self.phase = .departed
        effects.list.append(.departed)
    }
}
