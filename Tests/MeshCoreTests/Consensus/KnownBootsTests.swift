import MeshCore
import Testing

@Suite("The boots of other nodes")
struct KnownBootsTests {
    private let node = NodeID(high: 1, low: 2)

    @Test("count when they are new, and late messages of earlier ones do not")
    func order() {
        var boots = KnownBoots()
        func admits(_ epoch: UInt64, _ nonce: UInt64, of node: NodeID) -> Bool {
            boots.admit(Boot(epoch: epoch, nonce: nonce), of: node)
        }
        #expect(admits(1, 10, of: self.node))
        #expect(admits(3, 30, of: self.node))
        #expect(admits(3, 30, of: self.node))
        #expect(!admits(1, 10, of: self.node))
        #expect(!admits(2, 20, of: self.node))
        #expect(admits(4, 40, of: self.node))
    }

    @Test("of a node that came back from an old disk are refused for good, however often it starts")
    func fork() {
        var boots = KnownBoots()
        func admits(_ epoch: UInt64, _ nonce: UInt64, of node: NodeID) -> Bool {
            boots.admit(Boot(epoch: epoch, nonce: nonce), of: node)
        }
        for epoch in UInt64(1)...3 { #expect(admits(epoch, epoch, of: self.node)) }
        #expect(!admits(2, 99, of: self.node))
        #expect(boots.isForked(self.node))
        for epoch in UInt64(3)...9 { #expect(!admits(epoch, 100 + epoch, of: self.node)) }
        #expect(admits(1, 1, of: NodeID(high: 1, low: 3)))
    }
}
