package import MeshCore

/// What a door (HTTP, later gRPC, A2A, MCP) can ask of the node it belongs to. `meshnode` implements it.
package protocol NodeControl: Sendable {
    func status() async -> StatusView
    /// Cheap, for probes that come every second.
    func phase() -> NodePhase
    /// Brings up to date what is measured and not counted, before metrics are read.
    func measure() async
    /// Examines the machine and the ways to all members; takes seconds.
    func doctor() async -> DoctorView
    /// Members by name, id or unique prefix of the id.
    func why(_ node: String) async throws -> WhyView
    /// What every member can do, or this one alone.
    func capabilities(of node: String?) async throws -> [CapabilitiesView]
    /// Actors with a mailbox or an activation, on every member that answers within two seconds.
    func actors(prefix: String) async throws -> ActorsView

    /// Returns once the message is durable (or, if ephemeral, handed to its mailbox).
    func send(_ message: OutgoingMessage) async throws -> MessageReceipt
    /// Sends and waits for the reply until the deadline.
    func call(_ message: OutgoingMessage) async throws -> MessageReply

    /// Begins the mesh's partitions here; forced, without the word of the other members.
    func found(isForced: Bool) async throws
    /// Partitions, their leaders and replicas; asks every member, for at most two seconds.
    func partitions() async throws -> PartitionsView
    /// Whether the replicas of each partition have the same on their disks; reads all of it on every member.
    func verifyPartitions() async throws -> VerificationView
    /// Where an actor is and why; asks the leader of its partition, for at most two seconds.
    func explain(_ path: ActorPath) async throws -> ExplainView
    /// Begins or ends the drain of a member, or looks how far it is.
    func drain(_ node: String, _ wish: DrainWish) async throws -> DrainView

    /// A page of the messages that were given up, of the members that answer within two seconds.
    func deadLetters(_ page: DeadLetterPage) async throws -> DeadLettersView
    func deadLetter(_ id: DeadLetterID) async throws -> (letter: DeadLetterView, body: [UInt8])
    func act(_ action: DeadLetterAction, on selection: DeadLetterSelection) async throws -> DeadLetterResultView

    func definitions() async -> [DefinitionView]
    /// All or none; returns what changed.
    func apply(_ definitions: [ActorDefinition]) async throws -> [DefinitionView]
    func delete(definition name: String) async throws

    func raise(event name: String, payload: [UInt8]) async throws
    /// What happened here: membership changes, definitions, user events and log lines.
    var journal: EventJournal { get }
    /// Log lines of a member, by name, id or unique prefix of the id; nil is this node.
    func logs(of node: String?, _ query: LogQuery) async throws -> LogsView

    /// The mesh's keys and who has which; asks every live member, for at most a few seconds.
    func keys() async -> KeysView
    /// A new key everywhere, or the one of an install that was interrupted.
    func installKey() async throws -> KeysView
    /// By id or unique prefix. Refused where it would cut members off, unless forced.
    func useKey(_ key: String, force: Bool) async throws -> KeysView
    func removeKey(_ key: String, force: Bool) async throws -> KeysView

    /// Gives away what is here, within a minute unless another time is given, leaves the mesh, and then ends the daemon.
    /// Forced, it goes at once.
    func leave(within patience: Duration?, isForced: Bool) async throws
}

/// Raw values are those of `NodeView.state`.
package enum NodePhase: String, Sendable { case joining, ready, leaving }

package enum Delivery: String, Sendable, Codable { case durable, ephemeral }

/// A message on its way into the mesh.
package struct OutgoingMessage: Sendable {
    package var path: ActorPath
    package var body: [UInt8]
    /// Who sends; per-sender order holds among messages of one sender to one path.
    package var sender: String
    package var delivery: Delivery
    package var idempotencyKey: String?
    /// From now; the default of a call is 30 s.
    package var timeout: Duration?

    package init(
        path: ActorPath, body: [UInt8], sender: String = "", delivery: Delivery = .durable,
        idempotencyKey: String? = nil, timeout: Duration? = nil
    ) {
        self.path = path
        self.body = body
        self.sender = sender
        self.delivery = delivery
        self.idempotencyKey = idempotencyKey
        self.timeout = timeout
    }
}

package struct MessageReceipt: Sendable, Codable, Hashable {
    /// 32 hexadecimal digits.
    package var id: String
    package var path: String

    package init(id: String, path: String) {
        self.id = id
        self.path = path
    }
}

package struct MessageReply: Sendable {
    package var id: String
    package var body: [UInt8]

    package init(id: String, body: [UInt8]) {
        self.id = id
        self.body = body
    }
}
