internal import DequeModule
internal import Synchronization

/// What happened on a node, kept for a while: readers come with the id of the last event they saw and go on behind it.
///
/// A reader holds no queue here, only its place: one that is slow costs nothing, and learns from the next page what it
/// missed. Each kind has shelves of its own, so that a flood of log lines does not push out who died.
package final class EventJournal: Sendable {
    package struct Limits: Sendable {
        package var countMax: Int
        package var bytesMax: Int

        package init(countMax: Int, bytesMax: Int) {
            self.countMax = countMax
            self.bytesMax = bytesMax
        }

        package static let standard: [EventKind: Limits] = [
            .membership: Limits(countMax: 1024, bytesMax: 1 << 20),
            .definitions: Limits(countMax: 1024, bytesMax: 256 << 10),
            .user: Limits(countMax: 1024, bytesMax: 1 << 20),
            .logs: Limits(countMax: 4096, bytesMax: 1 << 20),
        ]
    }

    /// Events that a reader asked for and will not get.
    package struct Gap: Hashable, Sendable {
        /// The names are those of the API.
        package enum Reason: String, Sendable, CaseIterable {
            /// They gave way to younger ones.
            case dropped
            /// The id is of another boot of the node, whose events went with it.
            case restarted
            /// The id is of no event that there was.
            case unknown
        }

        package var after: EventID
        package var reason: Reason

        package init(after: EventID, reason: Reason) {
            self.after = after
            self.reason = reason
        }
    }

    package struct Page: Sendable {
        /// What is missing before the first event.
        package var gap: Gap?
        package var events: [NodeEvent]
        /// Where to go on.
        package var end: EventID

        package init(gap: Gap?, events: [NodeEvent], end: EventID) {
            self.gap = gap
            self.events = events
            self.end = end
        }

        /// After what the reader is when it has heard of the gap and of nothing else.
        package var begin: EventID {
            self.events.first.map { EventID(boot: $0.id.boot, sequence: $0.id.sequence - 1) } ?? self.end
        }
    }

    fileprivate struct Entry: Sendable {
        var sequence: UInt64
        var wallClock: UInt64
        var content: NodeEvent.Content
        var byteCount: Int
    }

    fileprivate struct Shelf: Sendable {
        var limits: Limits
        var entries: Deque<Entry> = []
        var byteCount = 0
        /// The youngest that gave way.
        var dropped: UInt64 = 0
    }

    fileprivate struct State: Sendable {
        var boot: UInt64
        var last: UInt64 = 0
        /// In the order of `EventKind.allCases`.
        var shelves: [Shelf]
        var readers: [Int: AsyncStream<Void>.Continuation] = [:]
        var nextReader = 0
        var isClosed = false
    }

    /// A page is what one write carries.
    private static let pageBytesMax = 64 << 10

    private let wallClock: @Sendable () -> UInt64
    private let state: Mutex<State>

    package init(
        boot: UInt64 = 0, limits: [EventKind: Limits] = Limits.standard,
        wallClock: @escaping @Sendable () -> UInt64 = RuntimeConfiguration().wallClock
    ) {
        self.wallClock = wallClock
        let shelves = EventKind.allCases.map { Shelf(limits: limits[$0] ?? Limits(countMax: 1024, bytesMax: 1 << 20)) }
        self.state = Mutex(State(boot: boot, shelves: shelves))
    }

    /// The boot becomes known a moment after the first line is logged, and before anybody can read.
    package func begin(boot: UInt64) { self.state.withLock { $0.boot = boot } }

    /// Returns when it happened, in milliseconds since 1970.
    @discardableResult
    package func publish(_ content: NodeEvent.Content) -> UInt64 {
        let content = content.bounded
        let now = self.now
        let readers = self.state.withLock { state in
            state.last += 1
            let entry = Entry(
                sequence: state.last, wallClock: now, content: content, byteCount: content.byteCount)
            state.shelves[content.kind.shelf].add(entry)
            return Array(state.readers.values)
        }
        for reader in readers { reader.yield() }
        return now
    }

    /// Milliseconds since 1970.
    var now: UInt64 { self.wallClock() }

    /// The id of the youngest event.
    package var end: EventID { self.state.withLock { EventID(boot: $0.boot, sequence: $0.last) } }

    /// The oldest events behind an id, as many as make a page.
    package func read(
        after id: EventID, kinds: Set<EventKind>, limit: Int = 256,
        where isWanted: (NodeEvent) -> Bool = { _ in true }
    ) -> Page {
        self.state.withLock { state in
            let gap = state.gap(after: id, kinds)
            var place = gap == nil ? id.sequence : 0
            var page = Page(gap: gap, events: [], end: EventID(boot: state.boot, sequence: state.last))
            var byteCount = 0
            var ends = state.ends(after: place, kinds)
            while let entry = state.next(&ends) {
                guard page.events.count < limit, byteCount < Self.pageBytesMax else {
                    page.end.sequence = place
                    break
                }
                place = entry.sequence
                let event = state.event(entry)
                guard isWanted(event) else { continue }
                page.events.append(event)
                byteCount += entry.byteCount
            }
            return page
        }
    }

    /// The youngest events, oldest first; what is not asked for is no gap.
    package func read(
        last limit: Int, kinds: Set<EventKind>, where isWanted: (NodeEvent) -> Bool = { _ in true }
    ) -> Page {
        self.state.withLock { state in
            var events: [NodeEvent] = []
            for kind in kinds {
                var found = 0
                for entry in state.shelves[kind.shelf].entries.reversed() where found < limit {
                    let event = state.event(entry)
                    guard isWanted(event) else { continue }
                    events.append(event)
                    found += 1
                }
            }
            events.sort { $0.id < $1.id }
            return Page(
                gap: nil, events: events.suffix(limit), end: EventID(boot: state.boot, sequence: state.last))
        }
    }

    /// Yields when something was published; many at once are one. Ends when the journal is closed.
    package func news() -> (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation) {
        let news = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = self.state.withLock { state -> Int? in
            guard !state.isClosed else { return nil }
            state.nextReader += 1
            state.readers[state.nextReader] = news.continuation
            return state.nextReader
        }
        if let number {
            news.continuation.onTermination = { [weak self] _ in
                self?.state.withLock { _ = $0.readers.removeValue(forKey: number) }
            }
        } else {
            news.continuation.finish()
        }
        return news
    }

    /// Readers are told that nothing more will come.
    package func close() {
        let readers = self.state.withLock { state in
            state.isClosed = true
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }
}

extension EventJournal.Shelf {
    fileprivate mutating func add(_ entry: EventJournal.Entry) {
        self.entries.append(entry)
        self.byteCount += entry.byteCount
        while self.entries.count > self.limits.countMax || self.byteCount > self.limits.bytesMax,
            let oldest = self.entries.popFirst()
        {
            self.byteCount -= oldest.byteCount
            self.dropped = oldest.sequence
        }
    }

    /// Where the first entry behind a sequence is.
    fileprivate func index(after sequence: UInt64) -> Int {
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension EventJournal.State {
    fileprivate func gap(after id: EventID, _ kinds: Set<EventKind>) -> EventJournal.Gap? {
        if id.boot != self.boot { return EventJournal.Gap(after: id, reason: .restarted) }
        if id.sequence > self.last { return EventJournal.Gap(after: id, reason: .unknown) }
        let dropped = kinds.map { self.shelves[$0.shelf].dropped }.max() ?? 0
        return dropped > id.sequence ? EventJournal.Gap(after: id, reason: .dropped) : nil
    }

    /// For each wanted shelf, where to read on.
    fileprivate func ends(after sequence: UInt64, _ kinds: Set<EventKind>) -> [(shelf: Int, index: Int)] {
        kinds.map { ($0.shelf, self.shelves[$0.shelf].index(after: sequence)) }
    }

    /// The oldest entry that is left on any of the shelves.
    fileprivate func next(_ ends: inout [(shelf: Int, index: Int)]) -> EventJournal.Entry? {
        var best: (place: Int, entry: EventJournal.Entry)?
        for (place, end) in ends.enumerated() where end.index < self.shelves[end.shelf].entries.count {
            let entry = self.shelves[end.shelf].entries[end.index]
            if best.map({ entry.sequence < $0.entry.sequence }) ?? true { best = (place, entry) }
        }
        guard let best else { return nil }
        ends[best.place].index += 1
        return best.entry
    }

    fileprivate func event(_ entry: EventJournal.Entry) -> NodeEvent {
        NodeEvent(
            id: EventID(boot: self.boot, sequence: entry.sequence), wallClock: entry.wallClock, content: entry.content)
    }
}

extension EventKind {
    fileprivate var shelf: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension NodeEvent.Content {
    fileprivate var bounded: NodeEvent.Content {
        if case .log(let record) = self { .log(record.bounded) } else { self }
    }
}
