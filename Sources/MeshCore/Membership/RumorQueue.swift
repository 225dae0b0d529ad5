internal import HeapModule

/// Something owed to the mesh. The words are made from the current state when it is told, so what is told is never
/// out of date; the stamp tells whether a newer rumor about the same subject has replaced this one.
package struct Rumor: Comparable, Sendable {
    package enum Subject: UInt8, Sendable { case member, capability, event }

    static let tellingsMax = 255

    /// Tellings, room left over and stamp in one word, for one comparison: the queue lives on comparisons.
    private var order: UInt64
    /// The member, or the slot of an event.
    package var index: UInt32
    /// The place among a member's fields.
    package var field: UInt16
    package var subject: Subject

    init(_ subject: Subject, index: Int, field: Int, size: Int, tellings: Int, stamp: UInt32) {
        self.order = UInt64(tellings) << 48 | UInt64(0xFFFF - size) << 32 | UInt64(stamp)
        self.index = UInt32(index)
        self.field = UInt16(field)
        self.subject = subject
    }

    /// How often it was told.
    package var tellings: Int { Int(self.order >> 48) }

    /// Encoded size in bytes.
    package var size: Int { 0xFFFF - Int(self.order >> 32 & 0xFFFF) }

    package var stamp: UInt32 { UInt32(truncatingIfNeeded: self.order) }

    fileprivate mutating func toldOnce() { self.order += 1 << 48 }

    /// Fresh news must leave before its only witness dies (SWIM, 4.1): fewest tellings first, then the largest.
    package static func < (left: Rumor, right: Rumor) -> Bool { left.order < right.order }

    package static func == (left: Rumor, right: Rumor) -> Bool { left.order == right.order }
}

/// Rumors still owed to the mesh. Who is there is told before what they can do: a machine full of GPUs has hundreds of
/// fields, and a suspicion must not wait behind them.
package struct RumorQueue: Sendable {
    /// Beyond this many of its sort a rumor is told once and no more. When thousands of members change at once, telling
    /// each of them as often as a single change would take minutes, and the next push/pull brings what gossip missed.
    package static let crowd = 512

    /// Members and events.
    private var urgent = Lane()
    private var fields = Lane()
    private var lastStamp: UInt32 = 0

    package init() {}

    package var isEmpty: Bool { self.urgent.isEmpty && self.fields.isEmpty }
    package var count: Int { self.urgent.count + self.fields.count }

    package func isCrowded(with subject: Rumor.Subject) -> Bool {
        (subject == .capability ? self.fields.count : self.urgent.count) > Self.crowd
    }

    /// Queues a rumor and returns the stamp that its subject must show for it to be told.
    package mutating func add(
        _ subject: Rumor.Subject, index: Int, field: Int = 0, size: Int, toldAlready: Int = 0
    ) -> UInt32 {
        self.lastStamp = self.lastStamp == .max ? 1 : self.lastStamp + 1
        let rumor = Rumor(
            subject, index: index, field: field, size: size, tellings: toldAlready, stamp: self.lastStamp)
        if subject == .capability { self.fields.add(rumor) } else { self.urgent.add(rumor) }
        return self.lastStamp
    }

    /// The most urgent rumor of at most `room` bytes; nil when none of the next few fits. End with `finish`.
    package mutating func take(room: Int) -> Rumor? {
        self.urgent.take(room: room) ?? self.fields.take(room: room)
    }

    /// Told once more; it waits for the next packet.
    package mutating func told(_ rumor: Rumor) {
        if rumor.subject == .capability { self.fields.told(rumor) } else { self.urgent.told(rumor) }
    }

    /// Not between `take` and `finish`.
    mutating func removeAll(where isObsolete: (Rumor) -> Bool) {
        self.urgent.removeAll(where: isObsolete)
        self.fields.removeAll(where: isObsolete)
    }

    /// The packet is closed: what is still owed goes back into the queue.
    package mutating func finish() {
        self.urgent.finish()
        self.fields.finish()
    }
}

/// Rumors of one urgency, least told first.
private struct Lane: Sendable {
    /// How many that do not fit are looked past before a packet is full.
    private static let lookahead = 8

    private var heap = Heap<Rumor>()
    private var putBack: [Rumor] = []
    private var misfits = 0
    /// No rumor in the lane is smaller: most packets end here, without a look at what does not fit.
    private var smallest = Int.max

    var isEmpty: Bool { self.heap.isEmpty }
    var count: Int { self.heap.count }

    mutating func add(_ rumor: Rumor) {
        self.smallest = min(self.smallest, rumor.size)
        self.heap.insert(rumor)
    }

    mutating func take(room: Int) -> Rumor? {
        guard room >= self.smallest else { return nil }
        while self.misfits < Self.lookahead, let rumor = self.heap.popMin() {
            if rumor.size <= room { return rumor }
            self.misfits += 1
            self.putBack.append(rumor)
        }
        return nil
    }

    mutating func told(_ rumor: Rumor) {
        var rumor = rumor
        rumor.toldOnce()
        self.putBack.append(rumor)
    }

    mutating func removeAll(where isObsolete: (Rumor) -> Bool) {
        self.heap = Heap(self.heap.unordered.filter { !isObsolete($0) })
        if self.heap.isEmpty { self.smallest = .max }
    }

    mutating func finish() {
        for rumor in self.putBack { self.heap.insert(rumor) }
        self.putBack.removeAll(keepingCapacity: true)
        self.misfits = 0
        if self.heap.isEmpty { self.smallest = .max }
    }
}
