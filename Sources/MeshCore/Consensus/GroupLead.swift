/// The volatile half of a group: what its leader knows beside the replicated state, and what followers answer.
///
/// Each replica has one from its start to its end, for a request can reach any replica at any time. It decides, and the
/// driver does: proposals, reads of the disk and answers leave as effects, and whatever came of them is an input. Nothing
/// in it survives the process.
package protocol GroupLead: Sendable {
    associatedtype State: ReplicatedState
    /// What comes to this group from elsewhere in the node.
    associatedtype Request: Sendable
    /// What goes from this group to elsewhere in the node.
    associatedtype Output: Sendable

    /// When `step(.wake)` is due at the latest.
    var nextWake: Instant { get }

    mutating func step(
        _ input: LeadInput<State.Outcome, Request>, over state: State, in context: LeadContext,
        into effects: inout LeadEffects<Output>)

    /// Ends a turn of the driver's loop in which this was stepped: what was gathered meanwhile is proposed as one entry.
    mutating func flush(over state: State, in context: LeadContext, into effects: inout LeadEffects<Output>)
}

package enum LeadInput<Outcome: Sendable, Request: Sendable>: Sendable {
    case request(Request)
    /// This replica leads, and has applied a no-op of its own term: from here on it serves, grants and runs turns.
    case ready
    /// It leads no longer. What it proposed and was not told of yet is still answered, by `applied` or `unresolved`.
    case resigned
    /// A proposal is in the own log at this position, which is not to say that it will be committed there. What it made has
    /// its token from here on.
    case accepted(UInt64, LogPosition)
    /// An entry was applied; on every replica, in order. `proposal` names it if it was proposed here.
    case applied(LogPosition, Outcome, proposal: UInt64?)
    /// Nothing was appended, or the confirmation cannot be had here.
    case refused(UInt64, Raft.Rejection)
    /// Another entry has the place of this proposal, so that it never takes effect; or a snapshot came over it, and
    /// nobody here knows.
    case unresolved(UInt64, isLost: Bool)
    /// The state is no older than the confirmation.
    case confirmed(UInt64)
    /// One list per read; of a single key, one entry or none.
    case read(UInt64, [[StorageEntry]])
    /// The replica ends here: it was removed, its data are damaged, or the node stops. Nothing follows.
    case stopped
    case wake
}

/// What a lead asks its driver for. Numbers are the lead's own and come back with the answers.
package struct LeadEffects<Output: Sendable>: Sendable {
    package struct Proposal: Sendable {
        package var id: UInt64
        package var payload: [UInt8]
    }

    package struct Read: Sendable {
        package var id: UInt64
        package var reads: [StateRead]
    }

    /// Each becomes an entry of its own, in this order.
    @usableFromInline package internal(set) var proposals: [Proposal] = []
    @usableFromInline package internal(set) var reads: [Read] = []
    @usableFromInline package internal(set) var confirmations: [UInt64] = []
    @usableFromInline package internal(set) var outputs: [Output] = []

    package init() {}

    package mutating func propose(_ id: UInt64, _ payload: [UInt8]) {
        self.proposals.append(Proposal(id: id, payload: payload))
    }

    /// Reads the state as applied so far.
    package mutating func read(_ id: UInt64, _ reads: [StateRead]) { self.reads.append(Read(id: id, reads: reads)) }

    /// Asks for a moment at which the state holds all that anybody was told of before: by the lease, or by a round to a
    /// quorum.
    package mutating func confirm(_ id: UInt64) { self.confirmations.append(id) }

    package mutating func put(_ output: Output) { self.outputs.append(output) }

    /// Inlinable, so that it is compiled for the outputs of the group at hand; for any it costs more than all it clears.
    @inlinable package mutating func clear() {
        self.proposals.removeAll(keepingCapacity: true)
        self.reads.removeAll(keepingCapacity: true)
        self.confirmations.removeAll(keepingCapacity: true)
        self.outputs.removeAll(keepingCapacity: true)
    }
}

/// How things stand for a lead in one step.
package struct LeadContext: Sendable {
    package var group: GroupID
    package var incarnation: GroupIncarnation
    package var now: Instant
    /// This node's wall clock, in milliseconds since 1970.
    package var wall: UInt64
    package var term: Term
    /// Leads and is ready.
    package var isLeading: Bool
    /// Who leads, as far as is known here.
    package var leader: ReplicaID?
    /// Until then nobody else can have been elected: reads and outside effects need no further word.
    package var leaseEnd: Instant?
    /// The lower median of the wall clocks of the voters heard within a second; nil if they are no quorum. Only in `wake`.
    package var agreedWall: UInt64?

    package init(
        group: GroupID, incarnation: GroupIncarnation, now: Instant, wall: UInt64, term: Term, isLeading: Bool,
        leader: ReplicaID?, leaseEnd: Instant?, agreedWall: UInt64?
    ) {
        self.group = group
        self.incarnation = incarnation
        self.now = now
        self.wall = wall
        self.term = term
        self.isLeading = isLeading
        self.leader = leader
        self.leaseEnd = leaseEnd
        self.agreedWall = agreedWall
    }
}
