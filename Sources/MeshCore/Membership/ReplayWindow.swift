/// Which counters of one boot of a sender were seen: the highest, and the 64 up to it (RFC 4303, 3.4.3).
///
/// A packet is accepted once. What is older than the window is refused with the replays: to tell them apart would
/// take memory without end.
package struct ReplayWindow: Equatable, Sendable {
    package enum Verdict: Equatable, Sendable { case fresh, replayed, staleBoot }

    package static let width: UInt64 = 64
    private static let overtakingMax: UInt64 = 1024

    package private(set) var epoch: UInt64 = 0
    private var highest: UInt64 = 0
    /// Bit n: `highest - n` was seen.
    private var seen: UInt64 = 0

    package init() {}

    /// Refuses everything of this boot, until `restart` tells where its counters stand.
    static func closed(_ epoch: UInt64) -> ReplayWindow {
        var window = ReplayWindow()
        (window.epoch, window.highest, window.seen) = (epoch, .max, .max)
        return window
    }

    /// The sender itself says, on its stream, how far its counters are. A window that is far ahead was moved by somebody
    /// who wrote in its name. A little ahead is usual: datagrams overtake streams.
    mutating func restart(epoch: UInt64, after counter: UInt64) {
        guard epoch == self.epoch, self.highest > counter, self.highest - counter > Self.overtakingMax else { return }
        // All up to here counts as seen, so that nothing recorded before can be played again.
        (self.highest, self.seen) = (counter, .max)
    }

    /// What `accept` would say.
    package func judge(epoch: UInt64, counter: UInt64) -> Verdict {
        if epoch != self.epoch { return epoch > self.epoch ? .fresh : .staleBoot }
        if counter > self.highest { return .fresh }
        let age = self.highest - counter
        guard age < Self.width, counter > 0 else { return .replayed }
        return self.seen & (1 << age) == 0 ? .fresh : .replayed
    }

    /// Takes note of a packet. A newer boot starts over: its counters begin at 1 again.
    package mutating func accept(epoch: UInt64, counter: UInt64) -> Verdict {
        let verdict = self.judge(epoch: epoch, counter: counter)
        guard verdict == .fresh else { return verdict }
        if epoch != self.epoch {
            self = ReplayWindow()
            self.epoch = epoch
        }
        if counter > self.highest {
            let shift = counter - self.highest
            self.seen = (shift < Self.width ? self.seen << shift : 0) | 1
            self.highest = counter
        } else {
            self.seen |= 1 << (self.highest - counter)
        }
        return .fresh
    }
}
