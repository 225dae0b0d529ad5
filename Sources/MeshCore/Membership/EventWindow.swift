/// Which events of one boot of an origin were seen: the highest, and the 1,024 up to it.
///
/// Wider than the window of packets, because an event can come late and still must be told: an exchange brings what
/// gossip missed, up to a push/pull interval after later ones. Memory is spent on members that raise events only.
package struct EventWindow: Equatable, Sendable {
    package static let width: UInt64 = 1024

    private var epoch: UInt64 = 0
    private var highest: UInt64 = 0
    /// Bit `n % width` is event n, for the `width` events up to the highest.
    private var seen = [UInt64](repeating: 0, count: Int(Self.width / 64))

    package init() {}

    package func isNew(epoch: UInt64, sequence: UInt64) -> Bool {
        if epoch != self.epoch { return epoch > self.epoch }
        if sequence > self.highest { return true }
        guard sequence > 0, self.highest - sequence < Self.width else { return false }
        return self.seen[Self.word(sequence)] & Self.bit(sequence) == 0
    }

    /// A newer boot starts over: its events begin at 1 again.
    package mutating func note(epoch: UInt64, sequence: UInt64) {
        guard self.isNew(epoch: epoch, sequence: sequence) else { return }
        if epoch != self.epoch {
            self = EventWindow()
            self.epoch = epoch
        }
        if sequence > self.highest {
            // Places of events that were skipped still hold those of a round before.
            if sequence - self.highest >= Self.width {
                for word in self.seen.indices { self.seen[word] = 0 }
            } else {
                for skipped in self.highest + 1...sequence { self.seen[Self.word(skipped)] &= ~Self.bit(skipped) }
            }
            self.highest = sequence
        }
        self.seen[Self.word(sequence)] |= Self.bit(sequence)
    }

    private static func word(_ sequence: UInt64) -> Int { Int(sequence % Self.width / 64) }
    private static func bit(_ sequence: UInt64) -> UInt64 { 1 << (sequence % 64) }
}
