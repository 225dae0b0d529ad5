internal import MeshCore

/// One JSON value, null at first: `{"read":true}`, `{"write":x}` and `{"cas":[old,new]}` answer
/// `{"value":x,"swapped":bool}`: what the register holds afterwards, and whether this message put it there.
///
/// A value is kept and answered as it was written; `cas` compares what it means.
func registerTurn(_ body: [UInt8], _ state: inout ActorState) throws(MeshError) -> [UInt8] {
    let hint = "send {\"read\":true}, {\"write\":VALUE} or {\"cas\":[OLD,NEW]}"
    guard let command = Command(body) else { throw refusal("register", hint: hint) }
    switch command.verb {
    case "read" where command.isTrue: break
    case "write":
        try checkSize(command.argument)
        _ = try comparable(command.argument)
        state["value"] = command.argument
        return answer(command.argument, swapped: true)
    case "cas":
        guard let elements = jsonElements(of: command.argument), elements.count == 2 else {
            throw refusal("register", hint: hint)
        }
        let (old, new) = (trimmed(command.argument[elements[0]]), trimmed(command.argument[elements[1]]))
        try checkSize(new)
        _ = try comparable(new)
        if try comparable(old) == comparable(state["value"] ?? null) {
            state["value"] = new
            return answer(new, swapped: true)
        }
    default: throw refusal("register", hint: hint)
    }
    return answer(state["value"] ?? null, swapped: false)
}

private let null = Array("null".utf8)

private func comparable(_ value: [UInt8]) throws(MeshError) -> [UInt8] {
    do throws(JSONValueError) { return try canonicalJSON(value) } catch {
        throw MeshError(
            .invalidArgument, "a register cannot compare this value: \(error)",
            hint: "send it as a JSON string", accepted: .yes)
    }
}

private func answer(_ value: [UInt8], swapped: Bool) -> [UInt8] {
    Array("{\"value\":".utf8) + value + Array(",\"swapped\":\(swapped)}".utf8)
}
