package import MeshCore

/// What each side says of itself, encrypted, while a stream opens.
package struct Hello: Hashable, Sendable {
    /// What a connection carries. One connection carries all until bulk data gets its own.
    package enum Traffic: UInt8, Sendable {
        case all = 0
        case control = 1
        case bulk = 2
    }

    static let bytes = 8 + 8 + 1 + 1 + 18 + 1

    package var boot: Boot
    /// Lowest and highest version spoken.
    package var protocols = ProtocolVersion.spoken
    /// Where the node listens, not where this connection comes from.
    package var endpoint: Endpoint
    var traffic = Traffic.all

    var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(self.boot.epoch)
        writer.write(self.boot.nonce)
        writer.write(self.protocols.lowerBound)
        writer.write(self.protocols.upperBound)
        writer.write(self.endpoint)
        writer.write(self.traffic.rawValue)
        return writer.bytes
    }

    package init(boot: Boot, endpoint: Endpoint) {
        self.boot = boot
        self.endpoint = endpoint
    }

    /// Bytes behind the known fields are left alone: a later version puts its own there.
    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.boot = Boot(epoch: try reader.read(), nonce: try reader.read())
        let (low, high) = (try reader.read(UInt8.self), try reader.read(UInt8.self))
        guard low <= high else { throw WireError(.invalidValue, at: 16) }
        self.protocols = low...high
        self.endpoint = try reader.endpoint()
        guard self.endpoint.isUnicast, 1...Boot.epochMax ~= self.boot.epoch else {
            throw WireError(.invalidValue, at: self.endpoint.isUnicast ? 0 : 18)
        }
        guard let traffic = Traffic(rawValue: try reader.read()) else { throw WireError(.unknownKind, at: 36) }
        self.traffic = traffic
    }
}
