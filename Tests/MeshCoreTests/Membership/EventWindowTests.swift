import MeshCore
import Testing

@Suite("Event window")
struct EventWindowTests {
    @Test("each event is new once, in whatever order they come", arguments: 0..<8 as Range<UInt64>)
    func anyOrder(seed: UInt64) {
        var window = EventWindow()
        var random = RandomSource(seed: seed)
        let order = (1...EventWindow.width).shuffled(using: &random)
        for sequence in order {
            #expect(window.isNew(epoch: 1, sequence: sequence))
            window.note(epoch: 1, sequence: sequence)
        }
        #expect(order.allSatisfy { !window.isNew(epoch: 1, sequence: $0) })
    }

    @Test("what is older than the window is taken for seen, and what was skipped is new")
    func edges() {
        var window = EventWindow()
        for sequence in 1...EventWindow.width { window.note(epoch: 1, sequence: sequence) }
        window.note(epoch: 1, sequence: EventWindow.width + 3)
        #expect(window.isNew(epoch: 1, sequence: EventWindow.width + 1))
        #expect(window.isNew(epoch: 1, sequence: EventWindow.width + 2))
        #expect(!window.isNew(epoch: 1, sequence: EventWindow.width))
        #expect(!window.isNew(epoch: 1, sequence: 1))
        window.note(epoch: 1, sequence: EventWindow.width * 10)
        #expect(!window.isNew(epoch: 1, sequence: EventWindow.width + 1))
        #expect(window.isNew(epoch: 1, sequence: EventWindow.width * 10 - 1))
    }

    @Test("a newer boot starts over, an older one is heard no more; there is no event 0")
    func boots() {
        var window = EventWindow()
        window.note(epoch: 2, sequence: 500)
        #expect(!window.isNew(epoch: 1, sequence: 501))
        #expect(window.isNew(epoch: 3, sequence: 1))
        window.note(epoch: 3, sequence: 1)
        #expect(window.isNew(epoch: 3, sequence: 2))
        #expect(!window.isNew(epoch: 3, sequence: 0))
    }
}
