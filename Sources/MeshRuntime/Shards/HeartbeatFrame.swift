package import MeshCore

/// A heartbeat of a node or the answer to one, with what only the pair of nodes needs.
package enum HeartbeatFrame: Sendable {
    /// Of which boot, and the sender's wall clock in milliseconds since 1970.
    case beat(Heartbeat, boot: UInt64, wall: UInt64)
    case answer(HeartbeatAnswer)

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .beat(let heartbeat, let boot, let wall):
            writer.write(UInt8(1))
            writer.write(boot)
            writer.write(wall)
            writer.write(heartbeat)
        case .answer(let answer):
            writer.write(UInt8(2))
            writer.write(answer)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        switch try reader.read(UInt8.self) {
        case 1:
            let boot: UInt64 = try reader.read()
            let wall: UInt64 = try reader.read()
            self = .beat(try reader.heartbeat(), boot: boot, wall: wall)
        case 2: self = .answer(try reader.heartbeatAnswer())
        default: throw WireError(.unknownKind, at: 0)
        }
    }
}
