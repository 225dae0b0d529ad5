import Foundation
import MeshCore
import MeshRuntime
import Synchronization
import Testing

/// Members, and the frames between them, in memory. A cut line loses frames and tells both ends, as a stream does.
final class TestMesh: Sendable {
    let cluster = ClusterID(high: 1, low: 2)
    private struct State {
        var handlers: [NodeID: any PeerHandler] = [:]
        var members: [NodeID] = []
        var cut: Set<[NodeID]> = []
        var delivered: [PeerFrame] = []
        var watchers: [AsyncStream<Void>.Continuation] = []
        var boots: [NodeID: UInt64] = [:]
    }
    private let state = Mutex(State())

    var members: [NodeID] { self.state.withLock { $0.members } }
    /// Every frame that arrived somewhere.
    var delivered: [PeerFrame] { self.state.withLock { $0.delivered } }

    /// Higher with each start of a node.
    func nextBoot(of node: NodeID) -> UInt64 {
        self.state.withLock { state in
            state.boots[node, default: 0] += 1
            return state.boots[node, default: 0]
        }
    }

    func join(_ node: NodeID, _ handler: any PeerHandler) {
        self.state.withLock { state in
            state.handlers[node] = handler
            if !state.members.contains(node) { state.members = (state.members + [node]).sorted() }
            for watcher in state.watchers { watcher.yield() }
        }
    }

    /// Yields at once, and when members have come or gone.
    func changes() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        continuation.yield()
        self.state.withLock { $0.watchers.append(continuation) }
        return stream
    }

    func remove(_ node: NodeID) {
        let others = self.state.withLock { state in
            state.handlers[node] = nil
            state.members.removeAll { $0 == node }
            for watcher in state.watchers { watcher.yield() }
            return Array(state.handlers.values)
        }
        for other in others { other.disconnected(node) }
    }

    /// From now on nothing passes between the two.
    func cut(_ one: NodeID, _ other: NodeID) {
        let ends = self.state.withLock { state -> [(any PeerHandler, NodeID)] in
            state.cut.insert([one, other].sorted())
            return [(one, other), (other, one)].compactMap { end in state.handlers[end.0].map { ($0, end.1) } }
        }
        for (handler, peer) in ends { handler.disconnected(peer) }
    }

    func mend() { self.state.withLock { $0.cut = [] } }

    func send(_ frames: [PeerFrame], from: NodeID, to: NodeID) -> PeerSend {
        let handler = self.state.withLock { state -> (any PeerHandler)?? in
            guard let handler = state.handlers[to] else { return .some(nil) }
            if state.cut.contains([from, to].sorted()) { return nil }
            state.delivered += frames
            return handler
        }
        switch handler {
        case nil: return .queued
        case .some(nil): return .unknown
        case .some(let handler?):
            for frame in frames { handler.received(frame, from: from) }
            return .queued
        }
    }
}

struct TestNetwork: PeerNetwork {
    let hub: TestMesh
    let local: NodeID
    func send(_ frames: [PeerFrame], to node: NodeID) -> PeerSend { self.hub.send(frames, from: self.local, to: node) }
}

struct TestDirectory: MemberDirectory {
    let hub: TestMesh
    let localID: NodeID
    var placeable: [NodeID] { self.hub.members }
    func name(of node: NodeID) -> String? { "node\(node.low)" }
}

/// A handler that a test scripts; it stands for any program.
struct ScriptedHandlers: ActorHandlers {
    typealias Script = @Sendable (Message, ActorPath) async throws(TurnFailure) -> [UInt8]
    private let start: @Sendable (ActorPath) throws(HandlerStartError) -> Void
    private let script: Script
    /// By itself it ends only with its task.
    private var gone: @Sendable () async -> Void = { for await _ in AsyncStream<Never>.makeStream().stream {} }

    init(_ script: @escaping Script = { message, _ in message.body }) {
        self.script = script
        self.start = { _ in }
    }

    /// `gone` returns when the handler has ended by itself.
    init(gone: @escaping @Sendable () async -> Void, _ script: @escaping Script) {
        self.init(script)
        self.gone = gone
    }

    /// Answers what it was sent, once it was started.
    init(start: @escaping @Sendable (ActorPath) throws(HandlerStartError) -> Void) {
        self.script = { message, _ in message.body }
        self.start = start
    }

    func withHandler(
        for path: ActorPath, definition: ActorDefinition, _ turns: (any ActorHandler) async -> Void
    ) async throws(HandlerStartError) {
        try self.start(path)
        await turns(Handler(script: self.script, gone: self.gone))
    }

    private struct Handler: ActorHandler {
        let script: Script
        let gone: @Sendable () async -> Void
        func untilGone() async { await self.gone() }
        func handle(_ message: Message, path: ActorPath, state: inout ActorState) async throws(TurnFailure) -> [UInt8] {
            try await self.script(message, path)
        }
    }
}

func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/meshnode-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
}

/// Waits until something holds, up to a deadline that only what never happens meets.
func eventually(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(120)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("never: \(what)", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// For tests in which something must be done before a time is over, which on a busy machine takes longer: tried with ever
/// more of it, until it was enough.
func withPatience(
    from first: Duration, sourceLocation: SourceLocation = #_sourceLocation, _ body: (Duration) async throws -> Bool
) async throws {
    var patience = first
    while patience < .seconds(60) {
        if try await body(patience) { return }
        patience *= 5
    }
    Issue.record("no patience was enough", sourceLocation: sourceLocation)
}

extension RuntimeConfiguration {
    /// With answers waited for as long as a busy machine may need.
    static var patient: Self {
        var patient = Self()
        patient.timeout = .seconds(120)
        patient.listingTimeout = .seconds(120)
        return patient
    }
}

func path(_ text: String) -> ActorPath {
    do { return try ActorPath(text) } catch { preconditionFailure("\(error)") }
}

func definition(_ name: String, _ pattern: String, limit: Int = 100) throws -> ActorDefinition {
    ActorDefinition(
        name: name, path: try PathPattern(pattern), handler: .exec(.init(command: ["true"])), mailboxLimit: limit,
        source: "name: \(name)")
}

/// Waits a millisecond between attempts.
func quickRule(_ failures: [FailureType] = [.crashed], attempts: Int) -> RetryPolicy.Rule {
    RetryPolicy.Rule(
        failures, attemptsMax: attempts,
        backoff: Backoff(.constant, first: .milliseconds(1), max: .milliseconds(1)))
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The code of the error that `body` throws.
func code(_ body: () async throws -> Void) async -> MeshError? {
    do {
        try await body()
        return nil
    } catch { return error as? MeshError }
}

/// Holds those who want to pass until it is opened, or until their task is cancelled.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

    func pass() async { for await _ in self.stream {} }
    func open() { self.continuation.finish() }
}
