package import MeshCore
internal import Synchronization

/// Gives the heartbeats of a node their turns on an executor, carries questions to shards and frames to nodes.
package final class HeartbeatDriver: Sendable {
    private struct Inbox: Sendable {
        var inputs: [HeartbeatHub.Input] = []
        var frames = 0
        var isScheduled = false
    }

    private struct Owned: Sendable {
        var hub: HeartbeatHub
        var wakeAt = Instant.distantFuture
        var malformed = 0
    }

    /// Frames of other nodes that may wait; one too many is dropped, and the next is 100 ms away.
    private static let framesMax = 4_096

    private let inbox = Mutex(Inbox())
    private let owned: Mutex<Owned>
    private let executor: any ShardExecutor
    private let network: any PeerNetwork
    private let clock: @Sendable () -> Moment
    private let ask: @Sendable (ShardID, HeartbeatQuestion) -> Void

    package init(
        _ hub: HeartbeatHub, executor: any ShardExecutor, network: any PeerNetwork,
        clock: @escaping @Sendable () -> Moment, ask: @escaping @Sendable (ShardID, HeartbeatQuestion) -> Void
    ) {
        self.owned = Mutex(Owned(hub: hub))
        self.executor = executor
        self.network = network
        self.clock = clock
        self.ask = ask
    }

    /// From any thread.
    package func submit(_ input: HeartbeatHub.Input) {
        let mustSchedule = self.inbox.withLock { inbox in
            if case .frame = input {
                guard inbox.frames < Self.framesMax else { return false }
                inbox.frames += 1
            }
            inbox.inputs.append(input)
            defer { inbox.isScheduled = true }
            return !inbox.isScheduled
        }
        if mustSchedule { self.executor.execute { self.takeTurn() } }
    }

    /// Heartbeats that did not parse.
    package var malformedCount: Int { self.owned.withLock { $0.malformed } }

    private func takeTurn() {
        let inputs = self.inbox.withLock { inbox in
            let inputs = inbox.inputs
            inbox = Inbox()
            return inputs
        }
        let effects = self.owned.withLock { owned in
            let moment = self.clock()
            var effects: [HeartbeatHub.Effect] = []
            for input in inputs { owned.hub.step(input, at: moment, into: &effects) }
            if owned.wakeAt <= moment.now { owned.wakeAt = .distantFuture }
            if owned.hub.nextWake < owned.wakeAt {
                owned.wakeAt = owned.hub.nextWake
                self.executor.execute(at: owned.wakeAt) { self.submit(.wake) }
            }
            return effects
        }
        for effect in effects {
            switch effect {
            case .send(let frame, let node): _ = self.network.send([frame], to: node)
            case .ask(let shard, let question): self.ask(shard, question)
            case .malformed: self.owned.withLock { $0.malformed += 1 }
            }
        }
    }
}
