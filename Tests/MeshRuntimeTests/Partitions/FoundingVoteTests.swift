import MeshCore
import MeshRuntime
import Testing

/// Nodes of a mesh that nobody created, over a network that loses, delays and repeats, with disks that keep.
private struct Island {
    struct Node {
        var vote: FoundingVote
        /// What its disk holds; what is on the way there is in `effects`.
        var promise: NodeID?
        var founded = 0
    }

    struct Message { var from: NodeID, to: NodeID, frame: FoundingAnswer? }

    let founders: Int?
    var nodes: [NodeID: Node] = [:]
    var wire: [Message] = []
    var writes: [(of: NodeID, promise: NodeID)] = []
    /// Who sees whom: nil is everybody.
    var views: [NodeID: [NodeID]] = [:]

    init(_ count: Int, founders: Int?) {
        self.founders = founders
        for number in 1...UInt64(count) {
            let id = Self.id(number)
            self.nodes[id] = Node(vote: FoundingVote(local: id, founders: founders))
        }
    }

    static func id(_ number: UInt64) -> NodeID { NodeID(high: 0, low: number) }
    var ids: [NodeID] { self.nodes.keys.sorted() }
    var foundings: Int { self.nodes.values.reduce(0) { $0 + $1.founded } }

    mutating func step(_ id: NodeID, _ input: FoundingVote.Input) {
        var effects: [FoundingVote.Effect] = []
        self.nodes[id]?.vote.step(input, into: &effects)
        for effect in effects {
            switch effect {
            case .keep(let promise): self.writes.append((id, promise))
            case .ask(let node): self.wire.append(Message(from: id, to: node, frame: nil))
            case .answer(let answer, let node): self.wire.append(Message(from: id, to: node, frame: answer))
            case .found: self.nodes[id]?.founded += 1
            }
        }
    }

    mutating func look() { for id in self.ids { self.step(id, .look(self.views[id] ?? self.ids)) } }

    mutating func write(_ index: Int) {
        let write = self.writes.remove(at: index)
        self.nodes[write.of]?.promise = write.promise
        self.step(write.of, .kept(write.promise))
    }

    mutating func deliver(_ index: Int, keeping: Bool = false) {
        let message = keeping ? self.wire[index] : self.wire.remove(at: index)
        guard self.nodes[message.to] != nil else { return }
        if let answer = message.frame {
            self.step(message.to, .answered(answer, by: message.from))
        } else {
            self.step(message.to, .asked(by: message.from))
        }
    }

    /// The process ends; its disk stays, and what was on its way there may be lost.
    mutating func restart(_ id: NodeID) {
        self.writes.removeAll { $0.of == id }
        let node = self.nodes[id]
        self.nodes[id]?.vote = FoundingVote(local: id, founders: self.founders, promise: node?.promise)
        if node?.founded ?? 0 > 0 { self.step(id, .founded) }
    }

    mutating func settle(rounds: Int = 10) {
        for _ in 0..<rounds {
            self.look()
            while !self.writes.isEmpty || !self.wire.isEmpty {
                if !self.writes.isEmpty { self.write(0) } else { self.deliver(0) }
            }
        }
    }
}

@Suite("The vote on who founds a mesh of equals") struct FoundingVoteTests {
    @Test("chooses one of as many nodes as the token names", arguments: 2...7) func one(count: Int) {
        var island = Island(count, founders: count)
        island.settle()
        #expect(island.nodes[Island.id(1)]?.founded == 1)
        #expect(island.foundings == 1)
    }

    @Test("waits until that many are here, and says so") func few() {
        var island = Island(2, founders: 3)
        island.settle()
        #expect(island.foundings == 0)
        #expect(island.nodes[Island.id(1)]?.vote.obstacle == .tooFew(here: 2, of: 3))
    }

    @Test("waits for an operator if the token says nothing") func nobodyAsked() {
        var island = Island(3, founders: nil)
        island.settle()
        #expect(island.foundings == 0)
        #expect(island.nodes[Island.id(2)]?.vote.obstacle == .nobodyAsked)
        island.step(Island.id(2), .wish([Island.id(1), Island.id(3)]))
        island.settle()
        #expect(island.nodes[Island.id(2)]?.founded == 1)
        #expect(island.foundings == 1)
    }

    @Test("gives no word before it is on the disk") func disk() {
        var island = Island(2, founders: 2)
        island.step(Island.id(2), .asked(by: Island.id(1)))
        #expect(island.wire.isEmpty)
        #expect(island.writes.count == 1)
        island.write(0)
        #expect(island.wire.count == 1)
    }

    @Test("gives its word to one node only, also after a restart, and says to whom") func once() {
        var island = Island(3, founders: 3)
        island.step(Island.id(3), .asked(by: Island.id(1)))
        island.write(0)
        island.restart(Island.id(3))
        island.wire = []
        island.step(Island.id(3), .asked(by: Island.id(2)))
        #expect(island.wire.map(\.frame) == [.promisedTo(Island.id(1))])
        island.step(Island.id(2), .answered(.promisedTo(Island.id(1)), by: Island.id(3)))
        #expect(island.nodes[Island.id(2)]?.vote.obstacle == .refused(by: Island.id(3), for: Island.id(1)))
    }

    @Test("whoever knows of a founding gives nobody its word") func founded() {
        var island = Island(2, founders: 2)
        island.step(Island.id(2), .founded)
        island.settle()
        #expect(island.foundings == 0)
        #expect(island.nodes[Island.id(2)]?.promise == nil)
        #expect(island.nodes[Island.id(1)]?.vote.obstacle == nil)
    }

    /// Nodes see whom they like, frames are lost and repeated, processes end at any moment.
    @Test("never chooses two of fewer than twice as many nodes as the token names", arguments: 0..<400 as Range<UInt64>)
    func never(seed: UInt64) {
        var random = RandomSource(seed: seed)
        func draw(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
        let founders = 2 + draw(4)
        var island = Island(founders + draw(founders), founders: founders)
        for _ in 0..<400 {
            let id = island.ids[draw(island.ids.count)]
            switch draw(10) {
            case 0: island.restart(id)
            case 1: island.views[id] = island.ids.filter { $0 == id || draw(3) > 0 }
            case 2: island.step(id, .look(island.views[id] ?? island.ids))
            case 3: if !island.wire.isEmpty { island.wire.remove(at: draw(island.wire.count)) }
            case 4: if !island.wire.isEmpty { island.deliver(draw(island.wire.count), keeping: true) }
            case 5, 6: if !island.writes.isEmpty { island.write(draw(island.writes.count)) }
            default: if !island.wire.isEmpty { island.deliver(draw(island.wire.count)) }
            }
        }
        #expect(island.nodes.values.count { $0.founded > 0 } <= 1, "seed \(seed)")
    }
}
