import MeshCore
import MeshSimulation
import Testing

@Suite("A node's clock")
struct NodeClockTests {
    @Test("never goes back, whatever its drift", arguments: [-500_000, -10_000, -1, 0, 1, 10_000, 500_000])
    func monotone(drift: Int) {
        let clock = NodeClock(offset: .seconds(77), drift: drift)
        var random = RandomSource(seed: 1)
        var time = VirtualTime.zero
        var before = clock.reading(at: time)
        for _ in 0..<1_000 {
            time = time + .nanoseconds(Int64(random.below(3_000_000)))
            let reading = clock.reading(at: time)
            #expect(reading >= before)
            before = reading
        }
    }

    @Test("names the first true moment of a reading", arguments: [-10_000, -3, 0, 7, 10_000])
    func inverse(drift: Int) {
        let clock = NodeClock(offset: .seconds(5), drift: drift)
        var random = RandomSource(seed: 2)
        for _ in 0..<1_000 {
            let instant = Instant(nanoseconds: 5_000_000_001 + UInt64(random.below(900_000_000_000)))
            let time = clock.time(of: instant)
            #expect(clock.reading(at: time) >= instant)
            #expect(clock.reading(at: time + .nanoseconds(-1)) < instant)
        }
    }

    @Test("runs one percent fast when told to")
    func rate() {
        let clock = NodeClock(drift: 10_000)
        let reading = clock.reading(at: .zero + .seconds(3_600))
        #expect(abs((reading - Instant(nanoseconds: 3_636_000_000_000)).nanoseconds) < 2_000)
    }

    @Test("never reaches what is infinitely far")
    func never() {
        #expect(NodeClock(offset: .seconds(9), drift: -7).time(of: .distantFuture) == .distantFuture)
    }
}
