import MeshCore
import Testing

@Suite("Heartbeats between nodes")
struct NodeHeartbeatsTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private let peer = TestGroup.node(1)

    private func claim(_ group: UInt32, term: Term = 1) -> LeaderClaim {
        LeaderClaim(
            group: GroupID(group), incarnation: GroupIncarnation(counter: 1, id: 1), leader: 0, follower: 0, term: term)
    }

    @Test("go to every peer each interval, however many groups there are")
    func interval() {
        var heartbeats = NodeHeartbeats()
        heartbeats.follow([self.peer, TestGroup.node(2)], at: self.start)
        func due(_ milliseconds: Int) -> [NodeID] { heartbeats.due(at: self.start + .milliseconds(milliseconds)) }
        #expect(due(0).count == 2)
        #expect(due(99).isEmpty)
        #expect(heartbeats.nextWake == self.start + .milliseconds(100))
        heartbeats.hasten(self.peer, at: self.start + .milliseconds(50))
        #expect(due(50) == [self.peer])
    }

    @Test("a peer that is silent is told once, until it is heard again")
    func silence() {
        var heartbeats = NodeHeartbeats()
        heartbeats.follow([self.peer], at: self.start)
        func silent(_ milliseconds: Int) -> [NodeID] {
            heartbeats.fallenSilent(at: self.start + .milliseconds(milliseconds))
        }
        #expect(silent(399).isEmpty)
        #expect(silent(400) == [self.peer])
        #expect(silent(500).isEmpty)
        let isAccepted = heartbeats.accept(
            Heartbeat(stamp: self.start), from: self.peer, boot: 1, at: self.start + .seconds(1))
        #expect(isAccepted)
        #expect(silent(1_399).isEmpty)
        #expect(silent(1_400) == [self.peer])
    }

    @Test("one that was overtaken, by a later one or a later boot, is not believed")
    func order() {
        var heartbeats = NodeHeartbeats()
        heartbeats.follow([self.peer], at: self.start)
        func accepts(_ stamp: UInt64, boot: UInt64, from peer: NodeID? = nil) -> Bool {
            let heartbeat = Heartbeat(stamp: Instant(nanoseconds: stamp))
            return heartbeats.accept(heartbeat, from: peer ?? self.peer, boot: boot, at: self.start)
        }
        #expect(accepts(5, boot: 1))
        #expect(!accepts(5, boot: 1))
        #expect(!accepts(4, boot: 1))
        #expect(accepts(1, boot: 2))
        #expect(!accepts(9, boot: 1))
        #expect(!accepts(99, boot: 1, from: TestGroup.node(9)))
    }

    @Test("sleepers are told by one hash, which depends on all of each and not on their order")
    func hash() {
        var one = Heartbeat(stamp: self.start)
        var other = one
        for group in 1...5 as ClosedRange<UInt32> { one.add(self.claim(group), isAsleep: true) }
        for group in (1...5 as ClosedRange<UInt32>).reversed() { other.add(self.claim(group), isAsleep: true) }
        #expect(one.asleep == other.asleep)
        #expect(one.awake.isEmpty)
        other.add(self.claim(6, term: 2), isAsleep: true)
        one.add(self.claim(6, term: 3), isAsleep: true)
        #expect(one.asleep != other.asleep)
    }
}
