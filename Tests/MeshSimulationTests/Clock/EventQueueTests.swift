import MeshCore
import MeshSimulation
import Testing

@Suite("The event queue")
struct EventQueueTests {
    @Test("gives events in order of time, and in order of scheduling at one time")
    func order() {
        var queue = EventQueue<Int>()
        var random = RandomSource(seed: 3)
        let times = (0..<2_000).map { _ in VirtualTime(nanoseconds: UInt64(random.below(50))) }
        for (index, time) in times.enumerated() { queue.schedule(index, at: time) }
        let expected = times.indices.sorted { (times[$0], $0) < (times[$1], $1) }
        var seen: [Int] = []
        while let next = queue.popFirst() {
            #expect(next.time == times[next.event])
            seen.append(next.event)
        }
        #expect(seen == expected)
    }

    @Test("is empty after the last event")
    func empty() {
        var queue = EventQueue<Int>()
        queue.schedule(1, at: .zero)
        _ = queue.popFirst()
        #expect(queue.popFirst() == nil)
        #expect(queue.nextTime == nil)
    }
}
