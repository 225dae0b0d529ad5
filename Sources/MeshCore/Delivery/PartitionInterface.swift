/// What comes to a partition's lead from elsewhere in its node.
package enum PartitionRequest: Sendable {
    case message(MessageRequest)
    case openSession(Requester)
    /// What a host says of a turn, or of an activation.
    case turn(TurnReport)
    /// It works on a long turn, and lives.
    case renewed(ActivationID)
    /// It has the activation and never got this order: it was lost on the way.
    case missing(ActivationID, order: UInt64)
    /// It does not have the activation that it was ordered to run.
    case disowned(ActivationID)
    /// This boot of a node is gone, and every one before it.
    case hostGone(Host)
    /// Where an activation may run; nobody, and what was missing.
    case placed(ActivationID, Placed)
    /// Definitions changed, or members that activations may be placed on.
    case kindsChanged
    /// Of another partition's outbox, and whether actors here take more.
    case delivery(OutboxDelivery, from: Requester)
    case delivered(DeliveryAnswer)
    case deadLetters(DeadLetterCommand, Requester)
    /// Finish the turns in flight, until then at most, and begin no other.
    case drain(by: Instant)
    case resume

    package enum Placed: Hashable, Sendable {
        /// And, if another was its host before, why not there.
        case at(Host, because: String = "")
        case nowhere(missing: String)
        /// What runs its turns could not be started. Waiting will hardly help, so who asks is told at once.
        case unstartable(String)
    }
}

/// What goes from a partition's lead to elsewhere in its node.
package enum PartitionOutput: Sendable {
    case answer(Requester, PartitionAnswer)
    case run(TurnOrder, on: Host)
    /// How is this order getting on? Asked of other nodes only: between two nodes orders and reports get lost.
    case check(ActivationID, ActorPath, order: UInt64, on: Host)
    /// The activation is over; what it still does comes to nothing.
    case release(ActivationID, ActorPath, on: Host)
    case place(PlacementQuery)
    /// Answered by `PartitionRequest.delivered`, or not at all.
    case deliver(OutboxDelivery, to: Partition)
    case deliveryAnswer(DeliveryAnswer, to: Requester)
    /// What applied turns said to whoever listens.
    case events(ActorPath, [[UInt8]])
    case noted(LeadNote)
    /// No turn is in flight: leadership can be handed over.
    case drained
}

package enum PartitionAnswer: Hashable, Sendable {
    /// The message is committed. To who waits for the outcome this is news, and not the end.
    case accepted(MessageID)
    case outcome(MessageID, Outcome)
    case session(SessionID)
    /// The session is not open any more: whether this request was applied before nobody knows. It was not applied now.
    case sessionExpired(MessageID)
    /// A request before this one is missing in the session. Not applied.
    case outOfOrder(MessageID, expected: UInt64)
    /// The numbers of the dead letters that were there.
    case deadLetters([UInt64])
    /// Nothing was done: another replica leads, if anybody does.
    case elsewhere(NodeID?)
    case refused(MeshError)
}

/// A message from a client, as it reaches the leader.
package struct MessageRequest: Sendable {
    package enum Delivery: UInt8, Sendable {
        case durable
        /// In memory only, at most once.
        case ephemeral
    }

    package var requester: Requester
    package var letter: Letter
    /// Its place in the client's session, if it has one.
    package var session: Enqueue.Request?
    package var delivery: Delivery
    /// An earlier try may have reached a leader, and may have been what ended it.
    package var isRetry: Bool
    /// How long the requester waits for an answer.
    package var patience: Duration

    package init(
        requester: Requester, letter: Letter, session: Enqueue.Request? = nil, delivery: Delivery = .durable,
        isRetry: Bool = false, patience: Duration = .seconds(30)
    ) {
        self.requester = requester
        self.letter = letter
        self.session = session
        self.delivery = delivery
        self.isRetry = isRetry
        self.patience = patience
    }
}

/// Asks for a host for an activation.
package struct PlacementQuery: Hashable, Sendable {
    /// Of the activation that is to be; a question that is asked anew has another.
    package var id: ActivationID
    package var path: ActorPath
    /// Where an earlier leader had it run. It stays there if it can, for that host has the program and may be in the middle
    /// of a turn.
    package var holder: Host?
    /// Of the actor's kind: a host that knows another definition would run another actor.
    package var revision: UInt64

    package init(id: ActivationID, path: ActorPath, holder: Host? = nil, revision: UInt64 = 0) {
        self.id = id
        self.path = path
        self.holder = holder
        self.revision = revision
    }
}

/// A part of one partition's outbox on its way to another, and a question.
package struct OutboxDelivery: Hashable, Sendable {
    /// Without letters it only asks.
    package var delivery: Delivery
    /// Mailboxes that were full: are they still?
    package var asks: [ActorPath]

    package static let asksMax = 256

    package init(_ delivery: Delivery, asks: [ActorPath] = []) {
        self.delivery = delivery
        self.asks = asks
    }
}

package struct DeliveryAnswer: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        /// Everything below `expects` is committed here.
        case expects(UInt64)
        /// Another numbering came before this one.
        case staleStream(current: UInt32)
        /// Another replica leads here, or this one is busy.
        case later
    }

    /// Who answers.
    package var destination: Partition
    package var stream: UInt32
    package var verdict: Verdict
    /// Of the actors written to or asked about, those whose mailboxes are full.
    package var full: [ActorPath]

    package init(destination: Partition, stream: UInt32, verdict: Verdict, full: [ActorPath] = []) {
        self.destination = destination
        self.stream = stream
        self.verdict = verdict
        self.full = full
    }
}
