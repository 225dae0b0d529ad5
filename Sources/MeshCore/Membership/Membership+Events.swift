extension Membership {
    /// Tells a named payload to every member, this node included. The caller has validated it.
    mutating func raise(name: String, payload: [UInt8], at now: Instant, into effects: inout Effects) {
        self.lastEvent += 1
        let event = UserEvent(
            origin: self.local.id, bootEpoch: self.local.boot.epoch, sequence: self.lastEvent, name: name,
            payload: payload)
        self.take(event, at: now, into: &effects)
    }

    mutating func merge(_ event: UserEvent, at now: Instant, into effects: inout Effects) {
        guard let index = self.table.find(event.origin), index != 0,
            event.bootEpoch >= self.table[index].boot.epoch, self.events.isNew(event, from: index)
        else { return }
        self.take(event, at: now, into: &effects)
    }

    private mutating func take(_ event: UserEvent, at now: Instant, into effects: inout Effects) {
        effects.list.append(.event(event))
        self.hasNews(at: now)
        let slot = self.events.reserve()
        self.events.keep(
            event, in: slot, stamp: self.rumors.add(.event, index: slot, size: event.byteCount))
    }
}
