/// A failure that reaches a caller: a stable code, a sentence, the mend, and whether the message was accepted.
///
/// One type from the core to the HTTP body and the CLI, so that `accepted` is decided where it is known.
package struct MeshError: Error, Hashable, Sendable {
    package enum Code: String, Sendable, CaseIterable, Codable {
        case invalidArgument = "invalid_argument"
        case unauthenticated
        case notFound = "not_found"
        case conflict
        case tooLarge = "too_large"
        case overloaded
        case unavailable
        case deadlineExceeded = "deadline_exceeded"
        case handlerFailed = "handler_failed"
        case internalError = "internal"
    }

    /// Whether the message that the request carried is durable in the mesh.
    package enum Accepted: String, Sendable, Codable { case yes, no, unknown }

    package var code: Code
    package var message: String
    /// What the caller can do about it; empty if nothing is known.
    package var hint: String
    package var accepted: Accepted
    /// When a retry makes sense, for `overloaded` and `unavailable`.
    package var retryAfter: Duration?

    package init(
        _ code: Code, _ message: String, hint: String = "", accepted: Accepted = .no, retryAfter: Duration? = nil
    ) {
        self.code = code
        self.message = message
        self.hint = hint
        self.accepted = accepted
        self.retryAfter = retryAfter
    }
}

extension MeshError: CustomStringConvertible {
    package var description: String { self.hint.isEmpty ? self.message : "\(self.message); \(self.hint)" }
}
