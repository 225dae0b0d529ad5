package import MeshCore

/// Runs the turns of one activation, one at a time.
package protocol ActorHandler: Sendable {
    /// Runs one turn and returns the reply. What `state` holds afterwards is kept together with the consumption of the
    /// message; a turn that throws changes nothing.
    func handle(_ message: Message, path: ActorPath, state: inout ActorState) async throws(TurnFailure) -> [UInt8]
    /// Returns when the handler can take no more messages, at once if it cannot already, or when the task is cancelled: a
    /// program can end while nobody has a message for it.
    func untilGone() async
}

/// Makes handlers out of definitions.
package protocol ActorHandlers: Sendable {
    /// Starts a handler, lends it to `turns`, and has taken it down when this returns, also when the task is cancelled.
    func withHandler(
        for path: ActorPath, definition: ActorDefinition, _ turns: (any ActorHandler) async -> Void
    ) async throws(HandlerStartError)
}

/// Why a turn has no reply.
package enum TurnFailure: Error, Hashable, Sendable {
    /// The handler's answer is an error. The message is consumed and the sender told.
    /// A definition may name its type and have it tried again.
    case refused(MeshError, as: FailureType? = nil)
    /// The handler is gone or cannot be trusted. It is started anew and gets the message again, as the definition says.
    case crashed(String, as: FailureType = .crashed)
    /// The handler had ended before it was given the message, which is not the message's fault.
    case gone(String)
}

/// A handler could not be started: messages wait and the start is tried again.
package struct HandlerStartError: Error, Hashable, Sendable {
    package var message: String
    package var hint: String

    package init(_ message: String, hint: String = "") {
        self.message = message
        self.hint = hint
    }
}

/// What an actor remembers: byte strings under keys, so that a turn writes only what it changed.
package struct ActorState: Sendable {
    /// More would not belong in the memory of an activation.
    package static let keysMax = 1024

    private var values: [[UInt8]: [UInt8]]
    private var changes: [[UInt8]: [UInt8]?] = [:]

    package init(_ values: [[UInt8]: [UInt8]] = [:]) { self.values = values }

    /// As a partition holds it.
    init(entries: [StorageEntry]) {
        self.init(Dictionary(entries.map { ($0.key, $0.value) }) { _, last in last })
    }

    package var isEmpty: Bool { self.values.isEmpty }
    package var count: Int { self.values.count }

    package subscript(key: String) -> [UInt8]? {
        get { self.values[Array(key.utf8)] }
        set {
            let key = Array(key.utf8)
            self.values[key] = newValue
            self.changes[key] = .some(newValue)
        }
    }

    /// What changed since this was last asked, in the order of keys.
    package mutating func takeChanges() -> [StateChange] {
        defer { self.changes = [:] }
        return self.changes.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { StateChange(key: $0.key, value: $0.value) }
    }
}
