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
