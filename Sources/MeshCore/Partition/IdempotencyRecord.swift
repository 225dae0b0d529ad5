internal import DequeModule

/// What an idempotency key stands for.
package struct IdempotencyRecord: Hashable, Sendable {
    package var body: Fingerprint
    package var id: MessageID
    /// Nil while the message waits.
    package var outcome: Outcome?

    package init(body: Fingerprint, id: MessageID, outcome: Outcome? = nil) {
        self.body = body
        self.id = id
        self.outcome = outcome
    }

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.body)
        writer.write(self.id)
        writer.write(self.outcome)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.body = try reader.fingerprint()
        self.id = try reader.messageID()
        self.outcome = try reader.optionalOutcome()
        try reader.end()
    }
}

/// The keys that one entry brought. All are kept equally long, so pages are forgotten in the order of their numbers; and a
/// key counts until it is forgotten, so that none is in two pages.
struct IdempotencyPage: Hashable, Sendable {
    /// Log time.
    var expires: UInt64
    var keys: [Fingerprint]

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.expires)
        writer.write(UInt32(self.keys.count))
        for key in self.keys { writer.write(key) }
        return writer.bytes
    }
}

extension IdempotencyPage {
    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.expires = try reader.read()
        self.keys = []
        for _ in 0..<(try reader.read(UInt32.self)) { self.keys.append(try reader.fingerprint()) }
        try reader.end()
    }
}

/// The outcomes of the last messages, for who asks again because its answer was lost with a leader.
///
/// In memory only: what a replica knows here depends on when it was started, and nothing is decided by it.
struct RecentOutcomes: Sendable {
    private var outcomes: [MessageID: Outcome] = [:]
    private var order: Deque<(id: MessageID, byteCount: Int)> = []
    private var byteCount = 0
    let bytesMax: Int

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    subscript(id: MessageID) -> Outcome? { self.outcomes[id] }

    mutating func insert(_ id: MessageID, _ outcome: Outcome) {
        let bytes = outcome.byteCount + 64
        guard bytes <= self.bytesMax / 4, self.outcomes.updateValue(outcome, forKey: id) == nil else { return }
        self.order.append((id, bytes))
        self.byteCount += bytes
        while self.byteCount > self.bytesMax, let oldest = self.order.popFirst() {
            self.outcomes[oldest.id] = nil
            self.byteCount -= oldest.byteCount
        }
    }
}

extension Outcome {
    fileprivate var byteCount: Int {
        switch self {
        case .reply(let body): body.count
        case .failed(let error): error.message.utf8.count + error.hint.utf8.count
        }
    }
}
