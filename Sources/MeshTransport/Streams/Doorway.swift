internal import MeshCore

/// Whom of those that connect to this node it shakes hands with.
///
/// A connection costs a descriptor and a timer before it has shown that its other end holds a key of the mesh (the MAC of
/// its first packet). An honest one shows it with its first round trip. So those that have not yet make room for newer
/// ones, oldest first: whoever connects and stays silent keeps nobody out.
struct Doorway {
    private static let guestsMax = 256
    private static let guestsPerSourceMax = 64
    private static let sourcesMax = 1024

    enum Entry {
        case admitted
        /// This one goes instead.
        case displacing(StreamConnection)
        case refused
    }

    private struct Guest {
        var connection: StreamConnection
        var source: Endpoint
    }

    /// Accepted and not open yet, oldest first.
    private var guests: [Guest] = []
    /// A handshake costs three Diffie-Hellman operations: about a third of a millisecond.
    private var rate = RateLimit(pause: .milliseconds(5), burst: 400)
    private var rates: [Endpoint: RateLimit] = [:]

    mutating func enter(_ connection: StreamConnection, from address: Endpoint, at now: Instant) -> Entry {
        let source = address.network
        guard self.allows(source, at: now), self.rate.allows(at: now) else { return .refused }
        let isCrowded = self.guests.count >= Self.guestsMax
        let isCrowd = self.guests.count { $0.source == source } >= Self.guestsPerSourceMax
        guard isCrowded || isCrowd else {
            self.guests.append(Guest(connection: connection, source: source))
            return .admitted
        }
        let oldest = self.guests.first { !$0.connection.hasShownKey && (!isCrowd || $0.source == source) }
        guard let oldest else { return .refused }
        self.guests.append(Guest(connection: connection, source: source))
        return .displacing(oldest.connection)
    }

    /// It is open, or gone.
    mutating func leave(_ connection: StreamConnection) { self.guests.removeAll { $0.connection === connection } }

    private mutating func allows(_ source: Endpoint, at now: Instant) -> Bool {
        if self.rates[source] == nil, self.rates.count >= Self.sourcesMax {
            self.rates = self.rates.filter { !$0.value.isRested(at: now) }
            guard self.rates.count < Self.sourcesMax else { return false }
        }
        return self.rates[source, default: RateLimit(pause: .milliseconds(10), burst: 200)].allows(at: now)
    }
}

extension Endpoint {
    /// Whom a limit per source means: an IPv4 address, or the 64 bits of an IPv6 network, within which addresses are free.
    fileprivate var network: Endpoint {
        self.ipv4 == nil ? Endpoint(high: self.high, low: 0, port: 0) : self.with(port: 0)
    }
}
