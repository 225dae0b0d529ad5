internal import DequeModule

/// The actors that are in memory: all with waiting messages, those that the batch at hand is about, and some that were used
/// not long ago.
struct ActorTable: Sendable {
    /// Where the disk has an actor's record.
    private enum Place: Sendable { case nowhere, idle, busy }

    private struct Slot: Sendable {
        var record: ActorRecord
        var place: Place
        /// It is in `touched`.
        var isTouched = false
        var isDirty = false
        /// When it was last used, as a count of uses; an older place in `idle` is void.
        var use: UInt64 = 0
    }

    private var slots: [ActorPath: Slot] = [:]
    /// Actors that the batch at hand has learned or changed, in that order.
    private var touched: [ActorPath] = []
    /// Actors without waiting messages, the least recently used first.
    private var idle: Deque<(path: ActorPath, use: UInt64)> = []
    private var uses: UInt64 = 0
    private(set) var busyCount = 0
    private let idleMax: Int

    init(idleMax: Int) { self.idleMax = idleMax }

    var busy: [ActorPath] { self.slots.filter { $0.value.record.isBusy }.keys.sorted() }

    func peek(_ path: ActorPath) -> ActorRecord? { self.slots[path]?.record }

    func contains(_ path: ActorPath) -> Bool { self.slots[path] != nil }

    /// What the disk holds of an actor; nil if nothing.
    mutating func learn(_ path: ActorPath, _ record: ActorRecord?, isBusy: Bool) {
        precondition(self.slots[path] == nil, "\(path) was in memory already")
        let place: Place = record == nil ? .nowhere : isBusy ? .busy : .idle
        self.slots[path] = Slot(record: record ?? ActorRecord(), place: place)
        if isBusy { self.busyCount += 1 } else { self.touch(path) }
    }

    subscript(path: ActorPath) -> ActorRecord {
        guard let slot = self.slots[path] else { preconditionFailure("\(path) is not in memory") }
        return slot.record
    }

    /// Changes an actor that is in memory.
    mutating func change<Result>(_ path: ActorPath, _ body: (inout ActorRecord) -> Result) -> Result {
        guard let index = self.slots.index(forKey: path) else { preconditionFailure("\(path) is not in memory") }
        let wasBusy = self.slots.values[index].record.isBusy
        let result = body(&self.slots.values[index].record)
        self.slots.values[index].isDirty = true
        let isBusy = self.slots.values[index].record.isBusy
        if isBusy != wasBusy { self.busyCount += isBusy ? 1 : -1 }
        if !self.slots.values[index].isTouched { self.touch(path) }
        return result
    }

    private mutating func touch(_ path: ActorPath) {
        self.slots[path]?.isTouched = true
        self.touched.append(path)
    }

    /// Writes what the batch changed, and forgets actors that have nothing waiting and were not used for long.
    mutating func flush(into buffer: inout WriteBuffer) {
        for path in self.touched {
            guard var slot = self.slots[path] else { continue }
            if slot.isDirty { self.write(&slot, of: path, into: &buffer) }
            self.uses += 1
            (slot.isTouched, slot.isDirty, slot.use) = (false, false, self.uses)
            self.slots[path] = slot
            if !slot.record.isBusy { self.idle.append((path, slot.use)) }
        }
        self.touched.removeAll(keepingCapacity: true)
        while self.idle.count > self.idleMax, let oldest = self.idle.popFirst() {
            guard let slot = self.slots[oldest.path], slot.use == oldest.use, !slot.record.isBusy else { continue }
            self.slots[oldest.path] = nil
        }
    }

    private func write(_ slot: inout Slot, of path: ActorPath, into buffer: inout WriteBuffer) {
        let place: Place = slot.record == ActorRecord() ? .nowhere : slot.record.isBusy ? .busy : .idle
        if slot.place != place, slot.place != .nowhere {
            buffer.delete(PartitionKeys.actor(path, isBusy: slot.place == .busy))
        }
        if place != .nowhere { buffer.put(PartitionKeys.actor(path, isBusy: place == .busy), slot.record.encoded()) }
        slot.place = place
    }
}
