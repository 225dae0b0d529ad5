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

    /// `{"v":1,"id":…,"path":…,"sender":…,"body":…}` and a line break. A body that is JSON stands there as it was sent.
    package static func request(_ message: Message, id: String, path: ActorPath) -> [UInt8] {
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
        if isJSONBody {
            line.removeLast()
            line += Array(",\"body\":".utf8)
            // In JSON a line break stands only between tokens, where a space does as well.
            line += message.body.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
            line.append(UInt8(ascii: "}"))
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    /// The bytes of `reply` in `{"id":…,"reply":…}`, as the program wrote them.
    package static func reply(in line: [UInt8], to id: String) throws(TurnFailure) -> [UInt8] {
        guard let members = jsonMembers(of: line) else { throw .crashed("it wrote a line that is no JSON object") }
        guard let written = members["id"], trimmed(line[written]) == Array("\"\(id)\"".utf8)[...] else {
            throw .crashed("it answered another message than it was asked")
        }
        switch (members["reply"], members["error"]) {
        case (let reply?, nil): return Array(trimmed(line[reply]))
        case (nil, let failure?):
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
