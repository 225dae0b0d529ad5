/// The latest boot of each node that this one has met, kept on its disk.
///
/// A node that comes back from an old copy of its disk counts its boots on from there, so it shows an epoch that was
/// used before, under another nonce. It is refused as a voter: it has forgotten votes and entries, and cannot know it.
package struct KnownBoots: Sendable {
    private var boots: [NodeID: Boot] = [:]

    package init() {}

    /// Whether messages of that boot count; remembers it if they do.
    package mutating func admit(_ boot: Boot, of node: NodeID) -> Bool {
        if let known = self.boots[node] {
            if boot.epoch < known.epoch { return false }
            if boot.epoch == known.epoch { return boot.nonce == known.nonce }
        }
        self.boots[node] = boot
        return true
    }

    package func epoch(of node: NodeID) -> UInt64? { self.boots[node]?.epoch }
}
