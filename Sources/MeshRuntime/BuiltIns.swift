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
    func handle(_ message: Message, path: ActorPath, state: inout ActorState) async throws(TurnFailure) -> [UInt8] {
        guard let addend = self.addend(in: message.body) else {
            throw .refused(
                MeshError(
                    .invalidArgument, "the body is not what a counter reads",
                    hint: "send {\"add\":1} or {\"read\":true}", accepted: .yes))
        }
        let value: Int64
        do throws(WireError) {
            guard let stored = state["value"] else { throw WireError(.truncated, at: 0) }
            var reader = WireReader(stored.raw)
            value = try reader.read()
        } catch {
            value = 0
        }
        let (sum, overflow) = value.addingReportingOverflow(addend)
        guard !overflow else {
            throw .refused(MeshError(.invalidArgument, "the sum does not fit in 64 bits", accepted: .yes))
        }
        if addend != 0 {
            var writer = WireWriter()
            writer.write(sum)
            state["value"] = writer.bytes
        }
        return Array("{\"value\":\(sum)}".utf8)
    }

    /// An integer as JSON writes one: no fraction, no exponent.
    private func addend(in body: [UInt8]) -> Int64? {
        guard let members = jsonMembers(of: body) else { return nil }
        func text(_ key: String) -> String? {
            members[key].map { range in
                String(decoding: body[range], as: UTF8.self).filter { !" \t\r\n".contains($0) }
            }
        }
        if let add = text("add") { return Int64(add) }
        return text("read") == "true" ? 0 : nil
    }
}
