internal import DequeModule

/// A message that was given up, and why. Its body, an `Envelope`, lies apart, so that a list of them costs little.
package struct DeadLetterRecord: Hashable, Sendable {
    package var path: ActorPath
    package var id: MessageID
    package var sender: String
    package var reason: String
    package var failures: UInt16
    /// When it was given up, by the leader's clock, in milliseconds since 1970.
    package var wallClock: UInt64
    /// Of the envelope.
    package var byteCount: UInt64

    package init(
        path: ActorPath, id: MessageID, sender: String, reason: String, failures: UInt16, wallClock: UInt64,
        byteCount: UInt64
    ) {
        self.path = path
        self.id = id
        self.sender = sender
        self.reason = reason
        self.failures = failures
        self.wallClock = wallClock
        self.byteCount = byteCount
    }

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.path)
        writer.write(self.id)
        writer.write(text: self.sender)
        writer.write(text: self.reason)
        writer.write(self.failures)
        writer.write(self.wallClock)
        writer.write(self.byteCount)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.path = try reader.actorPath()
        self.id = try reader.messageID()
        self.sender = try reader.text(limit: Message.senderBytesMax)
        self.reason = try reader.text(limit: Failure.reasonBytesMax)
        self.failures = try reader.read()
        self.wallClock = try reader.read()
        self.byteCount = try reader.read()
        try reader.end()
    }
}

/// Which dead letters there are: the youngest, up to a number and a size.
struct DeadLetterTable: Sendable {
    struct Entry: Sendable {
        var number: UInt64
        var path: ActorPath
        var byteCount: UInt64
    }

    /// By number.
    private var entries: Deque<Entry> = []
    private(set) var byteCount: UInt64 = 0

    var count: Int { self.entries.count }

    mutating func append(_ entry: Entry) {
        precondition(
            self.entries.last.map { $0.number < entry.number } ?? true, "dead letter \(entry.number) is not new")
        self.entries.append(entry)
        self.byteCount += entry.byteCount
    }

    /// The oldest, if they are more than may be kept.
    mutating func popOverflow(countMax: Int, bytesMax: UInt64) -> UInt64? {
        guard self.entries.count > 1, self.entries.count > countMax || self.byteCount > bytesMax,
            let oldest = self.entries.popFirst()
        else { return nil }
        self.byteCount -= oldest.byteCount
        return oldest.number
    }

    func numbers(after number: UInt64?, prefix: String, limit: Int) -> [UInt64] {
        var found: [UInt64] = []
        for entry in self.entries where entry.number > number ?? 0 || number == nil {
            guard found.count < limit else { break }
            if entry.path.description.hasPrefix(prefix) { found.append(entry.number) }
        }
        return found
    }

    func find(_ number: UInt64) -> Entry? { self.place(of: number).map { self.entries[$0] } }

    /// False if there is none.
    mutating func remove(_ number: UInt64) -> Bool {
        guard let place = self.place(of: number) else { return false }
        self.byteCount -= self.entries[place].byteCount
        self.entries.remove(at: place)
        return true
    }

    private func place(of number: UInt64) -> Int? {
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low < self.entries.count && self.entries[low].number == number ? low : nil
    }
}
