internal import Logging
internal import MeshCore
internal import MeshRuntime

/// An event as the node tells it; what does not belong to its type is not there.
struct EventRecord: Codable {
    /// Whose event it is, where several nodes are asked.
    var node: String?
    var id: String
    var type: String
    var time: String
    var cause: String?
    var member: MemberView?
    var name: String?
    var change: String?
    var origin: String?
    var payload: String?
    // The name in the JSON.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    var payload_base64: String?
    var level: String?
    var part: String?
    var message: String?
    var fields: [String: String]?

    /// For people, on one line.
    var text: String {
        switch self.type {
        case EventKind.membership.rawValue:
            self.line("\(self.member?.name ?? "?") is \(self.member?.state ?? "?"): \(self.cause ?? "")")
        case EventKind.definitions.rawValue: self.line("\(self.name ?? "?") \(self.change ?? "")")
        case EventKind.user.rawValue:
            self.line(
                "\(self.name ?? "?") from \(self.origin ?? "?")"
                    + (self.payload_base64.map { ": base64 \($0)" } ?? self.payload.map { $0.isEmpty ? "" : ": \($0)" }
                        ?? ""))
        default: self.logText
        }
    }

    var logText: String {
        let fields = (self.fields ?? [:]).sorted { $0.key < $1.key }.map { Label($0.key, $0.value) }
        let record = LogRecord(
            level: self.level.flatMap { Logger.Level(rawValue: $0) } ?? .info, part: self.part ?? "",
            message: self.message ?? "", fields: fields)
        return LogText.text(record, at: self.time)
    }

    private func line(_ text: String) -> String { printable("\(self.time) \(self.type) \(text)") }
}

/// Events that a reader asked for and that are not there any more.
struct GapRecord: Decodable {
    var after: String
    var reason: String

    var text: String {
        switch self.reason {
        case EventJournal.Gap.Reason.restarted.rawValue: "the node was restarted: what happened before is not kept"
        case EventJournal.Gap.Reason.dropped.rawValue:
            "events after \(self.after) are missing: they gave way to younger ones"
        default: "the node knows no event \(self.after): it tells all that it keeps"
        }
    }
}
