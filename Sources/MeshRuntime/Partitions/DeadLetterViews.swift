// What `meshnode deadletters` shows. The names are those of the JSON, which is snake_case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

package import MeshCore

package struct DeadLetterView: Codable, Sendable {
    /// Partition and number, such as `17-3`.
    package var id: String
    package var path: String
    package var message_id: String
    package var sender: String
    package var reason: String
    /// Turns that failed.
    package var failures: Int
    /// When it was given up, in milliseconds since 1970.
    package var at: UInt64
    package var bytes: UInt64
    /// Only of one that is shown alone: as text, or in base64 where it is none.
    package var body: String?
    package var body_base64: String?

    package init(_ id: DeadLetterID, _ record: DeadLetterRecord) {
        self.id = id.description
        self.path = record.path.description
        self.message_id = record.id.description
        self.sender = record.sender
        self.reason = record.reason
        self.failures = Int(record.failures)
        self.at = record.wallClock
        self.bytes = record.byteCount
    }
}

package struct DeadLettersView: Codable, Sendable {
    package var dead_letters: [DeadLetterView]
    /// Where the next page begins; nil on the last one.
    package var next: String?
    /// Names of members that did not answer in time: of what they lead nothing is listed.
    package var missing: [String]

    package init(dead_letters: [DeadLetterView], next: String?, missing: [String]) {
        self.dead_letters = dead_letters
        self.next = next
        self.missing = missing
    }
}

/// Which dead letters something is done to.
package enum DeadLetterSelection: Hashable, Sendable {
    case named([DeadLetterID])
    /// All of the paths that begin so.
    case under(String)
}

package struct DeadLetterResultView: Codable, Sendable {
    package var done: [String] = []
    /// Named, and not there, or not any more.
    package var absent: [String] = []
    /// There are more than one order takes.
    package var more = false
    /// Names of members that did not answer in time: what they lead was not looked at.
    package var unreached: [String] = []

    package init() {}
}
