package import MeshCore

/// What the leader of the meta group does beside leading: founds the mesh, admits who is there, and places replicas.
///
/// A value that is asked now and then. It keeps nothing that must not be lost: its decisions are in the log of the meta group,
/// and everything else is told again.
package struct MetaKeeper: Sendable {
    /// What is to be done now.
    package struct Duties: Sendable {
        package var commands: [MetaCommand] = []
        /// Where the voters of the meta group itself shall be; empty: wherever they are.
        package var metaVoters: [NodeID] = []
    }

    static let metaVotersMax = 5
    /// A leader that has not reported for so long leads no longer, or cannot be reached.
    private static let reportsCountFor = Duration.seconds(30)

    private struct Report: Sendable {
        var group: GroupReport
        var at: Instant
    }

    private let local: NodeID
    private let placement: Placement
    private let planner: PlacementPlanner
    private var reports: [Partition: Report] = [:]
    /// Admitted members that gossip does not know, since when: a node that was just started has met nobody yet, and must not
    /// take that for their death.
    private var missing: [NodeID: Instant] = [:]
    package private(set) var heirs: [Partition: ReplicaID] = [:]
    /// Partitions with fewer replicas than are asked for, for people.
    package private(set) var short: [Partition: Int] = [:]

    package init(local: NodeID, placement: Placement) {
        self.local = local
        self.placement = placement
        self.planner = PlacementPlanner(placement)
    }

    package mutating func received(_ reports: [GroupReport], at now: Instant) {
        for report in reports where Int(report.partition.index) < self.placement.partitions {
            self.reports[report.partition] = Report(group: report, at: now)
        }
    }

    /// As the leader of the meta group, on its state.
    package mutating func duties(
        _ state: MetaState, members: [MeshMember], voters: [NodeID], at now: Instant
    ) -> Duties {
        var duties = Duties()
        guard let own = members.first(where: { $0.id == self.local }) else { return duties }
        guard state.isFounded else {
            duties.commands = [.found(partitions: self.placement.partitions, Self.admitted(own))]
            return duties
        }
        duties.commands = self.admissions(state, members)
        duties.metaVoters = self.metaVoters(state, members, now: voters, at: now)
        self.noteMissing(state, members, at: now)
        let view = self.view(state, members, at: now)
        let plan = self.planner.plan(view)
        self.short = plan.short
        self.heirs = [:]
        for step in plan.steps {
            if case .transfer(let heir) = step.action { self.heirs[step.partition] = heir }
        }
        // A plan is made on one version of the state: what changes it comes first, and the plan with the next look.
        if duties.commands.isEmpty, !plan.changes.isEmpty {
            duties.commands = [.place(plan.changes, expects: state.version)]
        }
        return duties
    }

    /// What the leaders of these partitions shall do.
    package func orders(for reports: [GroupReport], _ state: MetaState) -> [PlacementOrder] {
        reports.compactMap { report in
            let index = Int(report.partition.index)
            guard index < state.placement.count else { return nil }
            return PlacementOrder(
                partition: report.partition, voters: state.placement[index].replicas,
                heir: self.heirs[report.partition])
        }
    }

    // MARK: Members

    private static func admitted(_ member: MeshMember) -> AdmittedMember {
        AdmittedMember(
            id: member.id, name: clipped(member.name, toBytes: AdmittedMember.textBytesMax), endpoint: member.endpoint)
    }

    /// Whoever holds the token and is here, and everybody whose name or place has changed.
    private func admissions(_ state: MetaState, _ members: [MeshMember]) -> [MetaCommand] {
        let fresh = members.filter { member in
            guard member.isAlive else { return false }
            guard let known = state.member(member.id) else { return true }
            let told = Self.admitted(member)
            return !known.isEvicted && (known.name, known.endpoint) != (told.name, told.endpoint)
        }
        return fresh.prefix(MetaEntry.commandsMax).map { .admit(Self.admitted($0)) }
    }

    /// Few changes: whoever is one stays one unless it is gone for long, and others fill up to an odd number.
    private func metaVoters(
        _ state: MetaState, _ members: [MeshMember], now voters: [NodeID], at now: Instant
    ) -> [NodeID] {
        func mayStay(_ node: NodeID) -> Bool {
            guard let known = state.member(node), case .active = known.standing else { return false }
            guard let member = members.first(where: { $0.id == node }) else { return true }
            if case .dead(let since) = member.health { return now < since + state.settings.replaceAfter }
            return true
        }
        let able = state.members.map(\.id).filter(mayStay)
        let kept = voters.filter(able.contains)
        let joining = able.filter { node in
            !kept.contains(node) && members.contains { $0.id == node && $0.isAlive }
        }
        let most = min(Self.metaVotersMax, kept.count + joining.count)
        let size = most > 2 && most.isMultiple(of: 2) ? most - 1 : most
        return Array((kept + joining).prefix(max(size, 1))).sorted()
    }

    // MARK: The planner's view

    private mutating func noteMissing(_ state: MetaState, _ members: [MeshMember], at now: Instant) {
        let known = Set(members.map(\.id))
        for member in state.members where !known.contains(member.id) && self.missing[member.id] == nil {
            self.missing[member.id] = now
        }
        for node in known { self.missing[node] = nil }
    }

    private func view(_ state: MetaState, _ members: [MeshMember], at now: Instant) -> PlacementView {
        let known = Dictionary(members.map { ($0.id, $0) }) { first, _ in first }
        return state.placementView(at: now) { admitted in
            let member = known[admitted.id]
            return (
                member?.zone ?? "", PlacementView.Member.weightDefault,
                member?.health ?? .dead(since: self.missing[admitted.id] ?? now)
            )
        } group: { partition in
            guard let report = self.reports[partition], now < report.at + Self.reportsCountFor else { return nil }
            return PlacementView.Group(
                partition: partition, replicas: report.group.replicas, leader: report.group.leader,
                caughtUp: report.group.caughtUp, byteCount: Int(clamping: report.group.byteCount))
        }
    }
}
