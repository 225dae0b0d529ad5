internal import HeapModule

/// What is still to happen, in order of time; what was scheduled first comes first among equals.
package struct EventQueue<Event: Sendable>: Sendable {
    /// Small and trivial, for a heap moves its entries about; the events lie still.
    private struct Entry: Comparable, Sendable {
        var time: VirtualTime
        var order: UInt64
        var place: Int

        static func < (left: Entry, right: Entry) -> Bool {
            left.time != right.time ? left.time < right.time : left.order < right.order
        }
        static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
    }

    private var heap = Heap<Entry>()
    private var events: [Event?] = []
    /// Places of events that have happened.
    private var free: [Int] = []
    private var scheduled: UInt64 = 0

    package init() {}

    package var count: Int { self.heap.count }
    package var nextTime: VirtualTime? { self.heap.min?.time }

    package mutating func schedule(_ event: Event, at time: VirtualTime) {
        self.scheduled += 1
        let place: Int
        if let last = self.free.popLast() {
            place = last
            self.events[place] = event
        } else {
            place = self.events.count
            self.events.append(event)
        }
        self.heap.insert(Entry(time: time, order: self.scheduled, place: place))
    }

    package mutating func popFirst() -> (time: VirtualTime, event: Event)? {
        guard let entry = self.heap.popMin(), let event = self.events[entry.place].take() else { return nil }
        self.free.append(entry.place)
        return (entry.time, event)
    }
}
