/// The numbers of the messages to one other partition. They are given when a turn is applied, so there are no gaps.
package struct OutboxStream: Hashable, Sendable {
    /// Which numbering this is; a partition that lost its own begins another.
    package var stream: UInt32
    /// The number that the next message gets; the first is 1.
    package var next: UInt64 = 1
    /// The destination has committed those up to here.
    package var acknowledged: UInt64 = 0
    /// Of the records of those between.
    package var byteCount: UInt64 = 0

    package init(stream: UInt32) { self.stream = stream }

    package var count: UInt64 { self.next - 1 - self.acknowledged }
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
        writer.write(self.byteCount)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.stream = try reader.read()
        self.next = try reader.read()
        self.acknowledged = try reader.read()
        self.byteCount = try reader.read()
        guard self.acknowledged < self.next else { throw WireError(.invalidValue, at: 0) }
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

extension Letter {
    /// As the outbox holds it.
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self = try reader.letter()
        try reader.end()
    }
}
