/// All that a node believes and all recent events, in two words; equal on nodes that agree.
struct Summary: Equatable, Sendable {
    var members: UInt64
    var events: UInt64
}

/// The rest of the frame is what the sender believes of the members in these buckets, as ordinary messages.
struct DeltaHeader: Equatable, Sendable {
    var buckets: BucketSet
    /// The receiver shall send back what it knows better.
    var wantsAnswer: Bool
    /// The two sides have not heard the same events: both send their recent ones.
    var hasEvents = false
}

extension WireReader {
    mutating func summary() throws(WireError) -> Summary {
        Summary(members: try self.read(), events: try self.read())
    }

    /// The buckets of the sender's digest.
    mutating func digestDifference(from own: Digest) throws(WireError) -> BucketSet {
        var differing = BucketSet()
        for bucket in 0..<Digest.bucketCount where try self.read(UInt64.self) != own.buckets[bucket] {
            differing.insert(bucket)
        }
        return differing
    }

    mutating func deltaHeader() throws(WireError) -> DeltaHeader {
        let place = self.offset
        let flags: UInt8 = try self.read()
        guard flags <= 3 else { throw WireError(.invalidValue, at: place) }
        let words = (
            try self.read(UInt64.self), try self.read(UInt64.self), try self.read(UInt64.self),
            try self.read(UInt64.self)
        )
        return DeltaHeader(
            buckets: BucketSet(words: words), wantsAnswer: flags & 1 != 0, hasEvents: flags & 2 != 0)
    }
}

extension WireWriter {
    mutating func write(_ summary: Summary) {
        self.write(MessageKind.summary)
        self.write(summary.members)
        self.write(summary.events)
    }

    mutating func write(_ digest: Digest) {
        for bucket in digest.buckets { self.write(bucket) }
    }

    mutating func write(_ delta: DeltaHeader) {
        self.write(MessageKind.delta)
        self.write(UInt8((delta.wantsAnswer ? 1 : 0) | (delta.hasEvents ? 2 : 0)))
        self.write(delta.buckets.words.0)
        self.write(delta.buckets.words.1)
        self.write(delta.buckets.words.2)
        self.write(delta.buckets.words.3)
    }
}
