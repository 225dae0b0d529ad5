/// The boots of each node that this one has met, kept on its disk.
///
/// A node that comes back from an old copy of its disk counts its boots on from there, so it shows an epoch that was
/// used before, under another nonce. It has forgotten votes and entries and cannot know it: from then on it is refused as
/// a voter for good, for a few more starts would lift its epoch above all that were seen.
package struct KnownBoots: Sendable {
    private struct Known: Sendable {
        /// The latest, oldest first.
        var boots: [Boot] = []
        var isForked = false
    }

    /// Of each node; a copy older than so many boots is refused only until it has counted up to them.
    package static let bootsMax = 64

    private var nodes: [NodeID: Known] = [:]

    package init() {}

    /// Whether messages of that boot count; remembers it.
    package mutating func admit(_ boot: Boot, of node: NodeID) -> Bool {
        var known = self.nodes[node] ?? Known()
        defer { self.nodes[node] = known }
        if let same = known.boots.first(where: { $0.epoch == boot.epoch }), same.nonce != boot.nonce {
            known.isForked = true
        }
        if known.isForked { return false }
        guard let latest = known.boots.last, boot.epoch <= latest.epoch else {
            known.boots.append(boot)
            if known.boots.count > Self.bootsMax { known.boots.removeFirst() }
            return true
        }
        return boot == latest
    }

    package func epoch(of node: NodeID) -> UInt64? { self.nodes[node]?.boots.last?.epoch }
    package func isForked(_ node: NodeID) -> Bool { self.nodes[node]?.isForked ?? false }
}

// On disk, of each node: version, forked u8, u8 count, each boot: epoch u64, nonce u64.
extension KnownBoots {
    private static let formatVersion: UInt8 = 1

    /// What is known of a node; nil if it was never met.
    package func encoded(of node: NodeID) -> [UInt8]? {
        guard let known = self.nodes[node] else { return nil }
        var writer = WireWriter()
        writer.write(Self.formatVersion)
        writer.write((known.isForked ? 1 : 0) as UInt8)
        writer.write(UInt8(known.boots.count))
        for boot in known.boots {
            writer.write(boot.epoch)
            writer.write(boot.nonce)
        }
        return writer.bytes
    }

    package mutating func learn(_ node: NodeID, _ bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == Self.formatVersion else { throw WireError(.unsupportedVersion, at: 0) }
        var known = Known(isForked: try reader.flag())
        for _ in 0..<(try reader.read(UInt8.self)) {
            known.boots.append(Boot(epoch: try reader.read(), nonce: try reader.read()))
        }
        try reader.end()
        guard known.boots.count <= Self.bootsMax else { throw WireError(.tooLong, at: 2) }
        self.nodes[node] = known
    }
}
