internal import HeapModule

/// Deadlines of the few things that have one each; periodic ones are fields. Nothing is ever cancelled: who moves a
/// deadline adds another, and a deadline that finds nothing due is no news.
struct DeadlineQueue: Sendable {
    enum Subject: Equatable, Sendable {
        case suspicion(Int)
        case relay(UInt32)
    }

    private struct Entry: Comparable, Sendable {
        var at: Instant
        /// Equal instants are met in the order they were set.
        var number: UInt64
        var subject: Subject

        static func == (left: Entry, right: Entry) -> Bool { left.number == right.number }

        static func < (left: Entry, right: Entry) -> Bool {
            left.at != right.at ? left.at < right.at : left.number < right.number
        }
    }

    private var heap = Heap<Entry>()
    private var number: UInt64 = 0

    var first: Instant { self.heap.min?.at ?? .distantFuture }

    mutating func add(_ subject: Subject, at instant: Instant) {
        self.number += 1
        self.heap.insert(Entry(at: instant, number: self.number, subject: subject))
    }

    mutating func next(at now: Instant) -> Subject? {
        guard let entry = self.heap.min, entry.at <= now else { return nil }
        return self.heap.removeMin().subject
    }
}
