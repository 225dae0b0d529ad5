package import MeshCore
internal import Synchronization

/// What happened in the mesh, as this node learned of it.
package enum NetworkEvent: Sendable {
    /// With the member as it is now, or nil if it was forgotten.
    case changed(MemberChange, Member?)
    case advertised(Member)
    case event(UserEvent)
}

/// Tells every listener; one that does not keep up loses the oldest.
final class EventHub: Sendable {
    private static let bufferMax = 1024

    private struct State {
        var listeners: [UInt64: AsyncStream<NetworkEvent>.Continuation] = [:]
        var next: UInt64 = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    func listen() -> AsyncStream<NetworkEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NetworkEvent.self, bufferingPolicy: .bufferingNewest(Self.bufferMax))
        let key = self.state.withLock { state -> UInt64? in
            guard !state.isFinished else { return nil }
            defer { state.next += 1 }
            state.listeners[state.next] = continuation
            return state.next
        }
        guard let key else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { _ in self.state.withLock { state in state.listeners[key] = nil } }
        return stream
    }

    func publish(_ event: NetworkEvent) {
        let listeners = self.state.withLock { Array($0.listeners.values) }
        for listener in listeners { listener.yield(event) }
    }

    func finish() {
        let listeners = self.state.withLock { state in
            state.isFinished = true
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
    }
}
