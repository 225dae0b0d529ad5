internal import NIOCore
internal import Synchronization

/// Does something to a channel unless it is cancelled in time.
final class Alarm: Sendable {
    private struct State {
        var scheduled: Scheduled<Void>?
        var hasFired = false
        var isCancelled = false
    }

    private let channel: any Channel
    private let action: @Sendable (any Channel) -> Void
    private let state = Mutex(State())

    init(on channel: any Channel, after delay: Duration, action: @escaping @Sendable (any Channel) -> Void) {
        self.channel = channel
        self.action = action
        self.state.withLock { state in
            state.scheduled = channel.eventLoop.scheduleTask(in: TimeAmount(delay)) { self.fire() }
        }
    }

    var hasFired: Bool { self.state.withLock { $0.hasFired } }

    func cancel() {
        self.state.withLock { state in
            state.isCancelled = true
            state.scheduled?.cancel()
            state.scheduled = nil
        }
    }

    private func fire() {
        let isDue = self.state.withLock { state in
            guard !state.isCancelled else { return false }
            state.hasFired = true
            return true
        }
        if isDue { self.action(self.channel) }
    }
}
