internal import MeshCore

/// The column families of the database, in the order in which it is opened. Names are on disk.
enum Family: Int, CaseIterable, Sendable {
    // The tables of the port `Storage`.
    case node, mailboxes, messages, state, idempotency, outcomes, deadLetters
    /// Group and field: what is known of each replica of this node beside its log and its state.
    case replicas
    /// Group and index: the entries of all logs.
    case groupLog
    /// Group and key: the applied states.
    case groupState

    var name: String { "\(self)" }

    init(_ table: StorageTable) {
        self =
            switch table {
            case .node: .node
            case .mailboxes: .mailboxes
            case .messages: .messages
            case .state: .state
            case .idempotency: .idempotency
            case .outcomes: .outcomes
            case .deadLetters: .deadLetters
            }
    }
}
