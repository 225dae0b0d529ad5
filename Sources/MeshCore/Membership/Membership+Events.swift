extension Membership {
    /// Tells a named payload to every member, this node included. The caller has validated it.
    mutating func raise(name: String, payload: [UInt8], at now: Instant, into effects: inout Effects) {
        self.lastEvent += 1
        let event = UserEvent(
            origin: self.local.id, bootEpoch: self.local.boot.epoch, sequence: self.lastEvent, name: name,
            payload: payload)
        self.take(event, at: now, into: &effects)
    }

    mutating func receiveEvent(
        _ reader: inout WireReader, at now: Instant, into effects: inout Effects
    ) throws(WireError) {
        let header = try reader.eventHeader()
        guard let index = self.table.find(header.origin), index != 0,
            header.bootEpoch >= self.table[index].boot.epoch, self.events.isNew(header, from: index)
        else { return try reader.skipEventBody() }
        let event = try reader.eventBody(of: header)
        self.events.note(event, from: index)
        if self.isQuiet {
            // Raised before this node joined: noted, so that it does not come again, and told to nobody.
            _ = self.events.keep(event, at: now)
        } else {
            self.take(event, at: now, into: &effects)
        }
    }

    private mutating func take(_ event: UserEvent, at now: Instant, into effects: inout Effects) {
        effects.list.append(.event(event))
        let slot = self.events.keep(event, at: now)
        guard !self.order.isEmpty else { return }
        self.hasNews(at: now)
        self.events.setStamp(self.rumors.add(.event, index: slot, size: event.byteCount), of: slot)
    }

    /// Events from then on are compared and repaired by exchanges, of which each node makes two in that time.
    func eventsStart(at now: Instant) -> Instant { now + self.configuration.pushPullInterval * -2 }
}
