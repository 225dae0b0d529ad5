/// What a lead must know of the kind of an actor to run its turns.
package struct ActorKind: Hashable, Sendable {
    /// Its turns are short, do not wait and touch nothing outside of the mesh, so they run where the leader runs, and before
    /// their message is committed.
    package var isInline: Bool
    /// Messages waiting; past it a sender gets `overloaded`.
    package var mailboxLimit: Int
    /// A host that has said nothing of a turn for so long loses the activation.
    package var turnLimit: Duration
    package var retry: RetryPolicy
    /// It takes more than the leader's word to begin an activation: a place is asked for.
    package var isPlaced: Bool
    /// Its activations run on whichever node has what they need, and go on there when the leader changes.
    package var isMobile: Bool
    /// Two kinds with different revisions differ in something that a running activation must not mix.
    package var revision: UInt64

    package init(
        isInline: Bool, mailboxLimit: Int = ActorDefinition.mailboxLimitDefault, turnLimit: Duration = .seconds(30),
        retry: RetryPolicy = .standard, isPlaced: Bool = false, isMobile: Bool = false, revision: UInt64 = 0
    ) {
        self.isInline = isInline
        self.mailboxLimit = mailboxLimit
        self.turnLimit = turnLimit
        self.retry = retry
        self.isPlaced = isPlaced
        self.isMobile = isMobile
        self.revision = revision
    }
}

/// Who answers at a path. A lead asks while it steps, so an answer takes no time and two of them differ only after
/// `PartitionRequest.kindsChanged`.
package protocol ActorKinds: Sendable {
    /// Throws `notFound` if nobody does.
    func kind(of path: ActorPath) throws(MeshError) -> ActorKind
}
