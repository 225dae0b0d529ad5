internal import DequeModule

/// What a replica knows of its log without asking the disk: the term and size of every live entry, the payloads of the
/// latest.
///
/// Terms never fall along a log, so they are kept as runs: a log of a million entries under one leader is one run.
package struct RaftLog: Sendable {
    private struct Run: Sendable {
        var first: LogIndex
        var term: Term
    }

    /// The last entry that was dropped; everything up to it is in the applied state.
    package private(set) var base: LogPosition
    /// The last entry.
    package private(set) var last: LogPosition
    /// Up to here entries have been fsynced; only these count for a quorum.
    package private(set) var durable: LogIndex
    /// Payload bytes of all live entries.
    package private(set) var bytes = 0

    private var runs: [Run] = []
    private var sizes: Deque<UInt32> = []
    private var tail: Deque<LogEntry> = []
    private var tailBytes = 0
    private let tailBytesMax: Int
    /// Writes under way, in order: what will be durable with each.
    private var writes: Deque<(sequence: UInt64, last: LogIndex)> = []

    package init(base: LogPosition, tailBytesMax: Int) {
        self.base = base
        self.last = base
        self.durable = base.index
        self.tailBytesMax = tailBytesMax
    }

    package var isEmpty: Bool { self.last.index == self.base.index }

    /// The term of an entry, also of the last one dropped; nil outside of the log.
    package func term(at index: LogIndex) -> Term? {
        if index == self.base.index { return self.base.term }
        guard index > self.base.index, index <= self.last.index else { return nil }
        return self.runs.last { $0.first <= index }?.term
    }

    /// The last index not after `index` whose term is at most `term`: where two logs may still agree. Both sides use
    /// it to skip whole terms instead of single entries (§3.5, conflict hints).
    package func index(notAfter index: LogIndex, termAtMost term: Term) -> LogIndex {
        var end = min(index, self.last.index)
        for run in self.runs.reversed() where run.first <= end {
            if run.term <= term { return end }
            end = run.first - 1
        }
        return max(end, self.base.index)
    }

    /// Bytes of the entries after one index and up to another.
    package func byteCount(after first: LogIndex, through last: LogIndex) -> Int {
        let (first, last) = (max(first, self.base.index), min(last, self.last.index))
        guard first < last else { return 0 }
        let places = Int(first - self.base.index)..<Int(last - self.base.index)
        return places.reduce(0) { $0 + Int(self.sizes[$1]) }
    }

    // MARK: Change

    package mutating func append(_ entry: LogEntry) {
        precondition(
            entry.index == self.last.index + 1 && entry.term >= self.last.term,
            "entry \(entry.position) cannot follow \(self.last)")
        self.appendHeader(entry.position, bytes: entry.byteCount)
        self.tail.append(entry)
        self.tailBytes += entry.byteCount
    }

    /// An entry found on the disk at the start: durable, its payload stays there.
    package mutating func recover(_ position: LogPosition, bytes: Int) {
        precondition(self.tail.isEmpty, "recovered entries come before new ones")
        self.appendHeader(position, bytes: bytes)
        self.durable = position.index
    }

    private mutating func appendHeader(_ position: LogPosition, bytes: Int) {
        if self.runs.last?.term != position.term { self.runs.append(Run(first: position.index, term: position.term)) }
        self.sizes.append(UInt32(bytes))
        self.bytes += bytes
        self.last = position
    }

    /// Removes entries from `index` on: another leader's log says otherwise.
    package mutating func truncate(from index: LogIndex) {
        precondition(index > self.base.index, "entries up to \(self.base) are applied, \(index) cannot go")
        while self.last.index >= index {
            let size = Int(self.sizes.removeLast())
            self.bytes -= size
            if let entry = self.tail.popLast() { self.tailBytes -= entry.byteCount }
            if self.runs.last?.first == self.last.index { self.runs.removeLast() }
            self.last = LogPosition(index: self.last.index - 1, term: self.runs.last?.term ?? self.base.term)
        }
        self.durable = min(self.durable, index - 1)
        for place in self.writes.indices { self.writes[place].last = min(self.writes[place].last, index - 1) }
    }

    /// Forgets applied entries up to `index`.
    package mutating func drop(through index: LogIndex) {
        guard index > self.base.index, let term = self.term(at: index) else { return }
        for _ in self.base.index..<index { self.bytes -= Int(self.sizes.removeFirst()) }
        while let first = self.tail.first, first.index <= index { self.dropTailFirst() }
        while self.runs.count > 1, self.runs[1].first <= index + 1 { self.runs.removeFirst() }
        self.base = LogPosition(index: index, term: term)
        if self.isEmpty { self.runs = [] } else { self.runs[0].first = max(self.runs[0].first, index + 1) }
    }

    /// Starts anew after a snapshot.
    package mutating func reset(to position: LogPosition) {
        self = RaftLog(base: position, tailBytesMax: self.tailBytesMax)
    }

    // MARK: Durability

    package mutating func wrote(_ sequence: UInt64) { self.writes.append((sequence, self.last.index)) }

    package mutating func stored(through sequence: UInt64) {
        while let first = self.writes.first, first.sequence <= sequence {
            self.durable = max(self.durable, first.last)
            self.writes.removeFirst()
        }
        self.trimTail()
    }

    // MARK: Payloads

    /// Entries from `first` on with at most that many bytes, at least one; nil if their payloads must be loaded.
    package func entries(from first: LogIndex, through end: LogIndex, bytesMax: Int, countMax: Int) -> [LogEntry]? {
        guard first <= min(end, self.last.index) else { return [] }
        guard let start = self.tail.first?.index, first >= start else { return nil }
        var entries: [LogEntry] = []
        var bytes = 0
        var place = Int(first - start)
        while place < self.tail.count, entries.count < countMax, self.tail[place].index <= end {
            bytes += self.tail[place].byteCount
            if bytes > bytesMax, !entries.isEmpty { break }
            entries.append(self.tail[place])
            place += 1
        }
        return entries
    }

    /// Payloads that the disk has can be asked for again.
    private mutating func trimTail() {
        while self.tailBytes > self.tailBytesMax, let first = self.tail.first, first.index <= self.durable {
            self.dropTailFirst()
        }
    }

    private mutating func dropTailFirst() {
        if let entry = self.tail.popFirst() { self.tailBytes -= entry.byteCount }
    }
}
