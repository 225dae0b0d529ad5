internal import MeshCore
internal import MeshRuntime
internal import NIOCore
internal import Synchronization

/// The open event streams of a gateway: at most so many, and all of them end when the gateway does.
final class EventStreams: Sendable {
    /// One reader. Its place is free again when the last reference is gone, also if its body was never written.
    final class Subscription: Sendable {
        fileprivate let news: AsyncStream<Void>
        fileprivate let continuation: AsyncStream<Void>.Continuation
        private let number: Int
        private let streams: EventStreams

        fileprivate init(number: Int, streams: EventStreams, journal: EventJournal) {
            self.number = number
            self.streams = streams
            (self.news, self.continuation) = journal.news()
        }

        deinit { self.streams.remove(self.number) }
    }

    private struct State {
        var open: [Int: AsyncStream<Void>.Continuation] = [:]
        var next = 0
        var isClosed = false
    }

    private let streamsMax: Int
    private let state = Mutex(State())

    init(streamsMax: Int) { self.streamsMax = streamsMax }

    func open(_ journal: EventJournal) throws(HTTPFailure) -> Subscription {
        let subscription = self.state.withLock { state -> Subscription? in
            guard !state.isClosed, state.open.count < self.streamsMax else { return nil }
            state.next += 1
            let subscription = Subscription(number: state.next, streams: self, journal: journal)
            state.open[state.next] = subscription.continuation
            return subscription
        }
        guard let subscription else {
            throw HTTPFailure(
                MeshError(
                    .unavailable, "\(self.streamsMax) event streams are open here, or the node is shutting down",
                    hint: "close one, or read from another node", retryAfter: .seconds(5)))
        }
        return subscription
    }

    func closeAll() {
        let open = self.state.withLock { state in
            state.isClosed = true
            return state.open.values.map { $0 }
        }
        for continuation in open { continuation.finish() }
    }

    private func remove(_ number: Int) { self.state.withLock { $0.open[number] = nil } }
}

extension EventStreams.Subscription {
    /// Writes what the journal has behind `id` and all that comes, until the journal or the gateway ends. A reader that
    /// takes its time finds in the journal what it has not read yet, or a gap: nothing is queued for it.
    @concurrent
    func write(
        _ journal: EventJournal, after id: EventID, kinds: Set<EventKind>, keepAlive: Duration,
        to write: @concurrent (ByteBuffer) async throws -> Void
    ) async throws {
        try await write(ByteBuffer(string: ": connected\n\n"))
        try await self.ticking(every: keepAlive) {
            var place = id
            var lastWrite = ContinuousClock.now
            for await _ in self.news {
                while true {
                    let page = journal.read(after: place, kinds: kinds)
                    place = page.end
                    guard page.gap != nil || !page.events.isEmpty else { break }
                    try await write(ByteBuffer(string: page.serverSentEvents))
                    lastWrite = .now
                }
                // Half, because this tick may come a little sooner after the last write than the last one did.
                guard ContinuousClock.now - lastWrite >= keepAlive / 2 else { continue }
                try await write(ByteBuffer(string: ": keep-alive\n\n"))
                lastWrite = .now
            }
        }
    }

    /// Wakes the reader at once and then at least so often, news or none, while `body` runs.
    @concurrent
    private func ticking(every interval: Duration, _ body: @concurrent () async throws -> Void) async throws {
        let continuation = self.continuation
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    continuation.yield()
                    try await Task.sleep(for: interval)
                }
            }
            defer { group.cancelAll() }
            try await body()
        }
    }
}
