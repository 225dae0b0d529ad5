/// The last user events, and which events of each member were seen.
///
/// Gossip misses a member now and then (each of N with probability e^-m, told m times by each): an exchange compares a
/// summary of the recent events and brings what is missing.
struct EventLog: Sendable {
    /// Beyond this the oldest is forgotten, told often enough or not.
    static let eventsMax = 1024

    private struct Slot: Sendable {
        /// As it is told.
        var message: [UInt8]
        /// Of the rumor that is told about it; 0 if none is.
        var stamp: UInt32
        var heardAt: Instant
        var identity: UInt64
    }

    private var slots: [Slot] = []
    private var next = 0
    /// By member.
    private var windows: [Int: EventWindow] = [:]

    func isNew(_ event: EventHeader, from index: Int) -> Bool {
        guard let window = self.windows[index] else { return true }
        return window.isNew(epoch: event.bootEpoch, sequence: UInt64(event.sequence))
    }

    mutating func note(_ event: UserEvent, from index: Int) {
        self.windows[index, default: EventWindow()].note(epoch: event.bootEpoch, sequence: UInt64(event.sequence))
    }

    mutating func forget(_ index: Int) { self.windows[index] = nil }

    /// Keeps an event and returns its slot.
    mutating func keep(_ event: UserEvent, at now: Instant) -> Int {
        var writer = WireWriter()
        writer.write(event)
        let identity = mix(
            mix(event.origin.high, event.origin.low), mix(event.bootEpoch, UInt64(event.sequence)))
        let slot = Slot(message: writer.bytes, stamp: 0, heardAt: now, identity: identity)
        if self.slots.count < Self.eventsMax {
            self.slots.append(slot)
            return self.slots.count - 1
        }
        defer { self.next = (self.next + 1) % Self.eventsMax }
        self.slots[self.next] = slot
        return self.next
    }

    mutating func setStamp(_ stamp: UInt32, of slot: Int) { self.slots[slot].stamp = stamp }

    /// False: another event has taken the slot.
    func write(_ slot: Int, stamp: UInt32, into writer: inout WireWriter) -> Bool {
        guard self.slots[slot].stamp == stamp else { return false }
        writer.bytes.append(contentsOf: self.slots[slot].message)
        return true
    }

    /// Equal on nodes that heard the same events since `start`; 0 if there were none.
    func summary(since start: Instant) -> UInt64 {
        self.slots.reduce(0) { $1.heardAt >= start ? $0 ^ $1.identity : $0 }
    }

    func write(since start: Instant, into writer: inout WireWriter) {
        for slot in self.slots where slot.heardAt >= start { writer.bytes.append(contentsOf: slot.message) }
    }
}
