// Who asks twice is answered twice, and applied once: sessions for programs, idempotency keys for people.
extension PartitionState {
    // MARK: Sessions

    mutating func openSession(of entry: AppliedEntry) -> SessionID? {
        guard self.sessions.count < self.rules.sessionsMax else { return nil }
        let id = SessionID(incarnation: entry.incarnation, index: entry.index, command: entry.command)
        let session = SessionTable.Session(lastUsed: self.totals.logTime, highest: 0)
        self.sessions.open(id, session)
        self.buffer.put(PartitionKeys.session(id), session.encoded())
        return id
    }

    /// Nil: the request is the next of its session. It counts as made from here on, whatever becomes of its message.
    mutating func admit(_ request: Enqueue.Request, of enqueue: Enqueue) -> EnqueueOutcome? {
        guard let session = self.sessions[request.session] else { return .sessionExpired }
        let expected = session.highest + 1
        guard request.number <= expected else { return .outOfOrder(expected: expected) }
        let highest = max(request.number, session.highest)
        let used = SessionTable.Session(lastUsed: self.totals.logTime, highest: highest)
        self.sessions.use(request.session, at: used.lastUsed, highest: used.highest)
        self.buffer.put(PartitionKeys.session(request.session), used.encoded())
        return request.number == expected ? nil : self.repeated(enqueue)
    }

    /// A request that was made before was accepted, unless it came with an idempotency key: then the table of keys tells,
    /// for keys are remembered longer than sessions.
    private func repeated(_ enqueue: Enqueue) -> EnqueueOutcome {
        let message = enqueue.letter.envelope.message
        if let key = message.idempotency { return self.known(key, enqueue) ?? .keyTableFull }
        return .duplicate(of: message.id, self.recent[message.id].map { .finished($0) } ?? .unknown)
    }

    // MARK: Idempotency keys

    /// Nil: the key is new, and stands for this message now.
    mutating func claim(
        _ key: Fingerprint, for enqueue: Enqueue, of entry: inout AppliedEntry
    ) -> EnqueueOutcome? {
        if let known = self.known(key, enqueue) { return known }
        guard self.totals.idempotencyKeys < self.rules.keysMax else { return .keyTableFull }
        self.totals.idempotencyKeys += 1
        entry.newKeys.append(key)
        let record = IdempotencyRecord(body: self.body(of: enqueue), id: enqueue.letter.envelope.message.id)
        self.buffer.put(PartitionKeys.idempotencyKey(key), record.encoded())
        return nil
    }

    private func known(_ key: Fingerprint, _ enqueue: Enqueue) -> EnqueueOutcome? {
        guard let record = self.idempotencyRecord(key) else { return nil }
        guard record.body == self.body(of: enqueue) else { return .conflict(with: record.id) }
        return .duplicate(of: record.id, record.outcome.map { .finished($0) } ?? .waiting)
    }

    private func body(of enqueue: Enqueue) -> Fingerprint {
        guard let body = enqueue.bodyFingerprint else {
            preconditionFailure("a message with an idempotency key and without a fingerprint of its body")
        }
        return body
    }

    /// What the message ended with is what repeats are told from now on.
    mutating func keep(_ outcome: MeshCore.Outcome, of id: MessageID, under key: Fingerprint) {
        // A message may wait longer than its key is remembered.
        guard var record = self.idempotencyRecord(key), record.id == id else { return }
        record.outcome = outcome
        if case .reply(let body) = outcome, body.count > self.rules.keptReplyBytesMax {
            record.outcome = .failed(
                MeshError(
                    .tooLarge,
                    "the message with this idempotency key was processed; its reply of \(body.count) bytes is over "
                        + "the \(self.rules.keptReplyBytesMax) that are kept",
                    accepted: .yes))
        }
        self.buffer.put(PartitionKeys.idempotencyKey(key), record.encoded())
    }

    private func idempotencyRecord(_ key: Fingerprint) -> IdempotencyRecord? {
        self.buffer.record(PartitionKeys.idempotencyKey(key))
    }

    // MARK: Time

    /// Log time goes on, and what has had its time is forgotten: some of it with every entry, in an order and at a pace that
    /// only the log decides.
    mutating func passTime(by milliseconds: UInt32, to wallClock: UInt64) {
        self.totals.logTime += UInt64(milliseconds)
        if self.rules.flaw == .timeJumps { self.totals.logTime = max(self.totals.logTime, wallClock) }
        let now = self.totals.logTime
        for _ in 0..<self.rules.pagesPerEntry where self.totals.firstKeyPage < self.totals.nextKeyPage {
            if let expires = self.firstPageExpires, expires > now { break }
            let page = self.page(self.totals.firstKeyPage)
            self.firstPageExpires = page.expires
            guard page.expires <= now else { break }
            for key in page.keys { self.buffer.delete(PartitionKeys.idempotencyKey(key)) }
            self.buffer.delete(PartitionKeys.keyPage(self.totals.firstKeyPage))
            self.totals.idempotencyKeys -= UInt64(page.keys.count)
            self.totals.firstKeyPage += 1
            self.firstPageExpires = nil
        }
        guard now > self.rules.sessionRetention else { return }
        let expired = self.sessions.expire(
            unusedSince: now - self.rules.sessionRetention, limit: self.rules.sessionsPerEntry)
        for session in expired { self.buffer.delete(PartitionKeys.session(session)) }
    }

    /// The keys that an entry brought are forgotten together.
    mutating func keepKeys(of entry: AppliedEntry) {
        guard !entry.newKeys.isEmpty else { return }
        let page = IdempotencyPage(expires: self.totals.logTime + self.rules.keyRetention, keys: entry.newKeys)
        self.buffer.put(PartitionKeys.keyPage(self.totals.nextKeyPage), page.encoded())
        self.totals.nextKeyPage += 1
    }

    private func page(_ number: UInt64) -> IdempotencyPage {
        guard let page: IdempotencyPage = self.buffer.record(PartitionKeys.keyPage(number)) else {
            preconditionFailure("page \(number) of idempotency keys is missing")
        }
        return page
    }
}
