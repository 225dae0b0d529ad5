import MeshCore
import Testing

@Suite("Rumor queue")
struct RumorQueueTests {
    @Test("the least told leaves first, of equals the largest that fits")
    func order() {
        var queue = RumorQueue()
        _ = queue.add(.member, index: 1, size: 50)
        _ = queue.add(.member, index: 2, size: 500)
        _ = queue.add(.member, index: 3, size: 80)
        let told = queue.take(room: 1000)
        #expect(told?.index == 2)
        if let told { queue.told(told) }
        #expect(queue.take(room: 1000)?.index == 3)
        #expect(queue.take(room: 1000)?.index == 1)
        queue.finish()
        #expect(queue.take(room: 1000)?.tellings == 1)
    }

    @Test("what does not fit waits for the next packet and is not counted as told")
    func misfits() {
        var queue = RumorQueue()
        _ = queue.add(.member, index: 1, size: 500)
        _ = queue.add(.member, index: 2, size: 50)
        #expect(queue.take(room: 100)?.index == 2)
        #expect(queue.take(room: 100) == nil)
        queue.finish()
        let next = queue.take(room: 500)
        #expect(next?.index == 1 && next?.tellings == 0)
    }

    @Test("a queue of misfits is not searched to its end")
    func bounded() {
        var queue = RumorQueue()
        for index in 0..<100 { _ = queue.add(.member, index: index, size: 500) }
        _ = queue.add(.member, index: 100, size: 50)
        #expect(queue.take(room: 100) == nil)
        queue.finish()
        #expect(queue.count == 101)
    }

    @Test("a small rumor behind large ones is found after the queue was empty and filled again")
    func smallest() {
        var queue = RumorQueue()
        _ = queue.add(.member, index: 1, size: 50)
        #expect(queue.take(room: 49) == nil)
        #expect(queue.take(room: 50)?.index == 1)
        queue.finish()
        _ = queue.add(.member, index: 2, size: 500)
        #expect(queue.take(room: 499) == nil)
        _ = queue.add(.member, index: 3, size: 40)
        #expect(queue.take(room: 45)?.index == 3)
    }

    @Test("who is there is told before what they can do, however many fields wait")
    func urgency() {
        var queue = RumorQueue()
        for field in 0..<600 { _ = queue.add(.capability, index: 1, field: field, size: 60) }
        _ = queue.add(.member, index: 2, size: 46)
        let first = queue.take(room: 1000)
        #expect(first?.subject == .member)
        if let first { queue.told(first) }
        #expect(queue.take(room: 1000)?.subject == .capability)
        queue.finish()
        #expect(queue.take(room: 1000)?.subject == .member, "told once, and still before fields told never")
        #expect(queue.isCrowded(with: .capability))
        #expect(!queue.isCrowded(with: .member), "fields do not shorten the telling of members")
    }

    @Test("each rumor has a stamp of its own")
    func stamps() {
        var queue = RumorQueue()
        let stamps = (0..<100).map { queue.add(.event, index: $0, size: 40) }
        #expect(Set(stamps).count == 100)
        #expect(!stamps.contains(0))
    }
}
