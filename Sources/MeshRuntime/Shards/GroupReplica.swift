internal import DequeModule
package import MeshCore

/// One replica of one group as a shard hosts it: its Raft value, its state, its lead, and what is under way between them
/// and the disk.
///
/// A class, since values of this size would be copied wherever one field is read. It belongs to its shard and is touched
/// by nobody else. The files beside this one hold one topic each: applying, leading, storing.
final class GroupReplica<Lead: GroupLead> {
    typealias Turn = ShardTurn<Lead.Request, Lead.Output>

    /// What a read of the disk was for.
    enum ReadPurpose {
        /// Keys that entries need before they can be applied.
        case missing([[UInt8]])
        /// A page of what the state wants in memory.
        case resident(Resident)
        case lead(UInt64)
    }

    /// Where the reading of what the state wants in memory is.
    struct Resident {
        var prefix: Int
        var start: [UInt8]
    }

    struct Proposed {
        var position: LogPosition
        var id: UInt64
    }

    /// The two lowest bits of a request's number say who made it.
    enum Requester: UInt64 {
        case proposal = 0
        case confirmation = 1
        case command = 2
        case plan = 3
    }

    let group: GroupID
    let makeState: @Sendable (GroupID) -> Lead.State
    let environment: ReplicaEnvironment
    let observer: (any ShardObserver)?
    var values: ReplicaValues<Lead>

    // Stepping.
    var inputs: Deque<Raft.Input> = []
    var effects = Raft.Effects()
    var leadEffects = LeadEffects<Lead.Output>()
    var isStepping = false
    /// The lead was stepped in this turn, and what it gathers is proposed at its end.
    var needsFlush = false
    var proposals: [Raft.Proposal] = []

    // Leading.
    /// The lead was told that it may serve, and not that it may no longer.
    var isServing = false
    /// Own proposals that are in the log and not applied, in ascending order of index.
    var proposed: Deque<Proposed> = []
    /// Commands without a result.
    var commands: Set<UInt64> = []

    // Applying.
    /// nil once the state has in memory what it wants there.
    var resident: Resident?
    /// Handed out by Raft and not applied.
    var handed: [LogEntry] = []
    /// Applied in memory and not yet written, oldest first.
    var unwritten: Deque<(through: LogIndex, bytes: Int)> = []
    var unwrittenBytes = 0
    /// Applied, but Raft is not told before the disk has caught up.
    var owedApplied: LogIndex?
    var reads: [UInt64: ReadPurpose] = [:]
    var lastRead: UInt64 = 0

    // Placement.
    /// Where the voters shall be; empty: wherever they are.
    var wanted: [NodeID] = []
    var planAt = Instant.distantFuture

    /// For which moment the shard has noted a wake.
    var armedAt = Instant.distantFuture
    var neighboursOf: (configuration: LogIndex, leader: NodeID?) = (.max, nil)
    /// Why it must not go on; the shard takes it down at the end of the step.
    var ending: Ending?

    enum Ending {
        case removed
        case damaged(StorageError)
    }

    init(
        _ raft: Raft, state: @escaping @Sendable (GroupID) -> Lead.State, lead: Lead, environment: ReplicaEnvironment,
        observer: (any ShardObserver)?
    ) {
        self.group = raft.group
        self.makeState = state
        self.values = ReplicaValues(raft: raft, state: state(raft.group), lead: lead)
        self.environment = environment
        self.observer = observer
    }

    /// Noted in the shard's list of those to flush.
    var isGathering = false

    var nextWake: Instant { min(self.values.nextWake, self.planAt) }

    func start(at moment: Moment, into turn: inout Turn) {
        self.beginResident(into: &turn)
        self.step(.wake, at: moment, into: &turn)
    }

    func wake(at moment: Moment, into turn: inout Turn) {
        guard self.nextWake <= moment.now else { return }
        if self.raft.nextWake <= moment.now { self.step(.wake, at: moment, into: &turn) }
        if self.lead.nextWake <= moment.now { self.stepLead(.wake, at: moment, into: &turn) }
        if self.planAt <= moment.now { self.plan(at: moment, into: &turn) }
    }

    /// The disk says something of a snapshot.
    func received(_ input: SnapshotInput, at moment: Moment, into turn: inout Turn) {
        if case .installed = input {
            // Before Raft hears of it, for then it hands out what follows.
            self.forgetState(at: moment, into: &turn)
            self.beginResident(into: &turn)
            self.environment.counters.snapshotsInstalled += 1
        }
        self.step(.snapshot(input), at: moment, into: &turn)
    }

    /// The other nodes that have to do with this group, in ascending order; nil if they are as when this was last asked.
    func updatedNeighbours() -> [NodeID]? {
        let now = (self.raft.history.latest.index, self.raft.leader?.node)
        guard now != self.neighboursOf else { return nil }
        self.neighboursOf = now
        var nodes = Set(self.raft.replicas.all.map(\.node))
        // Whoever leads a newcomer is not in a configuration that it knows.
        if let leader = self.raft.leader { nodes.insert(leader.node) }
        nodes.remove(self.raft.id.node)
        return nodes.sorted()
    }

    // MARK: Values

    var raft: Raft {
        _read { yield self.values.raft }
        _modify { yield &self.values.raft }
    }
    var state: Lead.State {
        _read { yield self.values.state }
        _modify { yield &self.values.state }
    }
    var lead: Lead {
        _read { yield self.values.lead }
        _modify { yield &self.values.lead }
    }

    // MARK: Stepping

    /// Steps Raft with an input, and with all that comes of it here.
    func step(_ input: Raft.Input, at moment: Moment, into turn: inout Turn) {
        self.inputs.append(input)
        self.drain(at: moment, into: &turn)
    }

    func drain(at moment: Moment, into turn: inout Turn) {
        // What an effect makes of Raft waits its turn: effects of one step are performed in their order.
        guard !self.isStepping else { return }
        self.isStepping = true
        defer { self.isStepping = false }
        while self.ending == nil, let input = self.inputs.popFirst() {
            if let observer = self.observer, case .received(let message) = input {
                observer.receives(message, by: self.raft)
            }
            self.raft.step(input, at: moment.now, into: &self.effects)
            self.performEffects(at: moment, into: &turn)
        }
    }

    /// For what is not an input of `step` but has effects like one.
    func stepping(
        at moment: Moment, into turn: inout Turn, _ body: (inout Raft, inout Raft.Effects) -> Void
    ) {
        body(&self.raft, &self.effects)
        self.isStepping = true
        self.performEffects(at: moment, into: &turn)
        self.isStepping = false
        self.drain(at: moment, into: &turn)
    }

    private func performEffects(at moment: Moment, into turn: inout Turn) {
        // By place: nothing here steps Raft, so nothing adds to the list, and it is not copied.
        for place in self.effects.list.indices {
            self.observer?.performs(self.effects.list[place], of: self.raft)
            self.perform(self.effects.list[place], at: moment, into: &turn)
        }
        self.effects.clear()
        if self.isServing, !self.raft.isReady { self.stopServing(at: moment, into: &turn) }
    }

    private func perform(_ effect: Raft.Effect, at moment: Moment, into turn: inout Turn) {
        switch effect {
        case .send(let message): turn.gatherer.add(message)
        case .write(let write): turn.jobs.append(GroupJob(self.group, .write(write)))
        case .load(let request): turn.jobs.append(GroupJob(self.group, .load(request)))
        case .apply(let entries):
            self.handed = entries
            self.advanceApplying(at: moment, into: &turn)
        case .accepted(let id, let position): self.accepted(id, at: position, moment: moment, into: &turn)
        case .rejected(let id, let reason): self.rejected(id, reason, at: moment, into: &turn)
        case .readReady(let id): self.stepLead(.confirmed(id >> 2), at: moment, into: &turn)
        case .transferred(let id): self.commandDone(id, into: &turn)
        case .snapshot(let effect): turn.jobs.append(GroupJob(self.group, .snapshot(effect)))
        case .dropLog(let index): turn.jobs.append(GroupJob(self.group, .dropLog(through: index)))
        case .changed(let role, let term, let leader):
            turn.roles.append(.init(group: self.group, role: role, term: term, leader: leader))
            self.planAt = role == .leader ? moment.now : .distantFuture
        case .ready:
            self.isServing = true
            self.stepLead(.ready, at: moment, into: &turn)
        case .removed: self.ending = .removed
        case .refused(let reason): self.environment.counters.refused(reason)
        }
    }

    // MARK: Ending

    /// The last words: everybody who waits for something here is told.
    func end(at moment: Moment, into turn: inout Turn) {
        self.stopServing(at: moment, into: &turn)
        self.giveUpProposals(at: moment, into: &turn)
        self.stepLead(.stopped, at: moment, into: &turn)
        self.takeOutputs(into: &turn)
        for id in self.commands.sorted() { turn.results.append((id, .notHere)) }
        self.commands = []
    }
}

/// What the replicas of a shard share.
final class ReplicaEnvironment {
    let node: NodeID
    let settings: ShardSettings
    let counters: ShardCounters
    /// The wall clocks of other nodes as their heartbeats told them, with the moment in which they did.
    var walls: [NodeID: (wall: UInt64, heardAt: Instant)] = [:]

    init(node: NodeID, settings: ShardSettings) {
        self.node = node
        self.settings = settings
        self.counters = ShardCounters()
    }

    /// The lower median of the clocks of these voters, as far as heard within a second; nil if they are no quorum.
    func agreedWall(of replicas: ReplicaSet, at moment: Moment) -> UInt64? {
        var walls: [UInt64] = []
        for voter in replicas.voters {
            if voter.node == self.node {
                walls.append(moment.wall)
            } else if let told = self.walls[voter.node], moment.now < told.heardAt + .seconds(1) {
                walls.append(told.wall + UInt64(clamping: (moment.now - told.heardAt).nanoseconds / 1_000_000))
            }
        }
        guard walls.count >= replicas.quorum else { return nil }
        return walls.sorted()[(walls.count - 1) / 2]
    }
}

/// Sees what Raft does inside a shard, step by step, before it is done: for checks that need more than a shard tells.
package protocol ShardObserver: AnyObject {
    func receives(_ message: RaftMessage, by raft: Raft)
    func performs(_ effect: Raft.Effect, of raft: Raft)
    func applied(_ entries: [LogEntry], by raft: Raft)
}
