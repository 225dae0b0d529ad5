internal import MeshCore

/// Body of a `definitions` frame: kind, then what belongs to it.
enum DefinitionsFrame: Hashable, Sendable {
    /// The sender's digest. Whoever has another sends its entries, and its own digest as a response.
    case offer(digest: UInt64, isResponse: Bool)
    case entries([AppliedDefinition])
    case acknowledged

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .offer(let digest, let isResponse):
            writer.write(1 as UInt8)
            writer.write(digest)
            writer.write(isResponse ? 1 : 0 as UInt8)
        case .entries(let entries): return Self.encoded(entries: entries[...], bytesMax: .max).bytes
        case .acknowledged: writer.write(3 as UInt8)
        }
        return writer.bytes
    }

    /// As many of the entries as fit, at least one.
    static func encoded(entries: ArraySlice<AppliedDefinition>, bytesMax: Int) -> (bytes: [UInt8], count: Int) {
        var body = WireWriter()
        var count: UInt16 = 0
        for entry in entries where count < .max {
            body.write(entry)
            count += 1
            if body.count >= bytesMax { break }
        }
        var writer = WireWriter()
        writer.write(2 as UInt8)
        writer.write(count)
        writer.bytes += body.bytes
        return (writer.bytes, Int(count))
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        switch try reader.read(UInt8.self) {
        case 1:
            let digest = try reader.read(UInt64.self)
            self = .offer(digest: digest, isResponse: try reader.read(UInt8.self) != 0)
        case 2:
            var entries: [AppliedDefinition] = []
            for _ in 0..<(try reader.read(UInt16.self)) { entries.append(try reader.appliedDefinition()) }
            self = .entries(entries)
        case 3: self = .acknowledged
        default: throw WireError(.unknownKind, at: 0)
        }
        try reader.end()
    }
}
