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
        self.take(event, at: now, into: &effects)
    }

    private mutating func take(_ event: UserEvent, at now: Instant, into effects: inout Effects) {
        effects.list.append(.event(event))
        var writer = WireWriter()
        writer.write(event)
        self.hasNews(at: now)
        let slot = self.events.reserve()
        self.events.keep(
            writer.bytes, in: slot, stamp: self.rumors.add(.event, index: slot, size: writer.count))
    }
}
