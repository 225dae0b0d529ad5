// kind, priority, flags, [reply to], [in reply to], [trace], message.
extension Envelope {
    /// As its mailbox holds it.
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(self.message.byteCount + 32)
        writer.write(self)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self = try reader.envelope()
        try reader.end()
    }

    fileprivate enum Flags {
        static let replyTo: UInt8 = 1
        static let inReplyTo: UInt8 = 2
        static let trace: UInt8 = 4
        static let all: UInt8 = 7
    }
}

extension WireWriter {
    package mutating func write(_ path: ActorPath) { self.write(text: path.description) }

    mutating func write(_ envelope: Envelope) {
        self.write(envelope.kind.rawValue)
        self.write(envelope.priority.rawValue)
        var flags: UInt8 = 0
        if envelope.replyTo != nil { flags |= Envelope.Flags.replyTo }
        if envelope.inReplyTo != nil { flags |= Envelope.Flags.inReplyTo }
        if !envelope.trace.isEmpty { flags |= Envelope.Flags.trace }
        self.write(flags)
        if let path = envelope.replyTo { self.write(path) }
        if let id = envelope.inReplyTo { self.write(id) }
        if !envelope.trace.isEmpty { self.write(shortText: envelope.trace) }
        envelope.message.write(to: &self)
    }

    mutating func write(_ letter: Letter) {
        self.write(letter.path)
        self.write(optional: letter.notBefore)
        self.write(letter.envelope)
    }

    /// A byte that says whether there is one, and the value.
    mutating func write(optional value: UInt64?) {
        self.write((value == nil ? 0 : 1) as UInt8)
        if let value { self.write(value) }
    }
}

extension WireReader {
    package mutating func actorPath() throws(WireError) -> ActorPath {
        let start = self.offset
        let text = try self.text(limit: ActorPath.bytesMax)
        // Only the canonical spelling, so that what is read is written the same.
        guard let path = try? ActorPath(text), path.description == text else {
            throw WireError(.invalidValue, at: start)
        }
        return path
    }

    mutating func envelope() throws(WireError) -> Envelope {
        let start = self.offset
        guard let kind = Envelope.Kind(rawValue: try self.read()) else { throw WireError(.unknownKind, at: start) }
        let priority = try self.priority()
        let flagsAt = self.offset
        let flags = try self.read(UInt8.self)
        guard flags & ~Envelope.Flags.all == 0 else { throw WireError(.invalidValue, at: flagsAt) }
        let replyTo = flags & Envelope.Flags.replyTo == 0 ? nil : try self.actorPath()
        let inReplyTo = flags & Envelope.Flags.inReplyTo == 0 ? nil : try self.messageID()
        var trace = ""
        if flags & Envelope.Flags.trace != 0 {
            let traceAt = self.offset
            trace = try self.shortText()
            guard !trace.isEmpty else { throw WireError(.invalidValue, at: traceAt) }
        }
        return Envelope(
            try Message.read(from: &self), kind: kind, priority: priority, replyTo: replyTo, inReplyTo: inReplyTo,
            trace: trace)
    }

    private mutating func priority() throws(WireError) -> Envelope.Priority {
        let start = self.offset
        guard let priority = Envelope.Priority(rawValue: try self.read()) else {
            throw WireError(.unknownKind, at: start)
        }
        return priority
    }

    mutating func letter() throws(WireError) -> Letter {
        let path = try self.actorPath()
        let notBefore = try self.optional()
        return Letter(path, try self.envelope(), notBefore: notBefore)
    }

    mutating func mailboxOffset() throws(WireError) -> MailboxOffset {
        let start = self.offset
        let offset = MailboxOffset(rawValue: try self.read())
        guard offset.priority != nil else { throw WireError(.invalidValue, at: start) }
        return offset
    }

    mutating func optional() throws(WireError) -> UInt64? { try self.flag() ? try self.read(UInt64.self) : nil }

    /// A byte that is 0 or 1.
    mutating func flag() throws(WireError) -> Bool {
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw WireError(.invalidValue, at: start)
        }
    }

    /// A 16-bit count of at most `limit`.
    mutating func count(limit: Int) throws(WireError) -> Int {
        let start = self.offset
        let count = Int(try self.read(UInt16.self))
        guard count <= limit else { throw WireError(.tooLong, at: start) }
        return count
    }
}
