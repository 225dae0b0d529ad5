import MeshCore
import Testing

@Suite("Replay window")
struct ReplayWindowTests {
    @Test("a counter is accepted once, in whatever order the packets come", arguments: 0..<20 as Range<UInt64>)
    func once(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var window = ReplayWindow()
        // Reordered within less than the window: blocks of 32 in random order.
        let counters = (0..<20).flatMap { block in (1...32).map { UInt64(block * 32 + $0) }.shuffled(using: &random) }
        for counter in counters { #expect(window.accept(epoch: 1, counter: counter) == .fresh) }
        for counter in counters.suffix(32) { #expect(window.accept(epoch: 1, counter: counter) == .replayed) }
    }

    @Test("what is older than the window is refused, what is just within it is not")
    func boundary() {
        var window = ReplayWindow()
        #expect(window.accept(epoch: 1, counter: 1000) == .fresh)
        #expect(window.accept(epoch: 1, counter: 1000 - ReplayWindow.width + 1) == .fresh)
        #expect(window.accept(epoch: 1, counter: 1000 - ReplayWindow.width) == .replayed)
        #expect(window.accept(epoch: 1, counter: 0) == .replayed)
    }

    @Test("a jump of exactly the width forgets all but the newest")
    func jump() {
        var window = ReplayWindow()
        for counter in 1...64 as ClosedRange<UInt64> { _ = window.accept(epoch: 1, counter: counter) }
        #expect(window.accept(epoch: 1, counter: 128) == .fresh)
        #expect(window.accept(epoch: 1, counter: 65) == .fresh)
        #expect(window.accept(epoch: 1, counter: 64) == .replayed)
        #expect(window.accept(epoch: 1, counter: .max) == .fresh)
        #expect(window.accept(epoch: 1, counter: .max) == .replayed)
    }

    @Test("a newer boot starts over and makes the older one stale")
    func boots() {
        var window = ReplayWindow()
        #expect(window.accept(epoch: 3, counter: 50) == .fresh)
        #expect(window.accept(epoch: 4, counter: 1) == .fresh)
        #expect(window.accept(epoch: 3, counter: 51) == .staleBoot)
        #expect(window.accept(epoch: 4, counter: 1) == .replayed)
    }
}
