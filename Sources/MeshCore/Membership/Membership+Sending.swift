extension Membership {
    /// Begins a datagram at the end of the effects' bytes, which move into the writer until `close`.
    ///
    /// Counters run per receiver, so that a reordered packet is not old only because others were told meanwhile. A
    /// record starts at the highest counter used so far: one forgotten and met again never sees a counter twice.
    mutating func open(_ effects: inout Effects, to index: Int?, epoch: UInt64) -> WireWriter {
        let counter: UInt64
        if let index {
            counter = self.table[index].sent + 1
            self.table[index].sent = counter
            if counter > self.lastCounter { self.lastCounter = counter }
        } else {
            self.lastCounter += 1
            counter = self.lastCounter
        }
        var writer = WireWriter()
        swap(&writer.bytes, &effects.bytes)
        writer.write(
            PacketHeader(
                version: self.packetVersion(for: index), sender: self.local.id, senderEpoch: self.local.boot.epoch,
                receiverEpoch: epoch, counter: counter))
        return writer
    }

    /// Ends what `open` began at `start`.
    func close(_ writer: inout WireWriter, from start: Int, to endpoint: Endpoint, into effects: inout Effects) {
        swap(&writer.bytes, &effects.bytes)
        effects.list.append(.datagram(to: endpoint, start..<effects.bytes.count))
    }

    /// The highest version that both speak.
    private func packetVersion(for index: Int?) -> UInt8 {
        guard let index else { return self.local.protocols.lowerBound }
        return min(self.local.protocols.upperBound, self.table[index].protocolMax)
    }

    /// Begins a frame: the version, then messages to its end.
    func openFrame(_ effects: inout Effects) -> WireWriter {
        var writer = WireWriter()
        swap(&writer.bytes, &effects.bytes)
        writer.write(self.local.protocols.upperBound)
        return writer
    }

    func closeFrame(
        _ writer: inout WireWriter, from start: Int, to id: NodeID, at endpoint: Endpoint, into effects: inout Effects
    ) {
        swap(&writer.bytes, &effects.bytes)
        effects.list.append(.stream(to: id, at: endpoint, start..<effects.bytes.count))
    }

    /// What this node holds against a member, for the member itself to refute (Lifeguard's buddy system).
    func accusation(of index: Int) -> Claim? {
        let state = self.table[index].state
        guard state != .alive else { return nil }
        return Claim(
            state: state, id: self.table[index].id, epoch: self.table[index].boot.epoch,
            incarnation: self.table[index].incarnation, accuser: self.accuser(of: index) ?? self.local.id,
            hardEvidence: self.table[index].flags.contains(.hardEvidence))
    }

    private func accuser(of index: Int) -> NodeID? {
        self.table[index].state == .suspect ? self.suspicions[index]?.accusers.last : self.details[index]?.accuser
    }

    /// How often each rumor is told: λ · ⌈log10(N + 1)⌉ (SWIM, 4.1).
    var tellings: Int {
        min(max(1, self.configuration.retransmitMultiplier) * decimalDigits(self.counts.live), Rumor.tellingsMax)
    }

    /// How often what is learned now counts as told before it is.
    var toldAlready: Int { self.isQuiet ? max(0, self.tellings - 2) : 0 }

    /// Fills what is left of a packet with rumors, each told once more by that.
    mutating func tell(into writer: inout WireWriter, limit: Int) {
        guard !self.rumors.isEmpty else { return }
        let tellings = self.tellings
        while let rumor = self.rumors.take(room: limit - writer.count) {
            guard self.write(rumor, into: &writer) else { continue }
            if rumor.tellings + 1 < tellings, !self.rumors.isCrowded(with: rumor.subject) {
                self.rumors.told(rumor)
            } else {
                self.retire(rumor)
            }
        }
        self.rumors.finish()
    }

    /// False: a newer rumor about the same subject has replaced this one.
    private func write(_ rumor: Rumor, into writer: inout WireWriter) -> Bool {
        let index = Int(rumor.index)
        switch rumor.subject {
        case .member:
            guard self.table.isUsed(index), self.table[index].rumor == rumor.stamp else { return false }
            if let claim = self.accusation(of: index) {
                writer.write(claim)
            } else {
                writer.write(alive: index, of: self.table)
            }
        case .capability:
            guard self.table.isUsed(index), let field = self.table.fields(of: index)[Int(rumor.field)],
                field.rumor == rumor.stamp
            else { return false }
            writer.write(field, of: self.table[index].id, epoch: self.table[index].boot.epoch)
        case .event:
            return self.events.write(index, stamp: rumor.stamp, into: &writer)
        }
        return true
    }

    private mutating func retire(_ rumor: Rumor) {
        let index = Int(rumor.index)
        switch rumor.subject {
        case .member: self.table[index].rumor = 0
        case .capability: self.table.setFieldRumor(0, at: Int(rumor.field), of: index)
        case .event: self.events.setStamp(0, of: index)
        }
    }

    /// Queues what is now believed of a member, to be told to the mesh in place of what was believed before.
    mutating func spread(_ index: Int, at now: Instant) {
        let state = self.table[index].state
        let size =
            state == .alive
            ? AliveMessage.byteCountBeforeLabels + self.table[index].labels.count : Claim.byteCount(state)
        self.hasNews(at: now)
        self.table[index].rumor = self.rumors.add(
            .member, index: index, size: size, toldAlready: index == 0 ? 0 : self.toldAlready)
    }

    /// The first news after a silence leaves at once; what follows keeps the gossip interval.
    mutating func hasNews(at now: Instant) {
        if self.rumors.isEmpty, self.gossipAt == .distantFuture || self.gossipAt < now { self.gossipAt = now }
    }
}
