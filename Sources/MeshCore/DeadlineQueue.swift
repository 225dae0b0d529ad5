internal import HeapModule

/// What is due when; equal instants in the order they were added.
///
/// Nothing is ever cancelled: who moves a deadline adds another, and whoever takes one out checks whether it still
/// matters. Where most end long before they are due, `keep` drops them now and then.
package struct DeadlineQueue<Element: Sendable>: Sendable {
    private struct Entry: Comparable, Sendable {
        var due: Instant
        var order: UInt64
        var element: Element

        static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
        static func < (left: Entry, right: Entry) -> Bool { (left.due, left.order) < (right.due, right.order) }
    }

    private var heap = Heap<Entry>()
    private var order: UInt64 = 0

    package init() {}

    package var count: Int { self.heap.count }
    package var nextDue: Instant? { self.heap.min?.due }

    package mutating func add(_ element: Element, due: Instant) {
        self.heap.insert(Entry(due: due, order: self.order, element: element))
        self.order += 1
    }

    package mutating func popDue(at now: Instant) -> Element? {
        guard let first = self.heap.min, first.due <= now else { return nil }
        return self.heap.popMin()?.element
    }

    /// Only what still matters, at its own time and in its order.
    package mutating func keep(where matters: (Element) -> Bool) {
        self.heap = Heap(self.heap.unordered.filter { matters($0.element) })
    }
}
