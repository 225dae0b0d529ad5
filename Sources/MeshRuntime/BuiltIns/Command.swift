internal import MeshCore

/// What a built-in actor is asked to do: the one member of `{"push":1}`.
struct Command: Hashable, Sendable {
    /// Of one value, as it is written.
    static let valueBytesMax = 64 << 10

    var verb: String
    /// As it was written, without the space around it.
    var argument: [UInt8]

    /// Nil if the body is not one object with one member.
    init?(_ body: [UInt8]) {
        guard let members = jsonMembers(of: body), members.count == 1, let (verb, range) = members.first else {
            return nil
        }
        self.verb = verb
        self.argument = trimmed(body[range])
    }

    var isTrue: Bool { self.argument == Array("true".utf8) }
}

/// JSON, without the space around it.
func trimmed(_ text: ArraySlice<UInt8>) -> [UInt8] {
    func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }
    let start = text.drop(while: isSpace)
    guard let last = start.lastIndex(where: { !isSpace($0) }) else { return [] }
    return Array(start[...last])
}

/// The message was accepted and its turn is over, with this as the answer.
func refusal(_ actor: String, hint: String) -> MeshError {
    MeshError(.invalidArgument, "the body is not what a \(actor) reads", hint: hint, accepted: .yes)
}

/// One value that an actor keeps must fit in a log entry with others.
func checkSize(_ value: [UInt8]) throws(MeshError) {
    guard value.count <= Command.valueBytesMax else {
        throw MeshError(
            .tooLarge, "the value has \(value.count) bytes, more than \(Command.valueBytesMax)",
            hint: "keep it elsewhere, and its name here", accepted: .yes)
    }
}
