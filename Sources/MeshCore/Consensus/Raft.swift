/// One replica of one group: Raft (Ongaro, *Consensus: Bridging Theory and Practice*, 2014).
///
/// A value. Messages, time and what the disk did come in, effects go out; the driver calls `step(.wake)` no later than
/// `nextWake`, and samples `now` after it took the input from its queue, never before. It knows nothing of what the
/// commands mean. The files beside this one hold one topic each and name the section of the dissertation they follow.
///
/// No driver can send too early: whatever must be fsynced first is held here until `stored` says that it was.
package struct Raft: Sendable {
    /// Names a request of the driver in the effects that answer it.
    package typealias RequestID = UInt64

    package enum Input: Sendable {
        /// `nextWake` has come.
        case wake
        case received(RaftMessage)
        /// All writes up to this sequence are durable.
        case stored(through: UInt64)
        /// The payloads that `load` asked for; none if they are gone.
        case loaded(LoadPurpose, [LogEntry])
        /// The state machine holds everything up to this index.
        case applied(through: LogIndex)
        /// Commands to append in this order, as one batch.
        case propose([Proposal])
        /// Asks for a moment at which the applied state may be read (§6.4).
        case read(RequestID)
        case change(RequestID, ReplicaChange)
        /// Hands leadership to a voter; nil: to the one that holds most.
        case transfer(RequestID, to: ReplicaID?)
        case snapshot(SnapshotInput)
        /// Another node's heartbeats or streams say something.
        case peer(PeerInput)
    }

    package enum Effect: Sendable {
        case send(RaftMessage)
        /// Write in order; answer `stored` after the fsync.
        case write(LogWrite)
        case load(LoadRequest)
        /// Apply in order; answer `applied`.
        case apply([LogEntry])
        case accepted(RequestID, LogPosition)
        case rejected(RequestID, Rejection)
        /// The state applied now is no older than the read.
        case readReady(RequestID)
        /// Leadership was handed over.
        case transferred(RequestID)
        case snapshot(SnapshotEffect)
        /// Entries up to here may be dropped.
        case dropLog(through: LogIndex)
        case changed(Role, Term, leader: ReplicaID?)
        /// A new leader has applied a no-op of its own term: now it may serve, run turns and grant.
        case ready(Term)
        /// A committed configuration is without this replica.
        case removed
        /// A message was refused; counted by reason.
        case refused(RefusalReason)
    }

    package struct Effects: Sendable {
        package var list: [Effect] = []
        package init() {}
        package mutating func clear() { self.list.removeAll(keepingCapacity: true) }
    }

    package enum Role: UInt8, Sendable { case follower, preCandidate, candidate, leader }

    package enum RefusalReason: String, Sendable, CaseIterable {
        case wrongGroup, olderIncarnation, newerIncarnation, foreignIncarnation, wrongReplica, unknownReplica
        case impossibleTerm, impossibleIndex, malformedEntries, oversized, secondLeader, contradictsCommitted
        case unexpected
    }

    package enum Rejection: Hashable, Sendable {
        case notLeader(ReplicaID?)
        /// Too much is waiting to be committed, or the log has grown too long.
        case overloaded
        case tooLarge
        /// Leadership is being handed over.
        case transferring
        /// The leader has not committed an entry of its own term yet.
        case notReady
        /// The last change of replicas is not committed yet.
        case changePending
        case invalidChange
        /// The learner, or the one to take over, lacks too much of the log.
        case behind
        case timedOut
    }

    package struct Proposal: Hashable, Sendable {
        package var id: RequestID
        package var payload: [UInt8]
        package init(id: RequestID, payload: [UInt8]) {
            self.id = id
            self.payload = payload
        }
    }

    package let group: GroupID
    package let incarnation: GroupIncarnation
    package let id: ReplicaID
    /// The boot of this process.
    package let life: UInt64
    package let settings: RaftSettings
    /// Raised while this node is slow, so that it does not blame others (Lifeguard's local health, 1 is healthy).
    package var slowness = 1

    // Persistent state (Figure 3.1).
    package internal(set) var term: Term
    package internal(set) var vote: ReplicaID?
    package internal(set) var log: RaftLog
    package internal(set) var history: ReplicaHistory
    /// What this replica's disk has lost, if it has.
    package internal(set) var shortfall: Shortfall?

    // Volatile state.
    package internal(set) var role = Role.follower
    package internal(set) var leader: ReplicaID?
    package internal(set) var commit: LogIndex
    package internal(set) var applied: LogIndex
    /// Given to the state machine, not yet said to be applied.
    var handedOut: LogIndex
    var isLoadingToApply = false
    var hasReportedRemoval = false
    /// The loss that storage found is not on the disk yet; it must be before anything else is.
    private var owesState: Bool
    /// Nothing is left to say in this group; the nodes' heartbeats speak for it.
    package internal(set) var isAsleep = false

    // Durability.
    var lastWrite: UInt64 = 0
    /// The last write of term, vote and shortfall.
    var stateWrite: UInt64 = 0
    var durableTerm: Term
    var durableWrite: UInt64 = 0
    var held: [HeldMessage] = []

    // Time.
    let startedAt: Instant
    /// The last heartbeat that this replica acknowledged, or its grant to be silent for.
    var renewedAt: Instant?
    var electionAt: Instant
    var random: RandomSource

    var campaign: Campaign?
    var leadership: Leadership?
    var install: SnapshotInstall?

    package init(_ recovered: RecoveredReplica, life: UInt64, settings: RaftSettings, seed: UInt64, at now: Instant) {
        self.group = recovered.group
        self.incarnation = recovered.incarnation
        self.id = recovered.id
        self.life = life
        self.settings = settings
        self.term = recovered.state.term
        self.durableTerm = recovered.state.term
        self.vote = recovered.state.vote
        self.log = recovered.log
        self.history = recovered.history
        self.commit = recovered.applied
        self.applied = recovered.applied
        self.handedOut = recovered.applied
        self.startedAt = now
        self.electionAt = .distantFuture
        self.random = RandomSource(seed: seed)
        self.shortfall = recovered.shortfall
        self.owesState = recovered.shortfall != recovered.state.shortfall
        self.resetElectionTimer(at: now)
    }

    package var replicas: ReplicaSet { self.history.latest.replicas }

    /// When the driver must call `step(.wake)` at the latest.
    package var nextWake: Instant {
        if let leadership = self.leadership { return leadership.isAsleep ? .distantFuture : leadership.tickAt }
        if self.owesState { return self.startedAt }
        return !self.isAsleep && (self.mayCampaign || self.leader != nil) ? self.electionAt : .distantFuture
    }

    package mutating func step(_ input: Input, at now: Instant, into effects: inout Effects) {
        if self.owesState {
            self.owesState = false
            self.writeState(into: &effects)
        }
        switch input {
        case .wake: self.wake(at: now, into: &effects)
        case .received(let message): self.receive(message, at: now, into: &effects)
        case .stored(let sequence): self.stored(through: sequence, at: now, into: &effects)
        case .loaded(let purpose, let entries): self.loaded(entries, for: purpose, at: now, into: &effects)
        case .applied(let index): self.applied(through: index)
        case .propose(let proposals): self.propose(proposals, at: now, into: &effects)
        case .read(let id): self.read(id, at: now, into: &effects)
        case .change(let id, let change): self.change(id, change, at: now, into: &effects)
        case .transfer(let id, let target): self.transfer(id, to: target, at: now, into: &effects)
        case .snapshot(let input): self.snapshot(input, at: now, into: &effects)
        case .peer(let input): self.peer(input, at: now, into: &effects)
        }
        self.settle(at: now, into: &effects)
    }

    private mutating func wake(at now: Instant, into effects: inout Effects) {
        if self.leadership != nil {
            self.tickIfDue(at: now, into: &effects)
        } else if self.electionAt <= now, !self.isAsleep {
            self.electionTimedOut(at: now, into: &effects)
        }
    }

    /// The last word of every step.
    private mutating func settle(at now: Instant, into effects: inout Effects) {
        self.advanceCommit()
        self.advanceInstall(into: &effects)
        self.handOutCommitted(into: &effects)
        self.reportReadiness(into: &effects)
        self.serveReads(at: now, into: &effects)
        self.tellFollowers(at: now, into: &effects)
        self.advanceTransfer(at: now, into: &effects)
        self.reportRemoval(into: &effects)
    }
}

extension Raft.Effects {
    mutating func refuse(_ reason: Raft.RefusalReason) { self.list.append(.refused(reason)) }
    mutating func reject(_ id: Raft.RequestID, _ reason: Raft.Rejection) { self.list.append(.rejected(id, reason)) }
}
