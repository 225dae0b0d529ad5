/// Leaders where they are not too many: work is done where a partition is led, so a member that came back must get some.
///
/// Nobody decides which member shall lead a partition. Where leadership happens to be is as good as any other place, as long
/// as no member leads more than its share and a tenth; so nothing moves only because somebody was away for a moment.
struct LeaderBalance {
    /// A member leads nothing new until it was alive for so long: one that comes and goes gets no work by it.
    private static let settling: Duration = .seconds(10)

    private let view: PlacementView
    /// Those that have all they want and nothing to do.
    private let groups: [PlacementView.Group]
    private let places: [NodeID: Int]

    init(_ view: PlacementView) {
        self.view = view
        self.groups = view.groups.filter { !$0.isMoving && $0.leader != nil }
        self.places = Dictionary(uniqueKeysWithValues: view.members.enumerated().map { ($1.id, $0) })
    }

    func even(within limit: inout TransferLimit, into steps: inout [PlannedStep]) {
        let members = self.view.members
        /// Nil for those that have got another one.
        var leaders = self.groups.map { group in group.leader.flatMap { self.places[$0.node] } }
        var loads = Array(repeating: 0, count: members.count)
        var held = loads
        for (group, leader) in zip(self.groups, leaders) {
            if let leader { loads[leader] += 1 }
            for voter in group.replicas.voters { if let place = self.places[voter.node] { held[place] += 1 } }
        }
        let able = members.map(self.canLead)
        let shares = fairShares(
            of: self.groups.count * 1000, weights: members.indices.map { able[$0] ? members[$0].weight : 0 },
            bounds: members.indices.map { 0...(able[$0] ? held[$0] * 1000 : 0) })
        var balance = LoadBalance(shares: shares, loads: loads)
        balance.even { giver, taker in
            guard able[giver], able[taker] else { return false }
            for place in self.groups.indices where leaders[place] == giver {
                let group = self.groups[place]
                guard let heir = group.replicas.voters.first(where: { $0.node == members[taker].id }) else { continue }
                leaders[place] = nil
                // What is over the limit is asked for when the rest is done; until then it only counts.
                if limit.allow(from: group.leader, to: heir) {
                    steps.append(PlannedStep(group.partition, .transfer(to: heir)))
                }
                return true
            }
            return false
        }
    }

    private func canLead(_ member: PlacementView.Member) -> Bool {
        guard case .alive(let since) = member.health, !member.isDraining else { return false }
        return self.view.now >= since + Self.settling
    }
}

/// Each transfer costs the actors of a partition a pause, and the member that leads it some work: so only some at a time,
/// yet enough that a member of a hundred partitions is drained of them in seconds.
struct TransferLimit {
    private static let most = 8

    /// How many partitions each member leads, those counted that were just allowed.
    private(set) var leads: [NodeID: Int] = [:]
    private var used: [NodeID: Int] = [:]

    init(_ view: PlacementView) {
        for group in view.groups { if let leader = group.leader { self.leads[leader.node, default: 0] += 1 } }
    }

    mutating func allow(from leader: ReplicaID?, to heir: ReplicaID) -> Bool {
        guard let leader, self.used[leader.node, default: 0] < Self.most, self.used[heir.node, default: 0] < Self.most
        else { return false }
        self.used[leader.node, default: 0] += 1
        self.used[heir.node, default: 0] += 1
        self.leads[leader.node, default: 0] -= 1
        self.leads[heir.node, default: 0] += 1
        return true
    }
}
