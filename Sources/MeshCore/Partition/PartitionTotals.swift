/// Sums and counters of a partition, exact after every entry.
package struct PartitionTotals: Hashable, Sendable {
    /// The last entry whose changes these are.
    package internal(set) var applied: LogIndex = 0
    /// Milliseconds that have passed in the partition's life, by its leaders' monotonic clocks.
    package internal(set) var logTime: UInt64 = 0
    /// Waiting messages, and the bytes of their records.
    package internal(set) var messages: UInt64 = 0
    package internal(set) var messageBytes: UInt64 = 0
    /// Timers, delayed messages among them, and the bytes of their records.
    package internal(set) var timers: UInt64 = 0
    package internal(set) var timerBytes: UInt64 = 0
    package internal(set) var idempotencyKeys: UInt64 = 0
    /// Pages of idempotency keys that are not forgotten: `firstKeyPage ..< nextKeyPage`.
    var firstKeyPage: UInt64 = 0
    var nextKeyPage: UInt64 = 0
    var nextDeadLetter: UInt64 = 1
    /// No mailbox that was forgotten had a number from here on; a new one begins here, so that no offset ever names two
    /// messages of one actor.
    var mailboxFloor: UInt64 = 0

    package init() {}
}

extension PartitionTotals {
    private static let formatVersion: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(1 + 11 * 8)
        writer.write(Self.formatVersion)
        for field in [
            self.applied, self.logTime, self.messages, self.messageBytes, self.timers, self.timerBytes,
            self.idempotencyKeys, self.firstKeyPage, self.nextKeyPage, self.nextDeadLetter, self.mailboxFloor,
        ] {
            writer.write(field)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == Self.formatVersion else { throw WireError(.unsupportedVersion, at: 0) }
        self.applied = try reader.read()
        self.logTime = try reader.read()
        self.messages = try reader.read()
        self.messageBytes = try reader.read()
        self.timers = try reader.read()
        self.timerBytes = try reader.read()
        self.idempotencyKeys = try reader.read()
        self.firstKeyPage = try reader.read()
        self.nextKeyPage = try reader.read()
        self.nextDeadLetter = try reader.read()
        self.mailboxFloor = try reader.read()
        guard self.firstKeyPage <= self.nextKeyPage else { throw WireError(.invalidValue, at: 0) }
        try reader.end()
    }
}
