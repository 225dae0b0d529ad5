internal import FoundationEssentials
internal import MeshCore
internal import MeshRuntime
internal import Synchronization

/// The open event streams of a gateway: at most so many, and all of them end when the gateway does.
final class EventStreams: Sendable {
    /// What waits for one slow reader; past it the oldest is lost.
    static let backlogMax = 256

    enum Item: Sendable {
        case event(NodeEvent)
        case keepAlive
    }

    /// One reader. Its place is free again when the last reference is gone, also if its body was never written.
    final class Subscription: Sendable {
        let items: AsyncStream<Item>
        fileprivate let continuation: AsyncStream<Item>.Continuation
        private let number: Int
        private let streams: EventStreams

        fileprivate init(number: Int, streams: EventStreams) {
            self.number = number
            self.streams = streams
            (self.items, self.continuation) = AsyncStream.makeStream(
                bufferingPolicy: .bufferingNewest(EventStreams.backlogMax))
        }

        deinit { self.streams.remove(self.number) }
    }

    private struct State {
        var open: [Int: AsyncStream<Item>.Continuation] = [:]
        var next = 0
        var isClosed = false
    }

    private let streamsMax: Int
    private let state = Mutex(State())

    init(streamsMax: Int) { self.streamsMax = streamsMax }

    func open() throws(HTTPFailure) -> Subscription {
        let subscription = self.state.withLock { state -> Subscription? in
            guard !state.isClosed, state.open.count < self.streamsMax else { return nil }
            state.next += 1
            let subscription = Subscription(number: state.next, streams: self)
            state.open[state.next] = subscription.continuation
            return subscription
        }
        guard let subscription else {
            throw HTTPFailure(
                MeshError(
                    .unavailable, "\(self.streamsMax) event streams are open here, or the node is shutting down",
                    hint: "close one, or read from another node", retryAfter: .seconds(5)))
        }
        return subscription
    }

    func closeAll() {
        let open = self.state.withLock { state in
            state.isClosed = true
            return state.open.values.map { $0 }
        }
        for continuation in open { continuation.finish() }
    }

    private func remove(_ number: Int) { self.state.withLock { $0.open[number] = nil } }
}

/// The kinds of event that a reader can choose.
enum EventKind: String, CaseIterable, Sendable {
    case member, user, definition

    /// `member,user`; all kinds if there is no text.
    static func parse(_ text: Substring?) throws(MeshError) -> Set<EventKind> {
        guard let text else { return Set(self.allCases) }
        var kinds: Set<EventKind> = []
        for part in text.split(separator: ",") {
            guard let kind = EventKind(rawValue: String(part)) else {
                throw MeshError(
                    .invalidArgument, "'\(part.prefix(64))' is no kind of event",
                    hint: "kinds are \(self.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            kinds.insert(kind)
        }
        return kinds
    }
}

extension EventStreams.Subscription {
    /// Copies the node's events and a tick every `keepAlive` into `items` while `write` consumes them.
    @concurrent
    func forward(
        _ events: AsyncStream<NodeEvent>, keepAlive: Duration,
        while write: @concurrent () async throws -> Void
    ) async throws {
        let continuation = self.continuation
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await event in events { continuation.yield(.event(event)) }
                continuation.finish()
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: keepAlive)
                    continuation.yield(.keepAlive)
                }
            }
            defer { group.cancelAll() }
            try await write()
        }
    }
}

extension NodeEvent {
    var kind: EventKind {
        switch self {
        case .member: .member
        case .user: .user
        case .definition: .definition
        }
    }

    /// One event of the stream (WHATWG HTML, 9.2): its data is one line of JSON.
    var serverSentEvent: String {
        let data =
            switch self {
            case .member(let member, let cause): jsonBytes(MemberEvent(cause: cause, member: member))
            case .user(let name, let payload, let origin):
                jsonBytes(UserEventView(name: name, payload: payload, origin: origin))
            case .definition(let name, let change): jsonBytes(DefinitionEvent(name: name, change: change))
            }
        return "event: \(self.kind.rawValue)\ndata: \(String(decoding: data, as: UTF8.self))\n\n"
    }
}

private struct MemberEvent: Encodable {
    var cause: String
    var member: MemberView
}

private struct DefinitionEvent: Encodable {
    var name: String
    var change: String
}

/// A user event on its way out: text where the payload is text, base64 where it is not.
private struct UserEventView: Encodable {
    var name: String
    var origin: String
    var payload: String?
    // The name in the JSON.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    var payload_base64: String?

    init(name: String, payload: [UInt8], origin: String) {
        self.name = name
        self.origin = origin
        self.payload = String(validating: payload, as: UTF8.self)
        self.payload_base64 = self.payload == nil ? Data(payload).base64EncodedString() : nil
    }
}
