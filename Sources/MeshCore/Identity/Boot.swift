/// One life of a node's process.
///
/// `epoch` is a counter in the data folder, raised and fsynced before the first packet; `nonce` is random. Two lives
/// with one epoch and different nonces betray a restored snapshot.
package struct Boot: Hashable, Sendable {
    package var epoch: UInt64
    package var nonce: UInt64

    package init(epoch: UInt64, nonce: UInt64) {
        self.epoch = epoch
        self.nonce = nonce
    }
}

/// What is believed of epochs that others tell: one member's slip must not put another's next boots out of reach.
extension Boot {
    /// No node starts so often.
    package static let epochMax: UInt64 = 1 << 32
    /// Nobody misses so many starts of one node.
    package static let epochStepMax: UInt64 = 1 << 20

    static func isPlausible(_ next: UInt64, after known: UInt64) -> Bool {
        next <= known || next - known <= self.epochStepMax
    }
}
