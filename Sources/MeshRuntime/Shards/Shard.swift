package import MeshCore

/// Runs the replicas of this node that belong to one core: steps them, and gathers what they want done.
///
/// It is stepped with inputs and the time by one owner, and does nothing itself: after any number of steps `finish` hands out
/// one turn with all jobs for the disk, all frames and all answers together, so that whatever waited shares one fsync and
/// one frame per peer. No lock, no clock and no `async` here, so a simulator runs the same code.
///
/// All groups of a shard are of one kind, that of their lead; a node has a shard for the meta group and shards for the
/// partitions, and one `HeartbeatHub` for all of them.
package final class Shard<Lead: GroupLead> {
    package typealias Input = ShardInput<Lead.Request>
    package typealias Turn = ShardTurn<Lead.Request, Lead.Output>

    /// What makes the two halves of a group.
    package struct Makers: Sendable {
        var state: @Sendable (GroupID) -> Lead.State
        var lead: @Sendable (GroupID, _ seed: UInt64) -> Lead

        package init(
            state: @escaping @Sendable (GroupID) -> Lead.State,
            lead: @escaping @Sendable (GroupID, _ seed: UInt64) -> Lead
        ) {
            self.state = state
            self.lead = lead
        }
    }

    /// Where a group that is not running stands.
    enum Absent {
        /// Its data are being removed: whatever the disk still answers means nothing.
        case leaving(ReplicaID, GroupIncarnation)
        /// It was here, as the replica that the entry at this index added.
        case removed(GroupIncarnation, addedAt: LogIndex)
        case damaged(StorageError)
    }

    struct Wake: Sendable {
        var group: GroupID
        var due: Instant
    }

    package let node: NodeID
    /// The boot of this process.
    let life: UInt64
    let makers: Makers
    let environment: ReplicaEnvironment
    var settings: ShardSettings { self.environment.settings }
    var random: RandomSource
    var replicas: [GroupID: GroupReplica<Lead>] = [:]
    /// The keys of `replicas` in ascending order: no dictionary is walked in hash order.
    var groups: [GroupID] = []
    var absent: [GroupID: Absent] = [:]
    /// Commands that wait for a `created`.
    var creating: [GroupID: UInt64] = [:]
    /// Where voters are wanted, also of groups that are not here yet.
    var wanted: [GroupID: [NodeID]] = [:]
    var wakes = DeadlineQueue<Wake>()
    var turn = Turn()
    /// Replicas whose lead gathered something in this turn.
    var gathering: [GroupID] = []
    var neighbours = Neighbourhood()
    var sleepers = Sleepers()
    package var observer: (any ShardObserver)?

    package var counters: ShardCounters { self.environment.counters }

    package init(node: NodeID, life: UInt64, settings: ShardSettings, makers: Makers, seed: UInt64) {
        self.node = node
        self.life = life
        self.makers = makers
        self.environment = ReplicaEnvironment(node: node, settings: settings)
        self.random = RandomSource(seed: seed)
    }

    // MARK: Stepping

    package func step(_ input: Input, at moment: Moment) {
        switch input {
        case .messages(let messages, let node):
            for message in messages { self.receive(message, from: node, at: moment) }
        case .answers(let answers):
            for answer in answers { self.receive(answer, at: moment) }
        case .request(let group, let request):
            guard self.replicas[group] != nil else { return self.turn.strays.append((group, request)) }
            self.visit(group, at: moment) { $0.stepLead(.request(request), at: moment, into: &$1) }
        case .heartbeat(let question): self.receive(question, at: moment)
        case .suspected(let node):
            for group in self.groups {
                self.visit(group, at: moment) { $0.step(.peer(.suspected(node)), at: moment, into: &$1) }
            }
        case .place(let group, let nodes): self.place(group, on: nodes, at: moment)
        case .command(let id, let group, let command): self.perform(command, id: id, group, at: moment)
        case .drain: self.drain(at: moment)
        case .stop: for group in self.groups { self.end(group, at: moment) }
        case .wake: self.wake(at: moment)
        }
    }

    /// What came out so far, for whoever can answer some of it at once: such answers join this turn, and what they lead to
    /// shares its entry.
    package func takeOutputs() -> [(group: GroupID, output: Lead.Output)] {
        defer { self.turn.outputs = [] }
        return self.turn.outputs
    }

    /// Ends the turn: everything that is to be done now, in one piece.
    package func finish(at moment: Moment) -> Turn {
        self.counters.turns += 1
        let gathering = self.gathering
        self.gathering = []
        for group in gathering { self.visit(group, at: moment) { $0.flush(at: moment, into: &$1) } }
        if let nodes = self.neighbours.takeChange() { self.turn.heartbeats.append(.neighbours(nodes)) }
        self.turn.frames = self.turn.gatherer.drain()
        self.counters.framesSent += self.turn.frames.count
        defer { self.turn = Turn() }
        return self.turn
    }

    /// When `step(.wake)` is due at the latest.
    package var nextWake: Instant {
        // What a lead gathered while it was flushed waits for another turn.
        self.gathering.isEmpty ? self.wakes.nextDue ?? .distantFuture : Instant(nanoseconds: 0)
    }

    private func wake(at moment: Moment) {
        // Whoever wants to be woken again at once waits for the next turn: what it waits for may be this one's outputs.
        var due: [Wake] = []
        while let wake = self.wakes.popDue(at: moment.now) { due.append(wake) }
        for wake in due {
            // Of several moments noted for a group only the latest note counts.
            guard let replica = self.replicas[wake.group], replica.armedAt == wake.due else { continue }
            replica.armedAt = .distantFuture
            self.visit(wake.group, at: moment) { $0.wake(at: moment, into: &$1) }
        }
    }

    /// Lets something happen to a replica, and sees to what follows from it for the shard.
    func visit(
        _ group: GroupID, at moment: Moment, _ body: (GroupReplica<Lead>, inout Turn) -> Void
    ) {
        guard let replica = self.replicas[group] else { return }
        self.sleepers.wake(&replica.raft)
        body(replica, &self.turn)
        if replica.ending != nil { return self.end(group, at: moment) }
        if replica.needsFlush, !replica.isGathering {
            replica.isGathering = true
            self.gathering.append(group)
        }
        self.neighbours.note(replica.updatedNeighbours(), of: group)
        self.arm(replica)
    }

    private func arm(_ replica: GroupReplica<Lead>) {
        let due = replica.nextWake
        guard due < replica.armedAt else { return }
        replica.armedAt = due
        self.wakes.add(Wake(group: replica.group, due: due), due: due)
    }

    // MARK: Commands

    private func place(_ group: GroupID, on nodes: [NodeID], at moment: Moment) {
        guard self.wanted[group] != nodes else { return }
        self.wanted[group] = nodes
        self.visit(group, at: moment) { replica, _ in
            replica.wanted = nodes
            if replica.raft.role == .leader { replica.planAt = moment.now }
        }
    }

    private func perform(_ command: GroupCommand, id: UInt64, _ group: GroupID, at moment: Moment) {
        if case .create(let incarnation) = command { return self.create(group, incarnation, for: id, at: moment) }
        guard self.replicas[group] != nil else { return self.turn.results.append((id, .notHere)) }
        self.visit(group, at: moment) { $0.perform(command, id: id, at: moment, into: &$1) }
    }

    private func drain(at moment: Moment) {
        for group in self.groups {
            guard let replica = self.replicas[group], replica.raft.role == .leader else { continue }
            self.visit(group, at: moment) {
                $0.step(.transfer(GroupReplica<Lead>.number(0, .plan), to: nil), at: moment, into: &$1)
            }
        }
    }

    /// Groups led here that somebody else could lead: what a drain waits for.
    package func ledWithOthers(besides hopeless: Set<GroupID> = []) -> Int {
        self.groups.count { group in
            guard !hopeless.contains(group), let raft = self.replicas[group]?.raft else { return false }
            return raft.role == .leader && raft.replicas.voters.count > 1
        }
    }
}
