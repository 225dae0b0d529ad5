internal import DequeModule

/// Which idempotency keys were used, and for what.
///
/// Bounded, and full means refused: forgetting a key early would run a message twice. Entries leave in the order they
/// came, for all are kept equally long.
package struct IdempotencyTable: Sendable {
    package struct Entry: Hashable, Sendable {
        package var body: Fingerprint
        package var id: MessageID
        /// Wall clock in milliseconds since 1970.
        package var expiresAt: UInt64

        package init(body: Fingerprint, id: MessageID, expiresAt: UInt64) {
            self.body = body
            self.id = id
            self.expiresAt = expiresAt
        }
    }

    package enum Verdict: Hashable, Sendable {
        case fresh
        /// The same key and body before: the message has this id.
        case duplicate(MessageID)
        /// The same key with another body.
        case conflict
        case full
    }

    package let limit: Int
    private var entries: [Fingerprint: Entry] = [:]
    private var order: Deque<(key: Fingerprint, expiresAt: UInt64)> = []

    package init(limit: Int) { self.limit = limit }

    package var count: Int { self.entries.count }

    package func check(_ key: Fingerprint, body: Fingerprint, at now: UInt64) -> Verdict {
        if let entry = self.entries[key], entry.expiresAt > now {
            return entry.body == body ? .duplicate(entry.id) : .conflict
        }
        return self.entries.count < self.limit || self.entries[key] != nil ? .fresh : .full
    }

    package subscript(key: Fingerprint) -> Entry? { self.entries[key] }

    /// Returns the entry that had expired under the same key.
    @discardableResult
    package mutating func insert(_ key: Fingerprint, _ entry: Entry) -> Entry? {
        // Removed keys leave their place in the order behind.
        if self.order.count > 1024 + 2 * self.entries.count {
            self.order.removeAll { self.entries[$0.key]?.expiresAt != $0.expiresAt }
        }
        self.order.append((key, entry.expiresAt))
        return self.entries.updateValue(entry, forKey: key)
    }

    /// Forgets a key whose message was never run.
    package mutating func remove(_ key: Fingerprint) { self.entries[key] = nil }

    /// Drops up to `limit` expired entries and returns them.
    package mutating func expire(at now: UInt64, limit: Int) -> [(key: Fingerprint, entry: Entry)] {
        var expired: [(key: Fingerprint, entry: Entry)] = []
        while expired.count < limit, let first = self.order.first, first.expiresAt <= now {
            self.order.removeFirst()
            // A key used again after it had expired has a younger entry by now.
            guard let entry = self.entries[first.key], entry.expiresAt == first.expiresAt else { continue }
            self.entries[first.key] = nil
            expired.append((first.key, entry))
        }
        return expired
    }
}

extension IdempotencyTable.Entry {
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.body)
        writer.write(self.id)
        writer.write(self.expiresAt)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.body = try reader.fingerprint()
        self.id = try reader.messageID()
        self.expiresAt = try reader.read()
        try reader.end()
    }
}
