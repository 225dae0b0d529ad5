package import MeshCore

/// One of the shards of a node.
package struct ShardID: Hashable, Comparable, Sendable {
    package var number: Int

    package init(_ number: Int) { self.number = number }

    package static func < (left: ShardID, right: ShardID) -> Bool { left.number < right.number }
}

/// What the heartbeats of a node ask of each shard.
package enum HeartbeatQuestion: Sendable {
    /// What the shard leads on that node; answered by `contribution`.
    case contribute(to: NodeID, stamp: Instant)
    /// That node's claims on groups of the shard; answered by `renewal`. Groups that sleep under it are renewed too, before
    /// anybody knows whether the hashes agree: a promise too many costs a later election, one too few a lease.
    case renew(by: NodeID, stamp: Instant, [LeaderClaim], wall: UInt64)
    /// The hashes do not agree: what sleeps under that node relies on them no longer.
    case disagree(with: NodeID)
    /// What that node renewed of a heartbeat. `sleepersAgree` is nil for a shard that was left out of it.
    case answered(by: NodeID, stamp: Instant, [GroupID], [HeartbeatAnswer.Deposition], sleepersAgree: Bool?)
    /// Nothing was heard from that node for too long.
    case silent(NodeID)
}

/// What a shard tells the heartbeats of its node.
package enum HeartbeatAnswerOfShard: Sendable {
    case contribution(to: NodeID, stamp: Instant, awake: [LeaderClaim], asleep: ClaimHash)
    case renewal(
        by: NodeID, stamp: Instant, renewed: [GroupID], deposed: [HeartbeatAnswer.Deposition], asleep: ClaimHash)
    /// The nodes that have replicas of the shard's groups.
    case neighbours([NodeID])
}

/// The heartbeats of a node: one message per pair of nodes and interval for all groups of all shards.
///
/// Each shard is asked for its part and has a short time to answer; a shard that is silent is left out, and so are its
/// groups. A value like the rest: the driver carries questions to shards and frames to nodes.
package struct HeartbeatHub: Sendable {
    package enum Input: Sendable {
        case wake
        case frame([UInt8], from: NodeID)
        case shard(ShardID, HeartbeatAnswerOfShard)
    }

    package enum Effect: Sendable {
        case send(PeerFrame, to: NodeID)
        case ask(ShardID, HeartbeatQuestion)
        case malformed(from: NodeID)
    }

    /// A heartbeat in the making, to or from a node.
    private struct Round: Sendable {
        var node: NodeID
        var stamp: Instant
        var deadline: Instant
        var waiting: Set<ShardID>
        var heartbeat: Heartbeat
        /// nil: the heartbeat is ours; otherwise this is the answer to theirs.
        var answer: HeartbeatAnswer?
        var asleep = ClaimHash()
        var contributors: [ShardID] = []
    }

    /// How long a shard may take over its part.
    static let patience = Duration.milliseconds(30)
    /// Rounds under way and heartbeats not answered; of a peer that never answers the oldest go first.
    private static let roundsMax = 4_096

    private let boot: UInt64
    private let shards: [ShardID]
    private let shardOf: @Sendable (GroupID) -> ShardID
    private var beats = NodeHeartbeats()
    private var rounds: [Round] = []
    /// Which shards took part in a heartbeat that was sent, latest last.
    private var sent: [(node: NodeID, stamp: Instant, contributors: [ShardID])] = []
    private var neighbours: [ShardID: [NodeID]] = [:]
    private var disagreeing: Set<NodeID> = []

    package init(boot: UInt64, shards: [ShardID], shardOf: @escaping @Sendable (GroupID) -> ShardID) {
        self.boot = boot
        self.shards = shards.sorted()
        self.shardOf = shardOf
    }

    package var nextWake: Instant {
        self.rounds.reduce(self.beats.nextWake) { min($0, $1.deadline) }
    }

    package mutating func step(_ input: Input, at moment: Moment, into effects: inout [Effect]) {
        switch input {
        case .wake: self.wake(at: moment, into: &effects)
        case .frame(let bytes, let node): self.receive(bytes, from: node, at: moment, into: &effects)
        case .shard(let shard, .neighbours(let nodes)):
            self.neighbours[shard] = nodes
            self.beats.follow(Set(self.shards.flatMap { self.neighbours[$0] ?? [] }).sorted(), at: moment.now)
        case .shard(let shard, .contribution(let node, let stamp, let awake, let asleep)):
            self.answered(shard, node, stamp, isOurs: true, at: moment, into: &effects) { round in
                for claim in awake { round.heartbeat.add(claim, isAsleep: false) }
                round.asleep.add(asleep)
            }
        case .shard(let shard, .renewal(let node, let stamp, let renewed, let deposed, let asleep)):
            self.answered(shard, node, stamp, isOurs: false, at: moment, into: &effects) { round in
                round.answer?.renewed += renewed
                round.answer?.deposed += deposed
                round.asleep.add(asleep)
            }
        }
    }

    private mutating func wake(at moment: Moment, into effects: inout [Effect]) {
        for node in self.beats.fallenSilent(at: moment.now) {
            for shard in self.shards { effects.append(.ask(shard, .silent(node))) }
        }
        for node in self.beats.due(at: moment.now) {
            self.begin(node, Heartbeat(stamp: moment.now), answer: nil, at: moment)
            for shard in self.shards { effects.append(.ask(shard, .contribute(to: node, stamp: moment.now))) }
        }
        for place in self.rounds.indices.reversed() where self.rounds[place].deadline <= moment.now {
            self.conclude(self.rounds.remove(at: place), at: moment, into: &effects)
        }
    }

    private mutating func begin(_ node: NodeID, _ heartbeat: Heartbeat, answer: HeartbeatAnswer?, at moment: Moment) {
        self.rounds.append(
            Round(
                node: node, stamp: heartbeat.stamp, deadline: moment.now + Self.patience, waiting: Set(self.shards),
                heartbeat: heartbeat, answer: answer))
        if self.rounds.count > Self.roundsMax { self.rounds.removeFirst() }
    }

    private mutating func answered(
        _ shard: ShardID, _ node: NodeID, _ stamp: Instant, isOurs: Bool, at moment: Moment,
        into effects: inout [Effect], _ body: (inout Round) -> Void
    ) {
        let place = self.rounds.firstIndex {
            $0.node == node && $0.stamp == stamp && ($0.answer == nil) == isOurs
        }
        // Too late, and left out.
        guard let place, self.rounds[place].waiting.remove(shard) != nil else { return }
        self.rounds[place].contributors.append(shard)
        body(&self.rounds[place])
        if self.rounds[place].waiting.isEmpty {
            self.conclude(self.rounds.remove(at: place), at: moment, into: &effects)
        }
    }

    private mutating func conclude(_ round: Round, at moment: Moment, into effects: inout [Effect]) {
        guard var answer = round.answer else {
            // Nobody answered: this node does not know what it leads, and says nothing.
            guard !round.contributors.isEmpty || self.shards.isEmpty else { return }
            var heartbeat = round.heartbeat
            heartbeat.asleep = round.asleep
            self.sent.append((round.node, round.stamp, round.contributors))
            if self.sent.count > Self.roundsMax { self.sent.removeFirst() }
            let frame = HeartbeatFrame.beat(heartbeat, boot: self.boot, wall: moment.wall)
            return effects.append(.send(PeerFrame(kind: .heartbeat, body: frame.encoded()), to: round.node))
        }
        answer.sleepersAgree = round.waiting.isEmpty && round.asleep == round.heartbeat.asleep
        if !answer.sleepersAgree {
            for shard in self.shards { effects.append(.ask(shard, .disagree(with: round.node))) }
        }
        let frame = HeartbeatFrame.answer(answer)
        effects.append(.send(PeerFrame(kind: .heartbeat, body: frame.encoded()), to: round.node))
    }

    // MARK: From other nodes

    private mutating func receive(_ bytes: [UInt8], from node: NodeID, at moment: Moment, into effects: inout [Effect])
    {
        let frame: HeartbeatFrame
        do throws(WireError) { frame = try HeartbeatFrame(decoding: bytes) } catch {
            return effects.append(.malformed(from: node))
        }
        switch frame {
        case .beat(let heartbeat, let boot, let wall):
            guard self.beats.accept(heartbeat, from: node, boot: boot, at: moment.now) else { return }
            var claims: [ShardID: [LeaderClaim]] = [:]
            for claim in heartbeat.awake { claims[self.shardOf(claim.group), default: []].append(claim) }
            self.begin(node, heartbeat, answer: HeartbeatAnswer(to: heartbeat), at: moment)
            for shard in self.shards {
                effects.append(
                    .ask(shard, .renew(by: node, stamp: heartbeat.stamp, claims[shard] ?? [], wall: wall)))
            }
        case .answer(let answer): self.receive(answer, from: node, at: moment, into: &effects)
        }
    }

    private mutating func receive(
        _ answer: HeartbeatAnswer, from node: NodeID, at moment: Moment, into effects: inout [Effect]
    ) {
        guard let place = self.sent.firstIndex(where: { $0.node == node && $0.stamp == answer.stamp }) else { return }
        let contributors = self.sent.remove(at: place).contributors
        // Earlier ones are not answered any more, or too late to matter.
        self.sent.removeAll { $0.node == node && $0.stamp < answer.stamp }
        var renewed: [ShardID: [GroupID]] = [:]
        for group in answer.renewed { renewed[self.shardOf(group), default: []].append(group) }
        var deposed: [ShardID: [HeartbeatAnswer.Deposition]] = [:]
        for deposition in answer.deposed { deposed[self.shardOf(deposition.group), default: []].append(deposition) }
        for shard in self.shards {
            let agree = contributors.contains(shard) ? answer.sleepersAgree : nil
            effects.append(
                .ask(
                    shard,
                    .answered(
                        by: node, stamp: answer.stamp, renewed[shard] ?? [], deposed[shard] ?? [], sleepersAgree: agree)
                ))
        }
        // At once, so that sleepers wake; but not again and again to a node that cannot agree.
        if answer.sleepersAgree {
            self.disagreeing.remove(node)
        } else if self.disagreeing.insert(node).inserted {
            self.beats.hasten(node, at: moment.now)
        }
    }
}
