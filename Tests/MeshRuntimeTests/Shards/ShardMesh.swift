import MeshCore
import MeshRuntime

typealias TallyShard = Shard<CommandLead<TallyState>>

/// Nodes with one shard each, stepped by hand: frames are carried at once, disks answer at once, time passes when told to.
struct ShardMesh {
    struct Node {
        var id: NodeID
        var shard: TallyShard
        var hub: HeartbeatHub
        var disk = MemoryGroups()
        var life: UInt64 = 1
        var outputs: [CommandLead<TallyState>.Output] = []
        var results: [UInt64: GroupCommandResult] = [:]
        var strays = 0
        var framesSent = 0
    }

    var nodes: [Node] = []
    var settings = ShardSettings()
    var now = Instant(nanoseconds: 1_000_000_000_000)
    /// Nodes that hear nothing and are not heard.
    var cut: Set<Int> = []

    static func node(_ index: Int) -> NodeID { NodeID(high: 1, low: UInt64(index) + 1) }
    var moment: Moment { Moment(now: self.now, wall: self.now.nanoseconds / 1_000_000) }

    init(_ count: Int, settings: ShardSettings = ShardSettings()) {
        self.settings = settings
        for index in 0..<count {
            self.nodes.append(
                Node(id: Self.node(index), shard: Self.shard(index, life: 1, settings), hub: Self.hub(life: 1)))
        }
    }

    private static func shard(_ index: Int, life: UInt64, _ settings: ShardSettings) -> TallyShard {
        TallyShard(
            node: Self.node(index), life: life, settings: settings,
            makers: .init(state: { _ in TallyState() }, lead: { _, _ in CommandLead() }),
            seed: UInt64(index) << 8 | life)
    }

    private static func hub(life: UInt64) -> HeartbeatHub {
        HeartbeatHub(boot: life, shards: [ShardID(1)], shardOf: { _ in ShardID(1) })
    }

    mutating func restart(_ index: Int) {
        self.nodes[index].life += 1
        self.nodes[index].shard = Self.shard(index, life: self.nodes[index].life, self.settings)
        self.nodes[index].hub = Self.hub(life: self.nodes[index].life)
        self.nodes[index].shard.recover(
            self.nodes[index].disk.recovered(settings: self.settings.raft), at: self.moment)
        self.step(index, .wake)
    }

    mutating func step(_ index: Int, _ inputs: TallyShard.Input...) {
        for input in inputs { self.nodes[index].shard.step(input, at: self.moment) }
        self.finish(index)
    }

    private mutating func finish(_ index: Int) {
        let turn = self.nodes[index].shard.finish(at: self.moment)
        self.nodes[index].outputs += turn.outputs.map(\.output)
        for (id, result) in turn.results { self.nodes[index].results[id] = result }
        self.nodes[index].strays += turn.strays.count
        for part in turn.heartbeats { self.stepHub(index, .shard(ShardID(1), part)) }
        let answers = self.nodes[index].disk.perform(turn.jobs)
        if !answers.isEmpty { self.step(index, .answers(answers)) }
        for (node, frame) in turn.frames { self.carry(frame, from: index, to: node) }
    }

    private mutating func stepHub(_ index: Int, _ input: HeartbeatHub.Input) {
        var effects: [HeartbeatHub.Effect] = []
        self.nodes[index].hub.step(input, at: self.moment, into: &effects)
        for effect in effects {
            switch effect {
            case .send(let frame, let node): self.carry(frame, from: index, to: node)
            case .ask(_, let question): self.step(index, .heartbeat(question))
            case .malformed: break
            }
        }
    }

    private mutating func carry(_ frame: PeerFrame, from index: Int, to node: NodeID) {
        self.nodes[index].framesSent += 1
        guard let target = self.nodes.firstIndex(where: { $0.id == node }), !self.cut.contains(index),
            !self.cut.contains(target)
        else { return }
        let sender = self.nodes[index].id
        if frame.kind == .heartbeat { return self.stepHub(target, .frame(frame.body, from: sender)) }
        guard let decoded = try? ConsensusFrame(decoding: frame.body) else { return }
        self.step(target, .messages(decoded.messages, from: sender))
    }

    /// In steps of 10 ms, with all wakes that are due.
    mutating func pass(_ duration: Duration) {
        let end = self.now + duration
        while self.now < end {
            self.now = self.now + .milliseconds(10)
            for index in self.nodes.indices {
                if self.nodes[index].shard.nextWake <= self.now { self.step(index, .wake) }
                if self.nodes[index].hub.nextWake <= self.now { self.stepHub(index, .wake) }
            }
        }
    }

    func leader(of group: GroupID) -> Int? {
        self.nodes.indices.first {
            !self.cut.contains($0) && self.nodes[$0].shard.raft(of: group)?.role == .leader
        }
    }

    /// What became of a command.
    func sum(_ id: UInt64, on index: Int) -> UInt64? {
        for case .applied(id, _, let sum?) in self.nodes[index].outputs { return sum }
        return nil
    }
}
