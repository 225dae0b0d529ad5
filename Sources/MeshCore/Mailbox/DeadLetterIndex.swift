internal import DequeModule

/// Which dead letters are kept: the youngest, up to a number and to a size. A program that crashes on everything must
/// not fill the disk, for a full disk ends the node.
package struct DeadLetterIndex: Sendable {
    private struct Entry: Sendable {
        var id: MessageID
        var byteCount: Int
    }

    package let countMax: Int
    package let bytesMax: Int
    /// Oldest first.
    private var entries: Deque<Entry> = []
    private var byteCount = 0

    package init(countMax: Int, bytesMax: Int) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    package var count: Int { self.entries.count }

    /// Adds the youngest and returns those that have to go for it.
    package mutating func add(_ id: MessageID, byteCount: Int) -> [MessageID] {
        self.entries.append(Entry(id: id, byteCount: byteCount))
        self.byteCount += byteCount
        var dropped: [MessageID] = []
        while self.entries.count > self.countMax || self.byteCount > self.bytesMax, self.entries.count > 1,
            let oldest = self.entries.popFirst()
        {
            self.byteCount -= oldest.byteCount
            dropped.append(oldest.id)
        }
        return dropped
    }
}
