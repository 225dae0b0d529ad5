internal import FoundationEssentials
package import MeshCore
package import MeshRuntime

/// The lines of the `exec` protocol, version 1 (`docs/exec.md`).
package enum ExecLine {
    private struct Envelope: Encodable {
        var v = 1
        var id: String
        var path: String
        var sender: String
        /// Body as text, where it is no JSON but UTF-8.
        var body: String?
        /// Body that is neither.
        var base64: String?

        enum CodingKeys: String, CodingKey {
            case v, id, path, sender, body
            case base64 = "body_base64"
        }
    }

    private struct Failure: Decodable {
        var code: String
        var message: String
    }

    /// What a program answered.
    package struct Answer: Hashable, Sendable {
        package var reply: [UInt8]
        /// JSON that the actor shall remember, `null` for nothing; nil leaves it as it is.
        package var state: [UInt8]?
    }

    /// `{"v":1,"id":…,"path":…,"sender":…,"state":…,"body":…}` and a line break. A body that is JSON stands there as it was
    /// sent, and so does what the actor remembers, if it does.
    package static func request(_ message: Message, id: String, path: ActorPath, state: [UInt8]?) -> [UInt8] {
        var envelope = Envelope(id: id, path: path.description, sender: message.sender)
        let isJSONBody = isJSON(message.body)
        if !isJSONBody {
            envelope.body = String(validating: message.body, as: UTF8.self)
            if envelope.body == nil { envelope.base64 = Data(message.body).base64EncodedString() }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard var line = try? Array(encoder.encode(envelope)) else {
            preconditionFailure("strings and integers are always JSON")
        }
        if let state { append(state, as: "state", to: &line) }
        if isJSONBody { append(message.body, as: "body", to: &line) }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    private static func append(_ json: [UInt8], as member: String, to line: inout [UInt8]) {
        line.removeLast()
        line += Array(",\"\(member)\":".utf8)
        // In JSON a line break stands only between tokens, where a space does as well.
        line += json.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
        line.append(UInt8(ascii: "}"))
    }

    /// The bytes of `reply` and `state` in `{"id":…,"reply":…,"state":…}`, as the program wrote them.
    package static func answer(in line: [UInt8], to id: String) throws(TurnFailure) -> Answer {
        guard let members = jsonMembers(of: line) else { throw .crashed("it wrote a line that is no JSON object") }
        guard let written = members["id"], trimmed(line[written]) == Array("\"\(id)\"".utf8)[...] else {
            throw .crashed("it answered another message than it was asked")
        }
        switch (members["reply"], members["error"]) {
        case (let reply?, nil):
            let state = members["state"].map { Array(trimmed(line[$0])) }
            if let state, state.count > StateChange.valueBytesMax {
                throw .crashed("its state has \(state.count) bytes; \(StateChange.valueBytesMax) are the most")
            }
            return Answer(reply: Array(trimmed(line[reply])), state: state)
        case (nil, let failure?):
            guard members["state"] == nil else {
                throw .crashed("its answer has an error and a state: a turn that fails changes nothing")
            }
            guard let failure = try? JSONDecoder().decode(Failure.self, from: Data(line[failure])) else {
                throw .crashed("its error is not {\"code\":…,\"message\":…}")
            }
            throw .refused(
                MeshError(
                    .handlerFailed, "\(failure.code.prefix(128)): \(failure.message.prefix(4096))", accepted: .yes),
                as: FailureType(failure.code))
        default: throw .crashed("its answer has neither reply nor error, or both")
        }
    }
}

private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let end = bytes.lastIndex { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }
    return end.map { bytes[...$0] } ?? []
}
