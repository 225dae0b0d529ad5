/// Which replicas shall be where, and the next step towards it.
///
/// The leader of the meta group plans over and over. Its changes go through the log of the meta group and are stored there
/// as they are; the steps go to the leaders of the partitions. Both follow from the view alone, so whoever takes over goes
/// on where the other stopped.
package struct PlacementPlanner: Sendable {
    /// What a member may be part of at a time, in units.
    ///
    /// A replica with something in it costs half of the room: at most two of them at a time, so that moving never takes a
    /// node's disk and network from its work. An empty one costs next to nothing, and a new mesh need not wait for it.
    private enum Budget {
        static let room = 32
        static let smallBytesMax = 1 << 20

        static func cost(of group: PlacementView.Group) -> Int {
            group.byteCount > self.smallBytesMax ? self.room / 2 : 1
        }
    }

    private let placement: Placement

    package init(_ placement: Placement) { self.placement = placement }

    package func plan(_ view: PlacementView) -> PlacementPlan {
        var plan = PlacementPlan()
        self.change(view, into: &plan)
        var transfers = TransferLimit(view)
        for group in view.groups {
            guard let action = ReplicaStep(group, in: view, leads: transfers.leads).next else { continue }
            if case .transfer(let heir) = action, !transfers.allow(from: group.leader, to: heir) { continue }
            plan.steps.append(PlannedStep(group.partition, action))
        }
        LeaderBalance(view).even(within: &transfers, into: &plan.steps)
        return plan
    }

    private func change(_ view: PlacementView, into plan: inout PlacementPlan) {
        var arrangement = Arrangement(view, placement: self.placement)
        arrangement.better()
        var used: [NodeID: Int] = [:]
        for group in view.groups where group.isMoving && Self.proceeds(group, in: view) {
            for node in Self.movers(group, to: group.wanted) { used[node, default: 0] += Budget.cost(of: group) }
        }
        var wanted: [(group: PlacementView.Group, change: PlacementChange)] = []
        for (group, holders) in zip(view.groups, arrangement.holders) {
            let nodes = holders.members.map { view.members[$0].id }
            if nodes.count < view.replicasWanted { plan.short[group.partition] = view.replicasWanted - nodes.count }
            guard nodes != group.desired, !nodes.isEmpty else { continue }
            let reason = holders.reason ?? .missing
            wanted.append((group, PlacementChange(partition: group.partition, replicas: nodes, reason: reason)))
        }
        // The most urgent first, and among those the ones with the fewest replicas left.
        func urgency(_ group: PlacementView.Group, _ change: PlacementChange) -> (UInt8, Int, Partition) {
            (change.reason.rawValue, view.aliveVoters(group), group.partition)
        }
        for (group, change) in wanted.sorted(by: { urgency($0.group, $0.change) < urgency($1.group, $1.change) }) {
            let movers = Self.movers(group, to: change.replicas)
            let cost = Budget.cost(of: group)
            // A change that only says what is already so costs nothing.
            let isMove = change.replicas != group.wanted
            let isOpen = !isMove || (view.canChange(group) && (!group.isMoving || change.reason <= .draining))
            guard isOpen, !isMove || movers.allSatisfy({ used[$0, default: 0] + cost <= Budget.room }) else {
                plan.waiting += 1
                continue
            }
            if isMove { for node in movers { used[node, default: 0] += cost } }
            plan.changes.append(change)
        }
    }

    /// Not if it waits for a member to come back: that must not keep others from being moved.
    private static func proceeds(_ group: PlacementView.Group, in view: PlacementView) -> Bool {
        view.canChange(group)
            && group.wanted.allSatisfy { node in
                view.isAlive(node) || group.replicas.voters.contains { $0.node == node }
            }
    }

    /// Who has work with it: who gets a replica, who loses one, and the leader that sends it.
    private static func movers(_ group: PlacementView.Group, to wanted: [NodeID]) -> [NodeID] {
        let voters = group.replicas.voters.map(\.node)
        let touched = wanted.filter { !voters.contains($0) } + voters.filter { !wanted.contains($0) }
        guard let leader = group.leader?.node, !touched.contains(leader) else { return touched }
        return touched + [leader]
    }
}
