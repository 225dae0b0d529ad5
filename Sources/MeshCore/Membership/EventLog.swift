/// User events that are still told, and which events of each member were seen.
struct EventLog: Sendable {
    /// So many are told at the same time; beyond, the oldest is told no further.
    static let eventsMax = 128

    private struct Slot: Sendable {
        var event: UserEvent
        var stamp: UInt32
    }

    private var slots: [Slot?] = []
    private var next = 0
    /// By member. A window per origin remembers 64 events in 24 bytes, whatever their size.
    private var windows: [Int: ReplayWindow] = [:]

    /// Whether this is the first time that an event is heard of.
    mutating func isNew(_ event: UserEvent, from index: Int) -> Bool {
        self.windows[index, default: ReplayWindow()].accept(
            epoch: event.bootEpoch, counter: UInt64(event.sequence)) == .fresh
    }

    mutating func forget(_ index: Int) { self.windows[index] = nil }

    /// The slot in which the next event is kept.
    mutating func reserve() -> Int {
        if self.slots.count < Self.eventsMax {
            self.slots.append(nil)
            return self.slots.count - 1
        }
        defer { self.next = (self.next + 1) % Self.eventsMax }
        return self.next
    }

    mutating func keep(_ event: UserEvent, in slot: Int, stamp: UInt32) {
        self.slots[slot] = Slot(event: event, stamp: stamp)
    }

    func event(at slot: Int, stamp: UInt32) -> UserEvent? {
        guard let kept = self.slots[slot], kept.stamp == stamp else { return nil }
        return kept.event
    }

    mutating func retire(_ slot: Int) { self.slots[slot] = nil }
}
