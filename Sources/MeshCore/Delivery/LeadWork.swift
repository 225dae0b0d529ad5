/// Something to be committed, and what the lead has to remember until it is.
enum LeadWork: Sendable {
    case enqueue(Arrival, failure: PendingFailure?)
    case turn(PendingTurn)
    case grant(ActorPath, Grant)
    case failure(PendingFailure, MailboxTail.Waiting)
    case release(Release)
    case delivery(OutboxDelivery, Requester)
    case acknowledge(OutboxAck)
    case session(Requester)
    case timer(TimerFired)
    case deadLetters(DeadLetterCommand, Requester)

    /// Roughly, for the size of an entry and of what is gathered.
    var byteCount: Int {
        switch self {
        case .enqueue(let arrival, _): arrival.byteCount + 128
        case .turn(let turn): turn.byteCount
        case .delivery(let delivery, _):
            delivery.delivery.letters.reduce(64) { $0 + $1.envelope.message.byteCount + 128 }
        case .grant, .failure, .release, .acknowledge, .session, .timer, .deadLetters: 512
        }
    }

    /// The actor whose activation stands or falls with it.
    var actor: ActorPath? {
        switch self {
        case .turn(let turn): turn.turn.path
        case .grant(let path, _): path
        case .failure(let failure, _): failure.path
        case .release(let release): release.path
        case .enqueue, .delivery, .acknowledge, .session, .timer, .deadLetters: nil
        }
    }
}

/// A turn that was run and is not applied.
struct PendingTurn: Sendable {
    var activation: ActivationID
    var source: TurnSource
    var outcome: Outcome
    /// Its fence is known when it is proposed.
    var turn: Turn

    var byteCount: Int {
        var bytes = 512
        for change in self.turn.changes { bytes += change.key.count + (change.value?.count ?? 0) + 16 }
        for letter in self.turn.outbox { bytes += letter.letter.envelope.message.byteCount + 128 }
        for timer in self.turn.timers { if case .set(_, _, _, let body) = timer { bytes += body.count + 64 } }
        for event in self.turn.events { bytes += event.count + 8 }
        if case .arrival(let arrival) = self.source { bytes += arrival.byteCount + 128 }
        if case .reply(let reply) = self.outcome { bytes += min(reply.count, keptReplyBytesMax) }
        return bytes
    }
}

/// A turn that failed, or a message that is given up.
struct PendingFailure: Sendable {
    var path: ActorPath
    /// Nil: no activation has failed, the leader gives the message up by itself.
    var activation: ActivationID?
    var error: MeshError
    var disposition: Failure.Disposition
    /// Nothing of this actor is tried before it is over.
    var pause: Duration
}

/// A longer reply is not kept for those who ask again.
let keptReplyBytesMax = 4_096

extension Outcome {
    /// As it is written to the log, and kept for those who ask again.
    var kept: Outcome {
        guard case .reply(let body) = self, body.count > keptReplyBytesMax else { return self }
        return .failed(
            MeshError(
                .tooLarge,
                "the message was processed; its reply of \(body.count) bytes is over the \(keptReplyBytesMax) that are "
                    + "kept for repeated requests",
                accepted: .yes))
    }
}
