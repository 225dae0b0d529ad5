internal import MeshCore
internal import MeshTransport

/// Brings one message into the mesh through whichever node answers, and does not give up before its time is over.
///
/// A try whose answer is lost may have done its work, so it is repeated only under an idempotency key, which every durable
/// message gets: then the mesh knows the second try for the first, whichever node it comes through.
struct MessageCourier {
    /// What is known of the message when it is given up.
    enum Fate: Sendable {
        /// It is not in the mesh and will not get there.
        case refused
        /// It is in the mesh, and what becomes of it is not known yet.
        case accepted
        /// An answer got lost, or none came.
        case unknown
    }

    /// A node that says nothing for so long is passed over, if there is another one; doubled with each round.
    private static let patience = Duration.seconds(2)
    private static let roundsMax = 6
    private static let pauses: ClosedRange<Duration> = .milliseconds(100) ... .seconds(2)
    /// What a node may need beyond the deadline it was given, to say that the deadline has passed.
    private static let answerTime = Duration.seconds(3)

    let addresses: [NodeAddress]
    let method: String
    let headers: [(String, String)]
    let body: [UInt8]
    let timeout: Duration
    /// A call ends when its time is over; a sent message waits for its turn as long as it must.
    let expires: Bool
    let isRepeatable: Bool

    static func newKey() -> String {
        "cli-"
            + randomBytes(16).map { byte in
                let digits = String(byte, radix: 16)
                return digits.count == 1 ? "0" + digits : digits
            }.joined()
    }

    func deliver(_ path: String) async throws -> NodeClient.Answer {
        let deadline = ContinuousClock.now + self.timeout
        var fate = Fate.refused
        var failure: CommandFailure?
        var pause = Self.pauses.lowerBound
        for round in 0... {
            var hasAnswered = false
            for address in self.addresses {
                let rest = deadline - ContinuousClock.now
                guard rest > .zero else { throw self.givenUp(failure, fate) }
                do { return try await self.attempt(path, at: address, within: rest, round: round) } catch {
                    guard let failed = error as? CommandFailure else { throw error }
                    failure = failed
                    fate = fate.after(failed)
                    hasAnswered = hasAnswered || failed.status != .unreachable
                    guard self.mayTryAgain(after: failed) else { throw self.givenUp(failed, fate) }
                }
            }
            // Nobody is there at the only place that was named, and never was.
            if round == 0, self.addresses.count == 1, !hasAnswered { throw self.givenUp(failure, fate) }
            let rest = deadline - ContinuousClock.now
            guard rest > pause else { throw self.givenUp(failure, fate) }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, Self.pauses.upperBound)
        }
        throw self.givenUp(failure, fate)
    }

    private func attempt(
        _ path: String, at address: NodeAddress, within rest: Duration, round: Int
    ) async throws -> NodeClient.Answer {
        var headers = self.headers
        if self.expires {
            headers.append(("Meshnode-Deadline-Ms", String(max(1, rest.nanoseconds / 1_000_000))))
        }
        var limit = self.expires ? rest + Self.answerTime : rest
        if self.addresses.count > 1, self.isRepeatable {
            limit = min(limit, Self.patience * (1 << min(round, Self.roundsMax)))
        }
        return try await NodeClient.with(address) { node in
            try await node.request(
                self.method, path, headers: headers, body: self.body, timeout: limit, mend: "allow more with --timeout")
        }
    }

    private func mayTryAgain(after failure: CommandFailure) -> Bool {
        switch failure.accepted {
        // Whether it may take effect twice decides; a mesh that says no without a cause that passes will say it again.
        case .unknown?, nil: guard self.isRepeatable || failure.status == .unreachable else { return false }
        case .yes?: guard self.isRepeatable, !failure.isOutcome else { return false }
        case .no?: break
        }
        switch failure.code {
        case .unavailable?, .overloaded?: return true
        case nil: return failure.status == .unreachable || failure.isLost
        default: return false
        }
    }

    private func givenUp(_ failure: CommandFailure?, _ fate: Fate) -> CommandFailure {
        var told =
            failure ?? CommandFailure("no node answered within \(self.timeout)", hint: "allow more with --timeout")
        if !told.isOutcome {
            switch fate {
            case .refused: break
            case .accepted: told.status = .accepted
            case .unknown: told.status = .unknown
            }
            if told.accepted != .yes, fate == .accepted { told.message += " (the message was accepted)" }
            if told.accepted == .no, fate == .unknown {
                told.message += " (whether the message was accepted is unknown: an earlier try got no answer)"
            }
        }
        return told
    }
}

extension CommandFailure {
    /// The message was processed, and this is what its actor answered.
    fileprivate var isOutcome: Bool {
        switch self.code {
        case .unavailable?, .deadlineExceeded?, nil: false
        default: self.accepted == .yes
        }
    }
}

extension MessageCourier.Fate {
    /// What was once accepted stays so; a later no says nothing of a try whose answer was lost.
    fileprivate func after(_ failure: CommandFailure) -> MessageCourier.Fate {
        switch (self, failure.accepted) {
        case (.accepted, _), (_, .yes?): .accepted
        case (.unknown, _), (_, .unknown?): .unknown
        case (.refused, .no?): .refused
        case (.refused, nil): failure.isLost ? .unknown : .refused
        }
    }
}
