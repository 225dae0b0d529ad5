internal import MeshCore
internal import Synchronization

/// Wakes one task at the earliest of the instants that others asked for.
final class Alarm: Sendable {
    private struct State: Sendable {
        var due = Instant.distantFuture
        var sleeper: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Makes `sleep` return by `due`. Cheap when something earlier is due anyway.
    func ring(by due: Instant) {
        let sleeper = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard due < state.due else { return nil }
            state.due = due
            return state.sleeper.take()
        }
        sleeper?.resume()
    }

    /// Returns when something may be due, or at once if the task is cancelled. Afterwards nothing is asked for.
    func sleep() async {
        while !Task.isCancelled {
            let due = self.state.withLock { $0.due }
            let now = MonotonicClock.now
            if due <= now { break }
            await self.sleep(for: due == .distantFuture ? nil : due - now, unlessEarlierThan: due)
        }
        self.state.withLock { $0.due = .distantFuture }
    }

    private func sleep(for duration: Duration?, unlessEarlierThan due: Instant) async {
        await withTaskGroup(of: Void.self) { group in
            if let duration { group.addTask { try? await Task.sleep(for: duration) } }
            group.addTask { await self.rung(before: due) }
            await group.next()
            group.cancelAll()
        }
    }

    private func rung(before due: Instant) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    if Task.isCancelled || state.due < due { return true }
                    state.sleeper = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.sleeper.take() }?.resume()
        }
    }
}
