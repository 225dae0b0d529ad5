internal import MeshCore

extension Runtime {
    /// Returns once the message is committed, or handed to the leader of its partition if it is ephemeral.
    package func send(_ message: OutgoingMessage) async throws -> MessageReceipt {
        switch try await self.submit(message, want: .acceptance) {
        case .accepted(let id): return MessageReceipt(id: id.description, path: message.path.description)
        case .outcome(_, .failed(let error)): throw error
        case let other: throw self.error(for: other, to: message.path)
        }
    }

    /// Sends and waits for the reply until the deadline.
    package func call(_ message: OutgoingMessage) async throws -> MessageReply {
        switch try await self.submit(message, want: .outcome) {
        case .outcome(let id, .reply(let body)): return MessageReply(id: id.description, body: body)
        case .outcome(_, .failed(let error)): throw error
        case let other: throw self.error(for: other, to: message.path)
        }
    }

    /// To the leader of the path's partition, for as long as the client waits.
    private func submit(_ message: OutgoingMessage, want: Requests.Want) async throws -> Answer {
        try message.validate()
        var random = SystemRandomNumberGenerator()
        let id = MessageID(using: &random)
        // A call nobody waits for any more need not run; a sent message waits as long as it must.
        let limit = message.timeout ?? (want == .outcome ? self.configuration.timeout : nil)
        // Read before the other clock: a message must not run after its caller was told that its time is over.
        let expiry = self.wallClock(after: limit)
        let deadline = MonotonicClock.now + (limit ?? self.configuration.timeout)
        let letter = Letter(
            message.path,
            Envelope(
                Message(
                    id: id, sender: message.sender, body: message.body, deadline: expiry,
                    idempotency: message.idempotencyKey.map { Fingerprint(ofKey: $0, path: message.path) }),
                kind: want == .outcome ? .ask : .tell))
        let delivery: MessageRequest.Delivery = message.delivery == .ephemeral ? .ephemeral : .durable
        let answer = try await self.attempt(letter, delivery, want, deadline)
        guard case .outcome(let id, .failed(let error)) = answer, error.accepted == .no else { return answer }
        if error.code == .notFound {
            // The leader may not have heard yet of a definition that this node knows. Frames to it keep their order.
            guard let leader = self.partitions.leader(of: message.path), leader != self.directory.localID,
                self.definitionTable.push(matching: message.path, to: leader)
            else { return answer }
            return try await self.attempt(letter, delivery, want, deadline)
        }
        guard let obstacle = self.partitions.meta.obstacle else { return answer }
        return .outcome(id, .failed(self.explained(error, by: obstacle)))
    }

    /// Whoever leads could not be found because nobody does.
    private func explained(_ error: MeshError, by obstacle: FoundingVote.Obstacle) -> MeshError {
        let (text, mend) = self.partitions.meta.told(obstacle)
        var error = error
        error.message += "; \(text)"
        error.hint = mend
        return error
    }

    private func attempt(
        _ letter: Letter, _ delivery: MessageRequest.Delivery, _ want: Requests.Want, _ deadline: Instant
    ) async throws -> Answer {
        // The router says more than that time is up, and a moment later.
        let patience = deadline + .milliseconds(500)
        return try await self.requests.perform(to: nil, want: want, deadline: patience) { number in
            self.partitions.route(number, letter, delivery, deadline: deadline)
        }
    }

    func wallClock(after duration: Duration?) -> UInt64? {
        guard let duration else { return nil }
        let milliseconds = UInt64(clamping: max(1, duration.nanoseconds / 1_000_000))
        return self.configuration.wallClock().addingReportingOverflow(milliseconds).partialValue
    }

    /// A member's name, or the beginning of its id.
    func name(of node: NodeID) -> String { self.directory.name(of: node) ?? node.short }

    private func error(for answer: Answer, to path: ActorPath) -> any Error {
        switch answer {
        case .expired(let accepted):
            MeshError(
                .deadlineExceeded, "no answer from \(path) before the deadline",
                hint: accepted ? "the message was accepted" : "", accepted: accepted ? .yes : .unknown)
        case .disconnected:
            MeshError(
                .unavailable, "the connection broke before \(path) answered",
                hint: "send again with the same idempotency key, if there was one", accepted: .unknown,
                retryAfter: .seconds(1))
        case .closed(let accepted):
            MeshError(
                .unavailable, "this node is shutting down", accepted: accepted ? .yes : .unknown,
                retryAfter: .seconds(1))
        case .tooMany:
            MeshError(
                .overloaded, "\(self.configuration.requestsMax) requests wait for an answer", retryAfter: .seconds(1))
        case .cancelled: CancellationError()
        case .accepted, .outcome, .listing, .acknowledged:
            MeshError(.internalError, "an answer of another kind came back", accepted: .unknown)
        }
    }
}

extension OutgoingMessage {
    fileprivate func validate() throws(MeshError) {
        guard self.body.count <= Message.bodyBytesMax else {
            throw MeshError(
                .tooLarge, "the body has \(self.body.count) bytes, more than \(Message.bodyBytesMax)")
        }
        guard self.sender.utf8.count <= Message.senderBytesMax else {
            throw MeshError(.invalidArgument, "the sender has more than \(Message.senderBytesMax) bytes")
        }
        if let key = self.idempotencyKey {
            guard 1...Message.idempotencyKeyBytesMax ~= key.utf8.count else {
                throw MeshError(
                    .invalidArgument, "an idempotency key has 1 to \(Message.idempotencyKeyBytesMax) bytes")
            }
            guard self.delivery == .durable else {
                throw MeshError(
                    .invalidArgument, "an ephemeral message leaves nothing that an idempotency key could refer to",
                    hint: "send it as durable, or without the key")
            }
        }
        if let timeout = self.timeout, timeout <= .zero {
            throw MeshError(.deadlineExceeded, "the deadline has passed already")
        }
    }
}
