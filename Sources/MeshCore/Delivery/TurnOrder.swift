/// One life of a node, as a place where activations run.
package struct Host: Hashable, Sendable {
    package var node: NodeID
    package var boot: UInt64

    package init(node: NodeID, boot: UInt64) {
        self.node = node
        self.boot = boot
    }
}

/// Names an activation between a lead and the host that runs it.
///
/// The fencing token cannot: that of a local activation is known only once its first turn is applied. A term has one
/// leader, so the pair is unique within the group.
package struct ActivationID: Hashable, Sendable {
    package var term: Term
    package var number: UInt64

    package init(term: Term, number: UInt64) {
        self.term = term
        self.number = number
    }
}

/// Run one turn: one message, on the state that the turns before it left.
package struct TurnOrder: Hashable, Sendable {
    package var activation: ActivationID
    package var path: ActorPath
    /// Within the activation, from 1.
    package var number: UInt64
    package var envelope: Envelope
    /// The actor's version before it. A host that has begun the same message on the same version for another leader need not
    /// begin again.
    package var version: UInt64
    package var isEphemeral: Bool
    /// The message is committed, and so is the right to run it: it may touch what is outside of the mesh.
    package var isCommitted: Bool
    /// The whole state of the actor, with the first turn of an activation; the host keeps it from then on.
    package var state: [StorageEntry]?
    /// A host that is silent for longer loses the activation; it says `renewed` if the turn takes longer.
    package var limit: Duration

    package init(
        activation: ActivationID, path: ActorPath, number: UInt64, envelope: Envelope, version: UInt64,
        isEphemeral: Bool, isCommitted: Bool, state: [StorageEntry]?, limit: Duration
    ) {
        self.activation = activation
        self.path = path
        self.number = number
        self.envelope = envelope
        self.version = version
        self.isEphemeral = isEphemeral
        self.isCommitted = isCommitted
        self.state = state
        self.limit = limit
    }
}

/// What a host says of a turn that it was ordered to run.
package struct TurnReport: Hashable, Sendable {
    package enum End: Hashable, Sendable {
        case finished(TurnResult)
        /// The policy of the kind says what becomes of the message. The actor's state is as before.
        case failed(FailureType, MeshError)
        /// Nothing was done: this message is to be committed before it runs.
        case wantsCommit
        /// The message was given to nobody: what should have run it was gone before. The activation ends, and its grant counts
        /// against no message.
        case notBegun
    }

    package var activation: ActivationID
    package var number: UInt64
    package var end: End

    package init(_ activation: ActivationID, number: UInt64, _ end: End) {
        self.activation = activation
        self.number = number
        self.end = end
    }
}

/// What a turn did, all of which is committed or none.
package struct TurnResult: Hashable, Sendable {
    package var reply: [UInt8]
    package var changes: [StateChange]
    /// How many keys the actor has now.
    package var keys: Int
    package var letters: [Letter]
    package var timers: [TimerChange]
    package var events: [[UInt8]]

    package init(
        reply: [UInt8] = [], changes: [StateChange] = [], keys: Int = 0, letters: [Letter] = [],
        timers: [TimerChange] = [], events: [[UInt8]] = []
    ) {
        self.reply = reply
        self.changes = changes
        self.keys = keys
        self.letters = letters
        self.timers = timers
        self.events = events
    }

    /// Nobody but the requester can tell that the turn was ever run.
    var isReadOnly: Bool {
        self.changes.isEmpty && self.letters.isEmpty && self.timers.isEmpty && self.events.isEmpty
    }
}
