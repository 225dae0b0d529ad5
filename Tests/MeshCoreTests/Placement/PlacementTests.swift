import MeshCore
import Testing

@Suite("Placement")
struct PlacementTests {
    let placement = Placement(cluster: ClusterID(high: 1, low: 2))
    let nodes = (1...10).map { NodeID(high: UInt64($0), low: UInt64($0) &* 0x9E37_79B9) }

    @Test("SipHash-2-4 gives the vectors of its authors")
    func vectors() {
        let key: (UInt64, UInt64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        #expect(sipHash24([], key: key) == 0x726f_db47_dd0e_0e31)
        #expect(sipHash24(0..<8, key: key) == 0x93f5_f579_9a93_2462)
        #expect(sipHash24(0..<15, key: key) == 0xa129_ca61_49be_45e5)
        #expect(sipHash24(words: 0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, key: key) == sipHash24(0..<16, key: key))
    }

    @Test("the owner is the first of the ring, whatever the order of the nodes")
    func owner() {
        for index in 0..<256 {
            let partition = Partition(index: UInt16(index))
            let ring = self.placement.ring(of: partition, among: self.nodes)
            #expect(ring == self.placement.ring(of: partition, among: self.nodes.reversed()))
            #expect(ring.first == self.placement.owner(of: partition, among: self.nodes))
            #expect(Set(ring) == Set(self.nodes))
        }
    }

    @Test("a death moves only what the dead owned")
    func minimalMoves() {
        let survivors = Array(self.nodes.dropFirst())
        for index in 0..<256 {
            let partition = Partition(index: UInt16(index))
            let before = self.placement.owner(of: partition, among: self.nodes)
            if before != self.nodes[0] { #expect(self.placement.owner(of: partition, among: survivors) == before) }
        }
    }

    @Test("no node owns more than twice its share of 65,535 partitions")
    func balance() {
        let placement = Placement(cluster: ClusterID(high: 3, low: 4), partitions: 65_535)
        var counts: [NodeID: Int] = [:]
        for index in 0..<65_535 {
            if let owner = placement.owner(of: Partition(index: UInt16(index)), among: self.nodes) {
                counts[owner, default: 0] += 1
            }
        }
        #expect(counts.values.allSatisfy { (5_500...7_600).contains($0) })
    }

    @Test("nobody owns anything in an empty mesh")
    func empty() { #expect(self.placement.owner(of: Partition(index: 0), among: []) == nil) }

    @Test("every path falls into a partition")
    func partitions() throws {
        for number in 0..<1000 {
            #expect(self.placement.partition(of: try ActorPath("/a/\(number)")).index < 256)
        }
    }
}
