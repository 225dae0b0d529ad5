/// The numbers of the messages to one other partition. They are given when a turn is applied, so there are no gaps.
package struct OutboxStream: Hashable, Sendable {
    /// Which numbering this is; a partition that lost its own begins another.
    package var stream: UInt32
    /// The number that the next message gets; the first is 1.
    package var next: UInt64 = 1
    /// The destination has committed those up to here.
    package var acknowledged: UInt64 = 0
    /// Of all records since the numbering began, and of those up to the last acknowledged one.
    var bytesSent: UInt64 = 0
    var bytesAcknowledged: UInt64 = 0

    package init(stream: UInt32) { self.stream = stream }

    /// What waits.
    package var count: UInt64 { self.next - 1 - self.acknowledged }
    package var byteCount: UInt64 { self.bytesSent - self.bytesAcknowledged }
}

/// What has come from one other partition: everything below `expects`. Repeats are known by that, for ever.
package struct InboxStream: Hashable, Sendable {
    package var stream: UInt32
    package var expects: UInt64 = 1
    /// How often the source began another numbering: each time something may be missing.
    package var restarts: UInt32 = 0

    package init(stream: UInt32, restarts: UInt32 = 0) {
        self.stream = stream
        self.restarts = restarts
    }
}

extension OutboxStream {
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.stream)
        writer.write(self.next)
        writer.write(self.acknowledged)
        writer.write(self.bytesSent)
        writer.write(self.bytesAcknowledged)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.stream = try reader.read()
        self.next = try reader.read()
        self.acknowledged = try reader.read()
        self.bytesSent = try reader.read()
        self.bytesAcknowledged = try reader.read()
        guard self.acknowledged < self.next, self.bytesAcknowledged <= self.bytesSent else {
            throw WireError(.invalidValue, at: 0)
        }
        try reader.end()
    }
}

extension InboxStream {
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.stream)
        writer.write(self.expects)
        writer.write(self.restarts)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.stream = try reader.read()
        self.expects = try reader.read()
        self.restarts = try reader.read()
        try reader.end()
    }
}

/// A message in the outbox.
package struct OutboxRecord: Hashable, Sendable {
    /// Of all records of this numbering up to this one; so whoever acknowledges it need not add up what goes.
    package var bytesThrough: UInt64
    package var letter: Letter

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.bytesThrough = try reader.read()
        self.letter = try reader.letter()
        try reader.end()
    }

    /// The bytes of the record, and with them its place in the sum.
    static func encode(_ letter: Letter, after bytesBefore: UInt64) -> (record: [UInt8], bytesThrough: UInt64) {
        var writer = WireWriter()
        writer.write(letter)
        let through = bytesBefore + 8 + UInt64(writer.count)
        var record = WireWriter()
        record.bytes.reserveCapacity(8 + writer.count)
        record.write(through)
        record.bytes.append(contentsOf: writer.bytes)
        return (record.bytes, through)
    }
}
