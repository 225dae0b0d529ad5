internal import FoundationEssentials
internal import Logging
internal import MeshCore
internal import MeshRuntime

// How events are written: one JSON object each, the same on a stream, in a list, and in the output of the CLI.

extension EventKind {
    /// `membership,logs`; all kinds if there is no text.
    static func parse(_ text: Substring?) throws(MeshError) -> Set<EventKind> {
        guard let text else { return Set(self.allCases) }
        var kinds: Set<EventKind> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let kind = EventKind(rawValue: String(part)) else {
                throw MeshError(
                    .invalidArgument, "'\(part.prefix(64))' is no type of event",
                    hint: "types are \(self.allCases.map(\.rawValue).joined(separator: ", ")), with commas between them"
                )
            }
            kinds.insert(kind)
        }
        return kinds
    }
}

extension EventID {
    static func parse(_ text: some StringProtocol, from source: String) throws(MeshError) -> EventID {
        guard let id = EventID(text) else {
            throw MeshError(
                .invalidArgument, "\(source): '\(text.prefix(64))' is not the id of an event",
                hint: "an id is such as 7-1042: send back the one of the last event you read, or leave it out")
        }
        return id
    }
}

/// One event. What does not belong to its type is left out.
struct EventView: Encodable {
    private let id: String
    private let type: String
    private let time: String
    private var cause: String?
    private var member: MemberView?
    private var name: String?
    private var change: String?
    private var origin: String?
    private var payload: String?
    // The name in the JSON.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private var payload_base64: String?
    private var level: String?
    private var part: String?
    private var message: String?
    private var fields: [String: String]?

    init(_ event: NodeEvent) {
        self.id = event.id.description
        self.type = event.kind.rawValue
        self.time = wallTime(event.wallClock)
        switch event.content {
        case .member(let member, let cause): (self.member, self.cause) = (member, cause)
        case .definition(let name, let change): (self.name, self.change) = (name, change)
        case .user(let name, let payload, let origin):
            (self.name, self.origin) = (name, origin)
            // Text where the payload is text, base64 where it is not.
            self.payload = String(validating: payload, as: UTF8.self)
            self.payload_base64 = self.payload == nil ? Data(payload).base64EncodedString() : nil
        case .log(let record):
            (self.level, self.part, self.message) = (record.level.rawValue, record.part, record.message)
            self.fields = Dictionary(record.fields.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        }
    }
}

/// What a reader asked for and does not get.
struct GapView: Encodable {
    /// The id it came with.
    private let after: String
    private let reason: String

    init(_ gap: EventJournal.Gap) {
        self.after = gap.after.description
        self.reason = gap.reason.rawValue
    }
}

/// The answer of `GET /v1/events` to who asks for JSON.
struct EventList: Encodable {
    private let events: [EventView]
    private let gap: GapView?
    /// Where to go on.
    private let next: String

    init(_ page: EventJournal.Page) {
        self.events = page.events.map(EventView.init)
        self.gap = page.gap.map(GapView.init)
        self.next = page.end.description
    }
}

/// The answer of `GET /v1/logs`.
struct LogList: Encodable {
    private struct Node: Encodable {
        var id: String
        var name: String
    }

    private let node: Node
    private let logs: [EventView]
    private let gap: GapView?
    private let next: String

    init(_ view: LogsView) {
        self.node = Node(id: view.node, name: view.name)
        self.logs = view.page.events.map(EventView.init)
        self.gap = view.page.gap.map(GapView.init)
        self.next = view.page.end.description
    }
}

extension EventJournal.Page {
    /// WHATWG HTML, 9.2: the data of an event is one line of JSON. A gap has the id behind which the events begin, so that
    /// a reader which goes away after it does not hear of it twice.
    var serverSentEvents: String {
        var text = ""
        if let gap = self.gap {
            text += "event: gap\nid: \(self.begin)\ndata: \(jsonText(GapView(gap)))\n\n"
        }
        for event in self.events {
            text += "event: \(event.kind.rawValue)\nid: \(event.id)\ndata: \(jsonText(EventView(event)))\n\n"
        }
        return text
    }
}

private func jsonText(_ value: some Encodable) -> String { String(decoding: jsonBytes(value), as: UTF8.self) }
