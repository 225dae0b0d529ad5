package import Logging
package import MeshCore

/// The kinds of event that a reader can choose. The names are those of the API.
package enum EventKind: String, Sendable, CaseIterable { case membership, definitions, user, logs }

/// Where an event stands in the life of its node: `7-1042` is the 1,042nd of the seventh boot.
///
/// The boot makes an id meaningful after a restart: who comes back with one of an earlier boot has missed what that boot
/// did not live to tell, and is told so instead of being given other events under numbers it has seen.
package struct EventID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var boot: UInt64
    package var sequence: UInt64

    package init(boot: UInt64, sequence: UInt64) {
        self.boot = boot
        self.sequence = sequence
    }

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let isPlain = parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } }
        guard parts.count == 2, isPlain, let boot = UInt64(parts[0]), let sequence = UInt64(parts[1]) else {
            return nil
        }
        self.init(boot: boot, sequence: sequence)
    }

    package var description: String { "\(self.boot)-\(self.sequence)" }

    package static func < (left: EventID, right: EventID) -> Bool {
        (left.boot, left.sequence) < (right.boot, right.sequence)
    }
}

/// Something that happened in the mesh or on this node, as this node learned of it.
package struct NodeEvent: Sendable {
    package enum Content: Sendable {
        case member(MemberView, cause: String)
        case definition(name: String, change: String)
        case user(name: String, payload: [UInt8], origin: String)
        case log(LogRecord)
    }

    package var id: EventID
    /// Milliseconds since 1970.
    package var wallClock: UInt64
    package var content: Content

    package init(id: EventID, wallClock: UInt64, content: Content) {
        self.id = id
        self.wallClock = wallClock
        self.content = content
    }
}

/// One line of a node's log.
package struct LogRecord: Hashable, Sendable {
    package var level: Logger.Level
    /// The part of the daemon that speaks.
    package var part: String
    package var message: String
    /// Sorted by key.
    package var fields: [Label]

    package init(level: Logger.Level, part: String, message: String, fields: [Label]) {
        self.level = level
        self.part = part
        self.message = message
        self.fields = fields
    }
}

extension NodeEvent {
    package var kind: EventKind { self.content.kind }

    package var log: LogRecord? { if case .log(let record) = self.content { record } else { nil } }
}

extension NodeEvent.Content {
    var kind: EventKind {
        switch self {
        case .member: .membership
        case .definition: .definitions
        case .user: .user
        case .log: .logs
        }
    }

    /// About what it holds in memory: its texts, and what stands around them.
    var byteCount: Int {
        switch self {
        case .member(let member, let cause):
            640 + cause.utf8.count + member.name.utf8.count + member.address.utf8.count + member.zone.utf8.count
                + byteCountOf(member.tags) + byteCountOf(member.capabilities)
        case .definition(let name, let change): 128 + name.utf8.count + change.utf8.count
        case .user(let name, let payload, let origin):
            160 + name.utf8.count + payload.count + origin.utf8.count
        case .log(let record): record.byteCount
        }
    }
}

extension LogRecord {
    /// One line must not take the place of a thousand others.
    static let textBytesMax = 8 << 10

    var byteCount: Int {
        160 + self.part.utf8.count + self.message.utf8.count
            + self.fields.reduce(0) { $0 + 64 + $1.key.utf8.count + $1.value.utf8.count }
    }

    /// With its longest texts cut short, if it is longer than a line may be.
    var bounded: LogRecord {
        guard self.byteCount > Self.textBytesMax else { return self }
        var record = self
        let share = Self.textBytesMax / (2 + min(self.fields.count, 32))
        record.message = cut(self.message, to: share)
        record.fields = self.fields.prefix(32).map { Label(cut($0.key, to: 128), cut($0.value, to: share)) }
        return record
    }
}

/// At a whole character, with a mark where something is missing.
private func cut(_ text: String, to bytesMax: Int) -> String {
    guard text.utf8.count > bytesMax else { return text }
    return String(decoding: text.utf8.prefix(bytesMax), as: UTF8.self) + " …"
}

private func byteCountOf(_ labels: [String: String]) -> Int {
    labels.reduce(0) { $0 + 64 + $1.key.utf8.count + $1.value.utf8.count }
}
