// Turns that failed: tried again, given up, or answered with the error, as the policy of the kind says.
extension PartitionLead {
    mutating func failed(
        _ failure: FailureType, _ error: MeshError, _ source: TurnSource, at path: ActorPath,
        over state: PartitionState, in context: LeadContext, into effects: inout Effects
    ) {
        guard let slot = self.slots[path] else { return }
        self.slots[path]?.failures += 1
        if case .ephemeral(let arrival) = source { return self.reject(arrival.id, error, into: &effects) }
        // Whatever the handler says of it: the turn that answers so consumes the message, and a client that believed otherwise
        // would use its place in the session for another.
        var error = error
        error.accepted = .yes
        let attempt = self.attempts(of: source, at: path, over: state) + 1
        switch slot.kind.retry.decide(failure, attempt: attempt, series: slot.failures + 1, random: &self.random) {
        case .answer:
            self.commit(
                TurnResult(keys: slot.activation?.keys ?? 0), .failed(error), of: source, at: path, in: context,
                into: &effects)
        case .retry(let pause):
            let time = context.wall + UInt64(clamping: pause.nanoseconds / 1_000_000)
            self.fail(source, at: path, error, .retry(at: time), pause: pause, at: context.now)
        case .deadLetter(let pause):
            let told = MeshError(
                .handlerFailed, error.message, hint: "it was tried \(attempt) times and is a dead letter now",
                accepted: .yes)
            self.fail(source, at: path, told, .deadLetter, pause: pause, at: context.now)
        }
    }

    private func attempts(of source: TurnSource, at path: ActorPath, over state: PartitionState) -> Int {
        guard case .waiting(let message) = source else { return 0 }
        return Int(state.actor(path)?.trial(of: message.offset)?.failures ?? 0)
    }

    private mutating func fail(
        _ source: TurnSource, at path: ActorPath, _ error: MeshError, _ disposition: Failure.Disposition,
        pause: Duration, at now: Instant
    ) {
        let failure = PendingFailure(
            path: path, activation: self.slots[path]?.activation?.id, error: error, disposition: disposition,
            pause: pause)
        // From now on, and until the log knows of it, no later message of the same sender runs before this one.
        if self.limits.flaw != .failureOvertaken { self.pause(path, until: now + pause) }
        switch source {
        case .waiting(let message):
            self.slots[path]?.failing += 1
            self.slots[path]?.unapplied += 1
            self.gather(.failure(failure, message))
        case .arrival(let arrival):
            // Its message is to be kept, so it has to be in the log first.
            self.slots[path]?.failing += 1
            self.slots[path]?.enqueuing += 1
            self.gather(.enqueue(arrival, failure: failure))
        case .ephemeral: break
        }
    }

    /// A message that waits ends without a turn.
    mutating func giveUp(
        _ message: MailboxTail.Waiting, of path: ActorPath, _ error: MeshError, _ disposition: Failure.Disposition
    ) {
        self.withTail(of: path) { _ = $0.take(message.offset) }
        self.slots[path]?.failing += 1
        self.slots[path]?.unapplied += 1
        self.gather(
            .failure(
                PendingFailure(path: path, activation: nil, error: error, disposition: disposition, pause: .zero),
                message))
    }

    /// Three grants and no turn: a message that kills its hosts must not take the mesh with it.
    mutating func buryPoison(_ offset: MailboxOffset, at path: ActorPath) {
        guard let message = self.slots[path]?.tail.body(of: offset) else { return }
        let error = MeshError(
            .handlerFailed,
            "the message was given to \(RetryPolicy.grantsWithoutTurnMax) activations of \(path), none of which came to the "
                + "end of its turn",
            hint: "it is a dead letter now: look at what it does to its host before replaying it", accepted: .yes)
        self.giveUp(message, of: path, error, .deadLetter)
    }

    /// The command of a failure; its sender, if it is an actor, is told by a message.
    mutating func command(of failure: PendingFailure, _ message: MailboxTail.Waiting) -> Failure {
        var token: FencingToken?
        if let id = failure.activation, let activation = self.slots[failure.path]?.activation, activation.id == id,
            case .granted(let granted) = activation.standing
        {
            token = granted
        }
        let isEnd = if case .retry = failure.disposition { false } else { true }
        let outcome = Outcome.failed(failure.error)
        let letter = isEnd ? self.reply(to: message.envelope, from: failure.path, outcome) : nil
        return Failure(
            path: failure.path, token: token,
            consumption: message.consumption(isEnd ? message.envelope.recorded(outcome) : nil),
            reason: failure.error.message, disposition: failure.disposition,
            outbox: letter.map { [OutgoingLetter(to: self.placement.partition(of: $0.path), $0)] } ?? [])
    }

    mutating func applied(
        _ failure: PendingFailure, _ message: MailboxTail.Waiting, _ outcome: FailureOutcome,
        over state: PartitionState, into effects: inout Effects
    ) {
        let path = failure.path
        self.slots[path]?.failing -= 1
        self.slots[path]?.unapplied -= 1
        self.count(failure, message, outcome, into: &effects)
        switch outcome {
        case .deadLetter, .expired:
            self.slots[path]?.tailGivesUp(message.offset)
            self.finish(message.envelope.message.id, .failed(failure.error), into: &effects)
        case .notQueued: self.slots[path]?.tailGivesUp(message.offset)
        case .retrying, .staleToken, .tooManyRetries: self.giveBack(message, at: path)
        }
        self.ring.add(path, class: self.rank(of: path, state.actor(path)))
    }

    private mutating func count(
        _ failure: PendingFailure, _ message: MailboxTail.Waiting, _ outcome: FailureOutcome,
        into effects: inout Effects
    ) {
        let id = message.envelope.message.id
        switch outcome {
        case .retrying(let attempts):
            self.tally.retried += 1
            effects.put(.noted(.retried(failure.path, id, attempts: attempts, reason: failure.error.message)))
        case .deadLetter(_, let dropped):
            self.tally.deadLetters += 1
            self.tally.deadLettersDropped += UInt64(dropped.count)
            self.tally.ended(.failed(failure.error))
            effects.put(.noted(.deadLetter(failure.path, id, reason: failure.error.message)))
        case .expired: self.tally.expired += 1
        case .notQueued, .staleToken, .tooManyRetries: break
        }
    }
}

extension LeadSlot {
    mutating func tailGivesUp(_ offset: MailboxOffset) { self.tail.giveBack(offset) }
}
