internal import DequeModule
internal import MeshCore

/// The sessions of this node with one partition, each with one request in flight (as the slots of NFS 4.1, RFC 8881,
/// 2.10.6), and who waits for one.
struct SessionSlots: Sendable {
    struct Slot: Hashable, Sendable {
        let session: SessionID
        /// The number of its next request. Under it nothing was ever applied, and nothing that is still under way can be.
        var next: UInt64 = 1
    }

    /// Open and being opened.
    static let slotsMax = 256

    /// The one used last is used first, so that those that are not needed any more expire.
    private var free: [Slot] = []
    private var inUse = 0
    private(set) var opening = 0
    private var waiting: Deque<UInt64> = []
    /// Who was asked for one and could not open it.
    private(set) var asked: NodeID?
    /// Answers "elsewhere" since one was opened.
    private var hops = 0

    mutating func take() -> Slot? {
        guard let slot = self.free.popLast() else { return nil }
        self.inUse += 1
        return slot
    }

    /// - Parameter slot: as it may be used next; nil if nobody knows what became of its request.
    mutating func give(back slot: Slot?) {
        self.inUse -= 1
        if let slot { self.free.append(slot) }
    }

    mutating func wait(_ request: UInt64) { self.waiting.append(request) }

    /// Who goes on now that a slot is free.
    mutating func nextInLine() -> UInt64? { self.free.isEmpty ? nil : self.waiting.popFirst() }
    mutating func nobodyElse() -> [UInt64] {
        defer { self.waiting = [] }
        return Array(self.waiting)
    }

    // MARK: Opening

    var hasWaiting: Bool { !self.waiting.isEmpty }
    var isEmpty: Bool { self.free.isEmpty && self.inUse == 0 }

    /// How many more are to be opened for those that wait.
    var missing: Int {
        let room = Self.slotsMax - self.free.count - self.inUse - self.opening
        return max(0, min(self.waiting.count - self.opening, room))
    }

    mutating func beginOpening() { self.opening += 1 }
    mutating func opened(_ session: SessionID) {
        self.opening -= 1
        self.free.append(Slot(session: session))
        self.hops = 0
    }
    mutating func notOpened(by node: NodeID) {
        self.opening -= 1
        self.asked = node
    }

    mutating func wentElsewhere() -> Int {
        self.hops += 1
        return self.hops
    }
}
