package import MeshCore

/// The lead of a group whose state needs none: whatever is asked for is proposed, whatever comes of it is told.
package struct CommandLead<State: ReplicatedState>: GroupLead {
    package enum Request: Sendable {
        /// One entry with this payload.
        case command(UInt64, [UInt8])
        /// The state as no older than this request.
        case read(UInt64, [StateRead])
    }

    package enum Output: Sendable {
        case applied(UInt64, LogPosition, State.Outcome)
        case values(UInt64, [[StorageEntry]])
        /// It did not happen, and another node may be asked.
        case refused(UInt64, Raft.Rejection)
        /// It may have happened, and nobody here will know; or it may not, and never will if it is lost.
        case unresolved(UInt64, isLost: Bool)
    }

    private enum Waiting: Sendable {
        case command
        case read([StateRead])
    }

    /// By the requesters' numbers, which must be different.
    private var waiting: [UInt64: Waiting] = [:]

    package init() {}

    package var nextWake: Instant { .distantFuture }

    package mutating func step(
        _ input: LeadInput<State.Outcome, Request>, over state: State, in context: LeadContext,
        into effects: inout LeadEffects<Output>
    ) {
        switch input {
        case .request(.command(let id, let payload)):
            self.waiting[id] = .command
            effects.propose(id, payload)
        case .request(.read(let id, let reads)):
            self.waiting[id] = .read(reads)
            effects.confirm(id)
        case .applied(let position, let outcome, let id?):
            self.waiting[id] = nil
            effects.put(.applied(id, position, outcome))
        case .refused(let id, let reason):
            self.waiting[id] = nil
            effects.put(.refused(id, reason))
        case .unresolved(let id, let isLost):
            self.waiting[id] = nil
            effects.put(.unresolved(id, isLost: isLost))
        case .confirmed(let id): if case .read(let reads) = self.waiting[id] { effects.read(id, reads) }
        case .read(let id, let lists):
            self.waiting[id] = nil
            effects.put(.values(id, lists))
        case .stopped:
            for id in self.waiting.keys.sorted() { effects.put(.unresolved(id, isLost: false)) }
            self.waiting = [:]
        case .accepted, .applied, .ready, .resigned, .wake: break
        }
    }

    package mutating func flush(
        over state: State, in context: LeadContext, into effects: inout LeadEffects<Output>
    ) {}
}
