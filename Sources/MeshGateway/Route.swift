internal import HTTPTypes
internal import MeshCore

/// What a request asks for, found from its method and path.
///
/// Paths are matched as they came: what is percent-encoded in an actor's path must arrive at `ActorPath` untouched.
enum Route: Hashable, Sendable {
    case health, ready, metrics
    case status, members, doctor
    case why(String)
    case drain(String)
    case lookAtDrain(String)
    case cancelDrain(String)
    case capabilities
    case actors
    case partitions, verifiedPartitions
    case explain(String)
    case deadLetters, replay, purge
    case deadLetter(String)
    case found
    case send(String)
    case call(String)
    case definitions
    case definition(String)
    case apply
    case delete(String)
    case raise
    case events, logs
    case keys, installKey
    case useKey(String)
    case removeKey(String)
    case leave

    init(method: HTTPRequest.Method, path: String) throws(HTTPFailure) {
        let found = Self.methods(of: path)
        guard !found.isEmpty else {
            throw HTTPFailure(
                .notFound, MeshError.Code.notFound.rawValue, "there is no \(path.prefix(200))",
                hint: "the routes begin with /v1/, such as /v1/status")
        }
        // HEAD is GET without the body, which the caller of this leaves out.
        let wanted = method == .head ? .get : method
        guard let (_, route) = found.first(where: { $0.0 == wanted }) else {
            let allowed = found.map(\.0.rawValue).joined(separator: ", ")
            throw HTTPFailure(
                .methodNotAllowed, "method_not_allowed", "\(path.prefix(200)) does not take \(method)",
                hint: "use \(allowed)", headers: [.allow: allowed])
        }
        self = route
    }

    /// The methods that a path takes, each with its route; none if there is no such path.
    private static func methods(of path: String) -> [(HTTPRequest.Method, Route)] {
        switch path {
        case "/healthz": return [(.get, .health)]
        case "/readyz": return [(.get, .ready)]
        case "/metrics": return [(.get, .metrics)]
        case "/v1/status": return [(.get, .status)]
        case "/v1/members": return [(.get, .members)]
        case "/v1/capabilities": return [(.get, .capabilities)]
        case "/v1/doctor": return [(.get, .doctor)]
        case "/v1/actors": return [(.get, .actors)]
        case "/v1/partitions": return [(.get, .partitions)]
        case "/v1/partitions/verify": return [(.get, .verifiedPartitions)]
        case "/v1/deadletters": return [(.get, .deadLetters)]
        case "/v1/deadletters/replay": return [(.post, .replay)]
        case "/v1/deadletters/purge": return [(.post, .purge)]
        case "/v1/init": return [(.post, .found)]
        case "/v1/definitions": return [(.get, .definitions), (.post, .apply)]
        case "/v1/events": return [(.get, .events), (.post, .raise)]
        case "/v1/keys": return [(.get, .keys), (.post, .installKey)]
        case "/v1/logs": return [(.get, .logs)]
        case "/v1/leave": return [(.post, .leave)]
        default: break
        }
        if let actor = path.rest(after: "/v1/send/") { return [(.post, .send(actor))] }
        if let actor = path.rest(after: "/v1/call/") { return [(.post, .call(actor))] }
        if let actor = path.rest(after: "/v1/explain/") { return [(.get, .explain(actor))] }
        if let id = path.rest(after: "/v1/deadletters/"), let id = id.singleSegment { return [(.get, .deadLetter(id))] }
        if let name = path.rest(after: "/v1/definitions/"), let name = name.singleSegment {
            return [(.get, .definition(name)), (.delete, .delete(name))]
        }
        if let rest = path.rest(after: "/v1/keys/") {
            if let key = rest.singleSegment { return [(.delete, .removeKey(key))] }
            if rest.hasSuffix("/use"), let key = String(rest.dropLast(4)).singleSegment {
                return [(.post, .useKey(key))]
            }
        }
        if let rest = path.rest(after: "/v1/members/") {
            if rest.hasSuffix("/why"), let node = String(rest.dropLast(4)).singleSegment {
                return [(.get, .why(node))]
            }
            if rest.hasSuffix("/drain"), let node = String(rest.dropLast(6)).singleSegment {
                return [(.get, .lookAtDrain(node)), (.post, .drain(node)), (.delete, .cancelDrain(node))]
            }
        }
        return []
    }

    /// A name without the variable parts: a label of bounded number.
    var name: String {
        switch self {
        case .health: "healthz"
        case .ready: "readyz"
        case .metrics: "metrics"
        case .status: "status"
        case .members: "members"
        case .doctor: "doctor"
        case .why: "why"
        case .drain, .lookAtDrain, .cancelDrain: "drain"
        case .capabilities: "capabilities"
        case .actors: "actors"
        case .partitions, .verifiedPartitions: "partitions"
        case .explain: "explain"
        case .deadLetters, .deadLetter, .replay, .purge: "deadletters"
        case .found: "init"
        case .send: "send"
        case .call: "call"
        case .definitions, .definition: "definitions"
        case .apply: "apply"
        case .delete: "delete"
        case .raise: "raise"
        case .events: "events"
        case .keys, .installKey, .useKey, .removeKey: "keys"
        case .logs: "logs"
        case .leave: "leave"
        }
    }

    /// Probes of the machine's supervisor carry no token, and the answers say nothing but yes or no.
    var isOpen: Bool { self == .health || self == .ready }

    var takesBody: Bool {
        switch self {
        case .send, .call, .apply, .raise, .replay, .purge: true
        default: false
        }
    }

    /// Names of query parameters it knows.
    var parameters: [String] {
        switch self {
        case .actors: ["prefix"]
        case .capabilities: ["node"]
        case .events: ["type", "after", "limit"]
        case .logs: ["node", "after", "age_ms", "level", "lines"]
        case .useKey, .removeKey, .found: ["force"]
        case .deadLetters: ["prefix", "after", "limit"]
        case .drain: ["reason"]
        case .leave: ["force", "timeout_ms"]
        default: []
        }
    }
}

extension String {
    fileprivate func rest(after prefix: String) -> String? {
        self.hasPrefix(prefix) && self.utf8.count > prefix.utf8.count ? String(self.dropFirst(prefix.count)) : nil
    }

    /// Percent-decoded; nil if it is empty, has several segments, or is not UTF-8.
    fileprivate var singleSegment: String? {
        guard !self.isEmpty, !self.contains("/"), let decoded = percentDecoded(self), !decoded.isEmpty else {
            return nil
        }
        return decoded
    }
}

/// RFC 3986, 2.1; nil where a % lacks its two digits or the result is not UTF-8.
func percentDecoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
        bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
}

private func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
