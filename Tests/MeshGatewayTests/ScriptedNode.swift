import MeshCore
import MeshGateway
import MeshRuntime
import Synchronization

/// A node that answers what its test says and keeps what it was asked.
final class ScriptedNode: NodeControl {
    struct State {
        var status = ScriptedNode.status()
        var definitions: [DefinitionView] = []
        var sent: [OutgoingMessage] = []
        var raised: [(name: String, payload: [UInt8])] = []
        var applied: [ActorDefinition] = []
        var prefix: String?
        var failure: MeshError?
        var reply: [UInt8] = Array(#"{"ok":true}"#.utf8)
        var hasLeft = false
        var leavePatience: Duration?
        var leftByForce = false
        var drains: [String] = []
        var deadLetterPages: [DeadLetterPage] = []
        var deadLetterActs: [String] = []
        var keyChanges: [String] = []
        var measured = 0
        /// Held calls wait until the test ends them.
        var held: AsyncStream<Void>?
    }

    let journal = EventJournal(boot: 7)
    /// Yields with every call that has come.
    let called = AsyncStream.makeStream(of: Void.self)
    private let state = Mutex(State())

    func with<Value: Sendable>(_ body: (inout State) -> Value) -> Value {
        self.state.withLock { state in body(&state) }
    }

    func fail(with error: MeshError?) { self.state.withLock { $0.failure = error } }

    private func check() throws {
        if let failure = self.state.withLock({ $0.failure }) { throw failure }
    }

    func status() async -> StatusView { self.state.withLock { $0.status } }
    func measure() async { self.state.withLock { $0.measured += 1 } }
    func doctor() async -> DoctorView {
        DoctorView(
            node: "one", running: true,
            findings: [
                DoctorView.Finding(.fine, "disk", "/data", "9 GiB are free"),
                DoctorView.Finding(.problem, "udp", "two", "is blocked", mend: "open the port"),
            ])
    }

    func phase() -> NodePhase { NodePhase(rawValue: self.state.withLock { $0.status.node.state }) ?? .leaving }

    func why(_ node: String) async throws -> WhyView {
        try self.check()
        guard let member = self.state.withLock({ $0.status.members.first { $0.name == node } }) else {
            throw MeshError(.notFound, "no member '\(node)'")
        }
        return WhyView(member: member, changes: [])
    }

    func capabilities(of node: String?) async throws -> [CapabilitiesView] {
        try self.check()
        return self.state.withLock { $0.status.members }.filter { node == nil || $0.name == node }.map {
            CapabilitiesView(
                id: $0.id, name: $0.name, state: $0.state, capabilities: $0.capabilities, hardware: $0.hardware)
        }
    }

    func actors(prefix: String) async throws -> ActorsView {
        try self.check()
        self.state.withLock { $0.prefix = prefix }
        return ActorsView(
            actors: [ActorView(path: "/a/b", node: "one", definition: "a", state: "idle", depth: 2, processed: 7)],
            missing: ["two"])
    }

    func found(isForced: Bool) async throws { try self.check() }
    func partitions() async throws -> PartitionsView {
        try self.check()
        return PartitionsView(partitions: [], missing: ["two"])
    }
    func verifyPartitions() async throws -> VerificationView {
        try self.check()
        return VerificationView(partitions: [], missing: ["two"])
    }
    func explain(_ path: ActorPath) async throws -> ExplainView {
        try self.check()
        return ExplainView(
            path: path.description, partition: 3, leader: "one", wanted: ["one"], moves: [], definition: "a")
    }

    func drain(_ node: String, _ wish: DrainWish) async throws -> DrainView {
        try self.check()
        self.state.withLock { $0.drains.append("\(node) \(wish)") }
        return DrainView(id: "1", name: node, state: "draining", reason: "", leads: 2, replicas: 3, kept: 0)
    }

    private static func deadLetter(_ id: DeadLetterID) throws -> DeadLetterView {
        DeadLetterView(
            id,
            DeadLetterRecord(
                path: try ActorPath("/a/b"), id: MessageID(high: 1, low: 2), sender: "s", reason: "it crashed",
                failures: 3,
                wallClock: 1000, byteCount: 9))
    }

    func deadLetters(_ page: DeadLetterPage) async throws -> DeadLettersView {
        try self.check()
        self.state.withLock { $0.deadLetterPages.append(page) }
        let id = DeadLetterID(partition: Partition(index: 17), number: 3)
        return DeadLettersView(dead_letters: [try Self.deadLetter(id)], next: "17-3", missing: ["two"])
    }

    func deadLetter(_ id: DeadLetterID) async throws -> (letter: DeadLetterView, body: [UInt8]) {
        try self.check()
        return (try Self.deadLetter(id), id.number == 0 ? [0xFF] : Array("hello".utf8))
    }

    func act(_ action: DeadLetterAction, on selection: DeadLetterSelection) async throws -> DeadLetterResultView {
        try self.check()
        self.state.withLock { $0.deadLetterActs.append("\(action) \(selection)") }
        var view = DeadLetterResultView()
        view.done = ["17-3"]
        return view
    }

    func send(_ message: OutgoingMessage) async throws -> MessageReceipt {
        try self.check()
        self.state.withLock { $0.sent.append(message) }
        return MessageReceipt(id: String(repeating: "a", count: 32), path: message.path.description)
    }

    func call(_ message: OutgoingMessage) async throws -> MessageReply {
        try self.check()
        self.state.withLock { $0.sent.append(message) }
        self.called.continuation.yield()
        if let held = self.state.withLock({ $0.held }) {
            for await _ in held {}
            try Task.checkCancellation()
        }
        return MessageReply(id: String(repeating: "b", count: 32), body: self.state.withLock { $0.reply })
    }

    func definitions() async -> [DefinitionView] { self.state.withLock { $0.definitions } }

    func apply(_ definitions: [ActorDefinition]) async throws -> [DefinitionView] {
        try self.check()
        self.state.withLock { $0.applied += definitions }
        return definitions.map(Self.view)
    }

    func delete(definition name: String) async throws {
        try self.check()
        let known = self.state.withLock { state in
            let count = state.definitions.count
            state.definitions.removeAll { $0.name == name }
            return state.definitions.count < count
        }
        guard known else { throw MeshError(.notFound, "no definition '\(name)'") }
    }

    func raise(event name: String, payload: [UInt8]) async throws {
        try self.check()
        self.state.withLock { $0.raised.append((name, payload)) }
    }

    func logs(of node: String?, _ query: LogQuery) async throws -> LogsView {
        try self.check()
        return LogsView(node: "00", name: node ?? "one", page: self.journal.logs(query))
    }

    func tell(_ event: NodeEvent.Content) { self.journal.publish(event) }

    func keys() async -> KeysView { Self.keysView() }

    func installKey() async throws -> KeysView { try self.changeKeys("install") }

    func useKey(_ key: String, force: Bool) async throws -> KeysView {
        try self.changeKeys("use \(key)\(force ? " by force" : "")")
    }

    func removeKey(_ key: String, force: Bool) async throws -> KeysView {
        try self.changeKeys("remove \(key)\(force ? " by force" : "")")
    }

    private func changeKeys(_ what: String) throws -> KeysView {
        try self.check()
        self.state.withLock { $0.keyChanges.append(what) }
        return Self.keysView()
    }

    static func keysView() -> KeysView {
        KeysView(
            keys: [KeyView(id: "0a0b0c0d", is_primary: true, held_by: 1, primary_at: 1)],
            members: [
                KeyHolderView(
                    id: String(repeating: "0", count: 31) + "1", name: "one", state: "alive", primary: "0a0b0c0d",
                    keys: ["0a0b0c0d"], source: .answer)
            ], is_agreed: true)
    }

    func leave(within patience: Duration?, isForced: Bool) async throws {
        try self.check()
        self.state.withLock { state in
            state.hasLeft = true
            state.leavePatience = patience
            state.leftByForce = isForced
        }
    }

    static func view(_ definition: ActorDefinition) -> DefinitionView {
        DefinitionView(
            name: definition.name, path: definition.path.description, version: 1, origin: "one", change: "created",
            source: definition.source)
    }

    static func member(_ name: String, state: String = "alive") -> MemberView {
        MemberView(
            id: String(repeating: "0", count: 31) + "1", name: name, address: "192.0.2.1:7946", state: state,
            since_s: 12.5, incarnation: 3, boot_epoch: 2, rtt_ms: 0.4, zone: "eu-1", version: "0.1.0",
            tags: ["team": "vision"], capabilities: [:], actors: 1, mailbox_depth: 0)
    }

    static func status(state: String = "ready") -> StatusView {
        var mesh = MeshView(
            id: String(repeating: "c", count: 32), name: "test", health: "healthy", members: MeshView.Counts())
        mesh.members.alive = 1
        let node = NodeView(
            id: String(repeating: "0", count: 31) + "1", name: "one", state: state, version: "0.1.0",
            address: "192.0.2.1:7946", http: nil, boot_epoch: 2, uptime_s: 60, local_health: 0, actors: 1,
            mailbox_depth: 0, refused: [:], warnings: [])
        return StatusView(mesh: mesh, node: node, members: [self.member("one")])
    }
}
