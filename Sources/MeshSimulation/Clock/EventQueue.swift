internal import HeapModule

/// What is still to happen, in order of time; what was scheduled first comes first among equals.
package struct EventQueue<Event: Sendable>: Sendable {
    private struct Entry: Comparable, Sendable {
        var time: VirtualTime
        var order: UInt64
        var event: Event

        static func < (left: Entry, right: Entry) -> Bool {
            left.time != right.time ? left.time < right.time : left.order < right.order
        }
        static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
    }

    private var heap = Heap<Entry>()
    private var scheduled: UInt64 = 0

    package init() {}

    package var count: Int { self.heap.count }
    package var nextTime: VirtualTime? { self.heap.min?.time }

    package mutating func schedule(_ event: Event, at time: VirtualTime) {
        self.scheduled += 1
        self.heap.insert(Entry(time: time, order: self.scheduled, event: event))
    }

    package mutating func popFirst() -> (time: VirtualTime, event: Event)? {
        self.heap.popMin().map { ($0.time, $0.event) }
    }
}
