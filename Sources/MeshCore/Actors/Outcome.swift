/// How a message ended: the reply of its actor, or the error that took the reply's place.
package enum Outcome: Hashable, Sendable {
    case reply([UInt8])
    case failed(MeshError)
}

// On the wire and on disk: kind, then the reply, or code, message, hint, accepted, retry-after in milliseconds.
extension Outcome {
    private static let textBytesMax = 4096

    package func write(to writer: inout WireWriter) {
        switch self {
        case .reply(let body):
            writer.write(1 as UInt8)
            writer.write(bytes: body)
        case .failed(let error):
            writer.write(2 as UInt8)
            writer.write(shortText: error.code.rawValue)
            writer.write(text: clipped(error.message, toBytes: Self.textBytesMax))
            writer.write(text: clipped(error.hint, toBytes: Self.textBytesMax))
            writer.write(shortText: error.accepted.rawValue)
            writer.write(UInt32(clamping: (error.retryAfter?.nanoseconds ?? 0) / 1_000_000))
        }
    }

    package static func read(from reader: inout WireReader) throws(WireError) -> Outcome {
        let start = reader.offset
        switch try reader.read(UInt8.self) {
        case 1: return .reply(try reader.bytes(limit: Message.bodyBytesMax))
        case 2:
            // A newer node may know codes that this one does not: the error still reaches the caller.
            let code = MeshError.Code(rawValue: try reader.shortText()) ?? .internalError
            let message = try reader.text(limit: Self.textBytesMax)
            let hint = try reader.text(limit: Self.textBytesMax)
            let accepted = MeshError.Accepted(rawValue: try reader.shortText()) ?? .unknown
            let retry = try reader.read(UInt32.self)
            return .failed(
                MeshError(
                    code, message, hint: hint, accepted: accepted,
                    retryAfter: retry == 0 ? nil : .milliseconds(Int64(retry))))
        default: throw WireError(.unknownKind, at: start)
        }
    }
}

/// The longest beginning of a text that fits, cut between characters.
package func clipped(_ text: String, toBytes limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: limit)
    while end > text.startIndex, String.Index(end, within: text) == nil { end = text.utf8.index(before: end) }
    return String(text[..<end])
}
