internal import MeshCore

/// JSON values, first in, first out: `{"push":x}` and `{"pop":true}` answer `{"value":x}`, and a pop that finds nothing
/// `{"value":null}`.
///
/// Each element has a key of its own, so a push or a pop writes one element and the bounds, however long the queue is.
func queueTurn(_ body: [UInt8], _ state: inout ActorState) throws(MeshError) -> [UInt8] {
    let hint = "send {\"push\":VALUE} or {\"pop\":true}"
    guard let command = Command(body) else { throw refusal("queue", hint: hint) }
    var bounds = try QueueBounds(in: state)
    let value: [UInt8]
    switch command.verb {
    case "push":
        value = command.argument
        try checkSize(value)
        try bounds.checkRoom(for: value)
        state[elementKey(bounds.next)] = value
        bounds.next += 1
        bounds.byteCount += UInt64(value.count)
    case "pop" where command.isTrue:
        guard bounds.first < bounds.next else { return answer(Array("null".utf8)) }
        guard let first = state[elementKey(bounds.first)], first.count <= bounds.byteCount else {
            throw QueueBounds.damaged
        }
        value = first
        state[elementKey(bounds.first)] = nil
        bounds.first += 1
        bounds.byteCount -= UInt64(value.count)
    default: throw refusal("queue", hint: hint)
    }
    bounds.write(to: &state)
    return answer(value)
}

/// Which elements there are: `first ..< next`, of so many bytes.
private struct QueueBounds {
    /// Below what an activation can remember, which is `ActorState.keysMax` keys.
    static let elementsMax = 1000
    static let bytesMax = 4 << 20
    static let damaged = MeshError(.internalError, "what this queue remembers is damaged", accepted: .yes)
    private static let key = "bounds"

    var first: UInt64 = 0
    var next: UInt64 = 0
    var byteCount: UInt64 = 0

    init(in state: ActorState) throws(MeshError) {
        guard let stored = state[Self.key] else { return }
        do throws(WireError) {
            var reader = WireReader(stored.raw)
            self.first = try reader.read()
            self.next = try reader.read()
            self.byteCount = try reader.read()
            try reader.end()
        } catch { throw Self.damaged }
        guard self.first <= self.next, self.next < .max else { throw Self.damaged }
    }

    /// An empty queue is as one that never was: it leaves nothing behind.
    func write(to state: inout ActorState) {
        guard self.first < self.next else {
            state[Self.key] = nil
            return
        }
        var writer = WireWriter()
        writer.write(self.first)
        writer.write(self.next)
        writer.write(self.byteCount)
        state[Self.key] = writer.bytes
    }

    func checkRoom(for value: [UInt8]) throws(MeshError) {
        let count = self.next - self.first
        guard count < Self.elementsMax else {
            throw MeshError(
                .overloaded, "\(count) elements are in the queue, its limit", hint: "pop some first", accepted: .yes)
        }
        guard self.byteCount + UInt64(value.count) <= Self.bytesMax else {
            throw MeshError(
                .overloaded, "the queue would hold more than \(Self.bytesMax) bytes", hint: "pop some first",
                accepted: .yes)
        }
    }
}

private func elementKey(_ number: UInt64) -> String { "element/\(number)" }

private func answer(_ value: [UInt8]) -> [UInt8] { Array("{\"value\":".utf8) + value + Array("}".utf8) }
