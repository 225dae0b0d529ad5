internal import MeshCore

/// `{"add":n}` answers `{"value":n}`, the sum of all that was added here; `{"read":true}` adds nothing.
func counterTurn(_ body: [UInt8], _ state: inout ActorState) throws(MeshError) -> [UInt8] {
    guard let addend = addend(in: body) else {
        throw refusal("counter", hint: "send {\"add\":1} or {\"read\":true}")
    }
    let (sum, overflow) = try storedValue(in: state).addingReportingOverflow(addend)
    guard !overflow else {
        throw MeshError(.invalidArgument, "the sum does not fit in 64 bits", accepted: .yes)
    }
    if addend != 0 {
        var writer = WireWriter()
        writer.write(sum)
        state["value"] = writer.bytes
    }
    return Array("{\"value\":\(sum)}".utf8)
}

private func storedValue(in state: ActorState) throws(MeshError) -> Int64 {
    guard let stored = state["value"] else { return 0 }
    var reader = WireReader(stored.raw)
    // Nobody else writes it: to count on from 0 would hide that something is broken.
    guard stored.count == 8, let value = try? reader.read(Int64.self) else {
        throw MeshError(.internalError, "what this counter remembers is damaged", accepted: .yes)
    }
    return value
}

/// An integer as JSON writes one: no fraction, no exponent.
private func addend(in body: [UInt8]) -> Int64? {
    guard let members = jsonMembers(of: body) else { return nil }
    func text(_ key: String) -> String? {
        members[key].map { String(decoding: trimmed(body[$0]), as: UTF8.self) }
    }
    if let add = text("add") { return Int64(add) }
    return text("read") == "true" ? 0 : nil
}
