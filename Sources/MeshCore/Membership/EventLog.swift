/// User events that are still told, and which events of each member were seen.
struct EventLog: Sendable {
    /// So many are told at the same time; beyond, the oldest is told no further.
    static let eventsMax = 128

    private struct Slot: Sendable {
        /// As it is told.
        var message: [UInt8]
        var stamp: UInt32
    }

    private var slots: [Slot?] = []
    private var next = 0
    /// By member. A window per origin remembers 64 events in 24 bytes, whatever their size.
    private var windows: [Int: ReplayWindow] = [:]

    func isNew(_ event: EventHeader, from index: Int) -> Bool {
        guard let window = self.windows[index] else { return true }
        return window.judge(epoch: event.bootEpoch, counter: UInt64(event.sequence)) == .fresh
    }

    mutating func note(_ event: UserEvent, from index: Int) {
        _ = self.windows[index, default: ReplayWindow()].accept(
            epoch: event.bootEpoch, counter: UInt64(event.sequence))
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

    mutating func keep(_ message: [UInt8], in slot: Int, stamp: UInt32) {
        self.slots[slot] = Slot(message: message, stamp: stamp)
    }

    /// False: another event has taken the slot.
    func write(_ slot: Int, stamp: UInt32, into writer: inout WireWriter) -> Bool {
        guard let kept = self.slots[slot], kept.stamp == stamp else { return false }
        writer.bytes.append(contentsOf: kept.message)
        return true
    }

    mutating func retire(_ slot: Int) { self.slots[slot] = nil }
}
