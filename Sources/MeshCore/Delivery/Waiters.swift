/// Who asked, as the driver knows it: a request of this node, or of another one.
package struct Requester: Hashable, Sendable {
    /// Nil for this node.
    package var node: NodeID?
    package var number: UInt64

    package init(node: NodeID?, number: UInt64) {
        self.node = node
        self.number = number
    }
}

/// The requesters that wait to hear of messages, and how much is known of each message.
struct Waiters: Sendable {
    struct Waiter: Hashable, Sendable {
        var requester: Requester
        var wantsOutcome: Bool
        var until: Instant
    }

    private struct Entry: Sendable {
        var path: ActorPath
        var waiters: [Waiter]
        var accepted: MeshError.Accepted
    }

    private var entries: [MessageID: Entry] = [:]
    private var deadlines = DeadlineQueue<MessageID>()
    private(set) var count = 0

    var nextDue: Instant? { self.deadlines.nextDue }

    func count(of id: MessageID) -> Int { self.entries[id]?.waiters.count ?? 0 }
    func path(of id: MessageID) -> ActorPath? { self.entries[id]?.path }
    /// Whether the message is known to be in the log, or may be.
    func accepted(_ id: MessageID) -> MeshError.Accepted? { self.entries[id]?.accepted }

    mutating func add(_ waiter: Waiter, for id: MessageID, at path: ActorPath, accepted: MeshError.Accepted) {
        var entry = self.entries.removeValue(forKey: id) ?? Entry(path: path, waiters: [], accepted: accepted)
        // Asked twice by one and the same: one answer is enough.
        guard !entry.waiters.contains(where: { $0.requester == waiter.requester }) else {
            self.entries[id] = entry
            return
        }
        entry.waiters.append(waiter)
        self.entries[id] = entry
        self.count += 1
        self.note(waiter.until, for: id)
    }

    /// Most requests are answered long before their deadline; now and then only the living are kept.
    private mutating func note(_ until: Instant, for id: MessageID) {
        self.deadlines.add(id, due: until)
        guard self.deadlines.count > 1_024 + 4 * self.count else { return }
        self.deadlines = DeadlineQueue()
        for id in self.entries.keys.sorted() {
            for waiter in self.entries[id]?.waiters ?? [] { self.deadlines.add(id, due: waiter.until) }
        }
    }

    /// The message is under way to the log, or in it.
    mutating func note(_ accepted: MeshError.Accepted, of id: MessageID) { self.entries[id]?.accepted = accepted }

    /// The message is in the log: all are to be told, and those who asked for nothing else do not wait any longer.
    mutating func accept(_ id: MessageID) -> [Requester] {
        guard var entry = self.entries.removeValue(forKey: id) else { return [] }
        let told = entry.waiters.map(\.requester)
        entry.waiters.removeAll { !$0.wantsOutcome }
        entry.accepted = .yes
        self.count -= told.count - entry.waiters.count
        if !entry.waiters.isEmpty { self.entries[id] = entry }
        return told
    }

    /// Nothing more will come of the message: all are to be told.
    mutating func finish(_ id: MessageID) -> [Waiter] {
        guard let entry = self.entries.removeValue(forKey: id) else { return [] }
        self.count -= entry.waiters.count
        return entry.waiters
    }

    /// The message is a repetition of another: its requesters wait for that one.
    mutating func redirect(_ id: MessageID, to original: MessageID, at path: ActorPath) {
        guard id != original else { return }
        for waiter in self.finish(id) { self.add(waiter, for: original, at: path, accepted: .yes) }
    }

    /// Requesters whose patience has ended, with the message they asked about.
    mutating func expire(at now: Instant) -> [(id: MessageID, path: ActorPath, Requester, MeshError.Accepted)] {
        var expired: [(id: MessageID, path: ActorPath, Requester, MeshError.Accepted)] = []
        while let id = self.deadlines.popDue(at: now) {
            guard var entry = self.entries.removeValue(forKey: id) else { continue }
            for waiter in entry.waiters where waiter.until <= now {
                expired.append((id, entry.path, waiter.requester, entry.accepted))
            }
            let before = entry.waiters.count
            entry.waiters.removeAll { $0.until <= now }
            self.count -= before - entry.waiters.count
            if !entry.waiters.isEmpty { self.entries[id] = entry }
        }
        return expired
    }

    /// Messages of an actor that are in the log and whose outcome somebody waits for, in a fixed order.
    func accepted(at path: ActorPath) -> [MessageID] {
        self.entries.filter { $0.value.path == path && $0.value.accepted == .yes }.keys.sorted()
    }

    /// All messages somebody waits for, in a fixed order.
    var messages: [MessageID] { self.entries.keys.sorted() }
}

extension MessageID: Comparable {
    package static func < (left: MessageID, right: MessageID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
