/// Who sent what is being read, and how it came.
struct Origin: Sendable {
    var id: NodeID
    /// nil: not a member that this node knows.
    var index: Int?
    var epoch: UInt64
    var endpoint: Endpoint
    /// It said that this node is suspect or dead: the answer carries the refutation.
    var accusesUs = false
    /// Its packet has held a ping, or a ping request.
    var hasPinged = false
    var hasAskedPing = false
}

extension Membership {
    /// One opened datagram: header, then compounded messages.
    ///
    /// Messages before one that does not parse have had their effect; the seal proves that a member wrote them.
    package mutating func receive(
        datagram: RawSpan, from endpoint: Endpoint, at now: Instant, into effects: inout Effects
    ) {
        guard self.phase != .departed else { return }
        self.noticeOwnPause(at: now)
        var reader = WireReader(datagram)
        do throws(WireError) {
            let header = try reader.packetHeader(spoken: self.local.protocols)
            guard header.receiverEpoch == self.local.boot.epoch else {
                try self.answerEpoch(header, &reader, from: endpoint, at: now, into: &effects)
                return
            }
            guard var origin = self.admit(header, from: endpoint, into: &effects) else { return }
            while !reader.isAtEnd { try self.receiveMessage(&reader, &origin, at: now, into: &effects) }
        } catch {
            effects.refuse(error)
        }
        self.settle(at: now, into: &effects)
    }

    /// nil: the packet is refused.
    private mutating func admit(
        _ header: PacketHeader, from endpoint: Endpoint, into effects: inout Effects
    ) -> Origin? {
        guard header.sender != self.local.id else {
            // A node that was wiped hears of its old identity at its own address and so writes to itself.
            effects.refuse(endpoint == self.local.endpoint ? .misdirected : .clonedBoot)
            return nil
        }
        let index = self.table.find(header.sender)
        guard
            Boot.isPlausible(header.senderEpoch, after: index.map { self.table[$0].boot.epoch } ?? Boot.epochMax)
        else {
            effects.refuse(.impossibleBoot)
            return nil
        }
        switch self.accept(header, of: index) {
        case .fresh: break
        case .replayed:
            effects.refuse(.replayed)
            return nil
        case .staleBoot:
            effects.refuse(.staleBoot)
            return nil
        }
        return Origin(id: header.sender, index: index, epoch: header.senderEpoch, endpoint: endpoint)
    }

    /// Anybody with a key can write a header in a member's name. So a higher epoch than is known of it is watched apart,
    /// as a stranger's: it takes the place of the known one only when it answers what this node asked, or by `alive`.
    private mutating func accept(_ header: PacketHeader, of index: Int?) -> ReplayWindow.Verdict {
        guard let index, header.senderEpoch <= self.table[index].epochHeard else {
            return self.strangers.accept(header)
        }
        guard header.senderEpoch >= self.table[index].boot.epoch else { return .staleBoot }
        return self.table[index].window.accept(epoch: header.senderEpoch, counter: header.counter)
    }

    private mutating func receiveMessage(
        _ reader: inout WireReader, _ origin: inout Origin, at now: Instant, into effects: inout Effects
    ) throws(WireError) {
        let place = reader.offset
        switch try reader.messageKind() {
        case .ping:
            let ping = try reader.ping()
            try self.note(first: &origin.hasPinged, at: place)
            self.answer(ping, origin, at: now, into: &effects)
        case .ack:
            self.acknowledged(try reader.read(), by: origin, at: now, into: &effects)
        case .nack:
            self.negativelyAcknowledged(try reader.read(), by: origin, at: now)
        case .pingRequest:
            let request = try reader.pingRequest()
            try self.note(first: &origin.hasAskedPing, at: place)
            self.relay(request, for: origin, at: now, into: &effects)
        case .epochAnswer:
            self.learnedEpoch(answering: try reader.read(), from: origin, at: now, into: &effects)
        case .summary:
            self.compare(try reader.summary(), from: origin, at: now, into: &effects)
        case .streamPing, .streamPong, .exchange, .delta, .datagramCount:
            throw WireError(.unknownKind, at: place)
        case let news:
            try self.receiveNews(news, &reader, &origin, at: now, into: &effects)
        }
    }

    /// Nodes write one question into a packet. Many would be answered by a full packet each, to wherever the first
    /// claims to come from.
    private func note(first wasSeen: inout Bool, at place: Int) throws(WireError) {
        guard !wasSeen else { throw WireError(.invalidValue, at: place) }
        wasSeen = true
    }

    /// What datagrams and frames have in common. Strangers are heard too: whoever joined a moment ago elsewhere holds
    /// the key as much as a member, and what it tells it will not tell again.
    mutating func receiveNews(
        _ kind: MessageKind, _ reader: inout WireReader, _ origin: inout Origin, at now: Instant,
        into effects: inout Effects
    ) throws(WireError) {
        switch kind {
        case .alive:
            let alive = try reader.alive()
            let labels = try reader.span(alive.labelBytes)
            try self.merge(alive, labels: labels, from: origin, at: now, into: &effects)
        case .suspect, .dead, .left:
            let claim = try reader.claim(kind)
            if claim.id == self.local.id {
                origin.accusesUs = true
                self.accused(claim, at: now, into: &effects)
            } else {
                self.merge(claim, at: now, into: &effects)
            }
        case .capability: _ = try self.receiveCapability(&reader, at: now, into: &effects)
        case .event: try self.receiveEvent(&reader, at: now, into: &effects)
        default: throw WireError(.unknownKind, at: reader.offset - 1)
        }
    }
}
