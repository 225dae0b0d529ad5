package import MeshCore

/// A packet's whole way through this node but for the socket: open, decode, step, encode, seal.
///
/// Owns the membership and the buffers, so that a packet in steady state costs no allocation.
package struct GossipEngine: ~Copyable {
    package private(set) var membership: Membership
    /// What the last step wants done; valid until the next.
    package private(set) var effects = Membership.Effects()
    private var sealer: DatagramSealer

    package init(membership: Membership, cluster: ClusterID, keys: MeshKeys) {
        self.membership = membership
        self.sealer = DatagramSealer(cluster: cluster, keys: keys)
    }

    /// The number of a probe, which is not for the membership; nil for everything else.
    @discardableResult
    package mutating func receive(
        packet: RawSpan, from endpoint: Endpoint, at now: Instant
    ) throws(DatagramRefusal) -> UInt64? {
        self.effects.clear()
        let opened = try self.sealer.open(packet)
        if opened.isProbe { return self.sealer.probeNumber(of: opened) }
        Self.receive(opened, self.sealer, from: endpoint, at: now, &self.membership, &self.effects)
        return nil
    }

    /// The fields apart, so that the plaintext can be borrowed from one while others change.
    private static func receive(
        _ opened: DatagramSealer.Opened, _ sealer: borrowing DatagramSealer, from endpoint: Endpoint, at now: Instant,
        _ membership: inout Membership, _ effects: inout Membership.Effects
    ) {
        membership.receive(datagram: sealer.plaintext(of: opened), from: endpoint, at: now, into: &effects)
    }

    package mutating func receive(frame: [UInt8], from sender: NodeID, at now: Instant) {
        self.effects.clear()
        self.membership.receive(frame: frame.raw, from: sender, at: now, into: &self.effects)
    }

    package mutating func step(_ input: Membership.Input, at now: Instant) {
        self.effects.clear()
        self.membership.step(input, at: now, into: &self.effects)
    }

    /// Seals the bytes of a datagram effect and lends the packet to `send`.
    package mutating func seal(_ range: Range<Int>, send: (RawSpan) -> Void) {
        Self.seal(self.effects, range, &self.sealer, send)
    }

    private static func seal(
        _ effects: borrowing Membership.Effects, _ range: Range<Int>, _ sealer: inout DatagramSealer,
        _ send: (RawSpan) -> Void
    ) {
        let count = sealer.seal(effects.bytes.raw.extracting(range))
        send(sealer.sealed(count))
    }

    package mutating func sealProbe(_ number: UInt64, bytes: Int, send: (RawSpan) -> Void) {
        let count = self.sealer.sealProbe(number, sealedBytes: bytes)
        send(self.sealer.sealed(count))
    }

    package mutating func replace(keys: MeshKeys) { self.sealer.replace(keys: keys) }
}
