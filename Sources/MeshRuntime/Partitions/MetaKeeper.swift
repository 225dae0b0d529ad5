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
        /// Who shall lead the meta group instead of this node, which gives away what it has.
        package var heir: NodeID?
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
    /// The version of the state on which the last plan was made, if nothing more is to be moved then, or can be.
    private var settledAt: LogIndex?

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
        duties.commands = self.admissions(state, members) + self.departures(state, members)
        duties.metaVoters = self.metaVoters(state, members, now: voters, at: now)
        if state.member(self.local)?.isDraining == true {
            duties.heir = voters.first { node in
                state.member(node)?.standing == .active && members.contains { $0.id == node && $0.isAlive }
            }
        }
        self.noteMissing(state, members, at: now)
        let view = self.view(state, members, at: now)
        let plan = self.planner.plan(view)
        self.short = plan.short
        self.heirs = [:]
        for step in plan.steps {
            if case .transfer(let heir) = step.action { self.heirs[step.partition] = heir }
        }
        let isSettled = duties.commands.isEmpty && plan.changes.isEmpty && plan.waiting == 0
        self.settledAt = isSettled ? state.version : nil
        // A plan is made on one version of the state: what changes it comes first, and the plan with the next look.
        if duties.commands.isEmpty, !plan.changes.isEmpty {
            duties.commands = [.place(plan.changes, expects: state.version)]
        }
        return duties
    }

    /// For leaders that do not know yet what is wanted of them: asked as they report, they would hear it seconds later.
    package func news(_ state: MetaState, at now: Instant) -> [NodeID: [PlacementOrder]] {
        let untold = state.placement.indices.compactMap { index -> GroupReport? in
            let partition = Partition(index: UInt16(index))
            guard let report = self.report(of: partition, at: now) else { return nil }
            let isThere = report.replicas.voters.map(\.node) == state.placement[index].replicas
            return isThere && self.heirs[partition] == nil ? nil : report
        }
        return Dictionary(grouping: untold, by: \.leader.node).mapValues { self.orders(for: $0, state) }
    }

    /// How far a member has given away what it has.
    package func progress(of node: NodeID, _ state: MetaState, voters: [NodeID], at now: Instant) -> DrainProgress? {
        guard let member = state.member(node) else { return nil }
        var progress = DrainProgress(standing: member.standing, isVoterOfMeta: voters.contains(node))
        // A leader of the meta group that was just elected has heard of no group yet: what it does not know is not done.
        var unheard = 0
        for (index, placed) in state.placement.enumerated() {
            let report = self.report(of: Partition(index: UInt16(index)), at: now)
            let isWanted = placed.replicas.contains(node)
            if isWanted { progress.wanted += 1 }
            if isWanted, report == nil { unheard += 1 }
            // Of those that nobody reports it is not known who leads them; somebody must, before anything moves.
            if report?.replicas.replica(on: node) != nil || (report == nil && isWanted) { progress.replicas += 1 }
            if report?.leader.node == node { progress.leads += 1 }
        }
        progress.isSettled =
            self.settledAt == state.version && unheard == 0 && progress.leads == 0
            && progress.replicas == progress.wanted
        return progress
    }

    private func report(of partition: Partition, at now: Instant) -> GroupReport? {
        guard let report = self.reports[partition], now < report.at + Self.reportsCountFor else { return nil }
        return report.group
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
        return fresh.prefix(MetaEntry.commandsMax / 2).map { .admit(Self.admitted($0)) }
    }

    /// Who goes says so by gossip for as long as it gives away what it has, and no longer says it when it is back.
    private func departures(_ state: MetaState, _ members: [MeshMember]) -> [MetaCommand] {
        members.prefix(MetaEntry.commandsMax / 2).compactMap { member in
            guard member.isAlive, let known = state.member(member.id), !known.isEvicted,
                known.isLeaving != member.isLeaving
            else { return nil }
            return member.isLeaving ? .leave(member.id) : .cancelDrain(member.id)
        }
    }

    /// Few changes: whoever is one stays one unless it is gone for long, and others fill up to an odd number.
    private func metaVoters(
        _ state: MetaState, _ members: [MeshMember], now voters: [NodeID], at now: Instant
    ) -> [NodeID] {
        func mayStay(_ node: NodeID) -> Bool {
            guard let known = state.member(node), !known.isEvicted, !known.isLeaving else { return false }
            guard let member = members.first(where: { $0.id == node }) else { return true }
            if case .dead(let since) = member.health { return now < since + state.settings.replaceAfter }
            return true
        }
        let staying = state.members.filter { mayStay($0.id) }
        let able = staying.filter { !$0.isDraining }.map(\.id)
        let kept = voters.filter(able.contains)
        // One that is drained goes if another takes its place; one voter less would help nobody.
        let spare = staying.filter(\.isDraining).map(\.id).filter(voters.contains)
        let joining = able.filter { node in
            !kept.contains(node) && members.contains { $0.id == node && $0.isAlive }
        }
        let most = min(Self.metaVotersMax, kept.count + joining.count + spare.count)
        let size = most > 2 && most.isMultiple(of: 2) ? most - 1 : most
        return Array((kept + joining + spare).prefix(max(size, 1))).sorted()
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
            self.report(of: partition, at: now).map { report in
                PlacementView.Group(
                    partition: partition, replicas: report.replicas, leader: report.leader,
                    caughtUp: report.caughtUp, byteCount: Int(clamping: report.byteCount))
            }
        }
    }
}
