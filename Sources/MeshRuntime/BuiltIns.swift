internal import FoundationEssentials
internal import MeshCore

/// Actors that every node has, under `/meshnode/`.
enum BuiltIn: Hashable, Sendable {
    case echo
    case counter

    /// `/meshnode/echo/{key}` and `/meshnode/counter/{key}`.
    init?(_ path: ActorPath) {
        let segments = path.segments
        guard segments.count == 3 else { return nil }
        switch segments[1] {
        case "echo": self = .echo
        case "counter": self = .counter
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .echo: "meshnode/echo"
        case .counter: "meshnode/counter"
        }
    }

    var handler: any ActorHandler {
        switch self {
        case .echo: EchoHandler()
        case .counter: CounterHandler()
        }
    }
}

/// Answers what it was sent.
private struct EchoHandler: ActorHandler {
    func handle(_ message: Message, path: ActorPath, state: inout ActorState) async throws(TurnFailure) -> [UInt8] {
        message.body
    }
}

/// `{"add":n}` answers `{"value":n}`, the sum of all that was added here; `{"read":true}` adds nothing.
private struct CounterHandler: ActorHandler {
    private struct Request: Decodable {
        var add: Int64?
        var read: Bool?
    }

    func handle(_ message: Message, path: ActorPath, state: inout ActorState) async throws(TurnFailure) -> [UInt8] {
        let usage = "send {\"add\":1} or {\"read\":true}"
        guard let request = try? JSONDecoder().decode(Request.self, from: Data(message.body)) else {
            throw .refused(
                MeshError(.invalidArgument, "the body is not what a counter reads", hint: usage, accepted: .yes))
        }
        guard request.add != nil || request.read == true else {
            throw .refused(
                MeshError(.invalidArgument, "the body asks a counter for nothing", hint: usage, accepted: .yes))
        }
        let value: Int64
        do throws(WireError) {
            guard let stored = state["value"] else { throw WireError(.truncated, at: 0) }
            var reader = WireReader(stored.raw)
            value = try reader.read()
        } catch {
            value = 0
        }
        let (sum, overflow) = value.addingReportingOverflow(request.add ?? 0)
        guard !overflow else {
            throw .refused(MeshError(.invalidArgument, "the sum does not fit in 64 bits", accepted: .yes))
        }
        if request.add != nil {
            var writer = WireWriter()
            writer.write(sum)
            state["value"] = writer.bytes
        }
        return Array("{\"value\":\(sum)}".utf8)
    }
}
