internal import MeshCore

/// Which of the two probes of a round came through.
package struct DatagramSizes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Passes wherever datagrams pass at all.
    package static let small = DatagramSizes(rawValue: 1)
    /// As large as a sealed datagram gets.
    package static let full = DatagramSizes(rawValue: 2)

    static let each: [DatagramSizes] = [.small, .full]
    static let all: DatagramSizes = [.small, .full]

    /// Sealed, of one that has a single size.
    package var sealedBytes: Int { self == .full ? DatagramSealer.sealedBytesMax : 64 }
}

/// How it went to connect to a member where it says that it is.
package enum DialOutcome: UInt8, Sendable { case reached, refused, unreachable }

/// Body of a `diagnosis` frame: what one member asks another, since only the other can see it, and the answers.
enum DiagnosisFrame: Hashable, Sendable {
    case whatTime
    /// Nanoseconds since 1970 by the wall clock.
    case time(UInt64)
    /// Send me datagrams with this number, and look out for mine.
    case probe(number: UInt64)
    /// Those of the round that came.
    case probed(DatagramSizes)
    /// Open a connection to me.
    case dial
    /// With the address that was tried.
    case dialled(DialOutcome, Endpoint)

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .whatTime: writer.write(1 as UInt8)
        case .time(let time):
            writer.write(2 as UInt8)
            writer.write(time)
        case .probe(let number):
            writer.write(3 as UInt8)
            writer.write(number)
        case .probed(let sizes):
            writer.write(4 as UInt8)
            writer.write(sizes.rawValue)
        case .dial: writer.write(5 as UInt8)
        case .dialled(let outcome, let endpoint):
            writer.write(6 as UInt8)
            writer.write(outcome.rawValue)
            writer.write(endpoint)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        switch try reader.read(UInt8.self) {
        case 1: self = .whatTime
        case 2: self = .time(try reader.read())
        case 3: self = .probe(number: try reader.read())
        case 4: self = .probed(DatagramSizes(rawValue: try reader.read()))
        case 5: self = .dial
        case 6:
            guard let outcome = DialOutcome(rawValue: try reader.read()) else { throw WireError(.invalidValue, at: 1) }
            self = .dialled(outcome, try reader.endpoint())
        default: throw WireError(.unknownKind, at: 0)
        }
        try reader.end()
    }
}
