internal import DequeModule
internal import MeshCore
internal import MeshRuntime
internal import Synchronization

/// Lines from a program on their way to the turn that waits for one. Ends once, with a reason.
final class AnswerQueue: Sendable {
    /// A program answers one message at a time; a few lines more are read before that is judged.
    private static let linesMax = 8

    private struct State {
        var lines: Deque<[UInt8]> = []
        var reason: String?
        var failure = FailureType.crashed
        var waiter: CheckedContinuation<Void, Never>?
        /// Who waits for the end, whatever comes before it.
        var watcher: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    var reason: String? { self.state.withLock { $0.reason } }

    /// False if nobody takes lines any more.
    func offer(_ line: [UInt8]) -> Bool {
        let (taken, waiter) = self.state.withLock { state in
            guard state.reason == nil, state.lines.count < Self.linesMax else {
                return (false, nil as CheckedContinuation<Void, Never>?)
            }
            state.lines.append(line)
            return (true, state.waiter.take())
        }
        waiter?.resume()
        return taken
    }

    /// The first reason stays.
    func end(because reason: String, as failure: FailureType = .crashed) {
        let (waiter, watcher) = self.state.withLock { state in
            if state.reason == nil { (state.reason, state.failure) = (reason, failure) }
            return (state.waiter.take(), state.watcher.take())
        }
        waiter?.resume()
        watcher?.resume()
    }

    /// Until the end, or until the task is cancelled. One at a time.
    func untilEnd() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    if state.reason != nil || Task.isCancelled { return true }
                    state.watcher = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.watcher.take() }?.resume()
        }
    }

    /// Before a message is written, there is nothing to answer.
    func requireEmpty() throws(TurnFailure) {
        let isEmpty = self.state.withLock { $0.lines.isEmpty }
        guard isEmpty else { throw .crashed("it wrote a line that nobody asked for") }
    }

    /// Throws lines away until the end, or until the task is cancelled.
    func drain() async {
        while true {
            await self.ready()
            let isOver = self.state.withLock { state in
                state.lines.removeAll()
                return state.reason != nil
            }
            if isOver || Task.isCancelled { return }
        }
    }

    /// One consumer at a time. Lines that came before the end are given out first.
    func next() async throws(TurnFailure) -> [UInt8] {
        await self.ready()
        let (line, reason, failure) = self.state.withLock { ($0.lines.popFirst(), $0.reason, $0.failure) }
        if let line { return line }
        throw .crashed(reason ?? "its activation was ended", as: failure)
    }

    /// Until there is a line, the end, or a cancellation.
    private func ready() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = self.state.withLock { state in
                    if !state.lines.isEmpty || state.reason != nil || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiter.take() }?.resume()
        }
    }
}
