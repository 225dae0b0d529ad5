import MeshCore
import Testing

@Suite("The boots of other nodes")
struct KnownBootsTests {
    private let node = NodeID(high: 1, low: 2)

    @Test("count when they are new, and late messages of earlier ones do not")
    func order() {
        var boots = KnownBoots()
        #expect(boots.admit(Boot(epoch: 1, nonce: 10), of: self.node))
        #expect(boots.admit(Boot(epoch: 3, nonce: 30), of: self.node))
        #expect(boots.admit(Boot(epoch: 3, nonce: 30), of: self.node))
        #expect(!boots.admit(Boot(epoch: 1, nonce: 10), of: self.node))
        #expect(!boots.admit(Boot(epoch: 2, nonce: 20), of: self.node))
        #expect(boots.admit(Boot(epoch: 4, nonce: 40), of: self.node))
    }

    @Test("of a node that came back from an old disk are refused for good, however often it starts")
    func fork() {
        var boots = KnownBoots()
        for epoch in UInt64(1)...3 { #expect(boots.admit(Boot(epoch: epoch, nonce: epoch), of: self.node)) }
        #expect(!boots.admit(Boot(epoch: 2, nonce: 99), of: self.node))
        #expect(boots.isForked(self.node))
        for epoch in UInt64(3)...9 { #expect(!boots.admit(Boot(epoch: epoch, nonce: 100 + epoch), of: self.node)) }
        #expect(boots.admit(Boot(epoch: 1, nonce: 1), of: NodeID(high: 1, low: 3)))
    }
}
