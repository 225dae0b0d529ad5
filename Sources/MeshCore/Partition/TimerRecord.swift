/// A timer that is armed.
package struct TimerRecord: Hashable, Sendable {
    package enum Content: Hashable, Sendable {
        /// The body of the message that each firing queues.
        case reminder([UInt8])
        case delayed(Envelope)
    }

    /// Wall clock in milliseconds since 1970.
    package var due: UInt64
    /// The index of the entry that armed it.
    package var occurrence: LogIndex
    /// What the leader makes of it is no concern of the state.
    package var schedule: String
    package var content: Content

    package init(due: UInt64, occurrence: LogIndex, schedule: String = "", content: Content) {
        self.due = due
        self.occurrence = occurrence
        self.schedule = schedule
        self.content = content
    }

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.due)
        writer.write(self.occurrence)
        writer.write(shortText: self.schedule)
        switch self.content {
        case .reminder(let body):
            writer.write(1 as UInt8)
            writer.write(bytes: body)
        case .delayed(let envelope):
            writer.write(2 as UInt8)
            writer.write(envelope)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.due = try reader.read()
        self.occurrence = try reader.read()
        self.schedule = try reader.shortText()
        let start = reader.offset
        switch try reader.read(UInt8.self) {
        case 1: self.content = .reminder(try reader.bytes(limit: Message.bodyBytesMax))
        case 2: self.content = .delayed(try reader.envelope())
        default: throw WireError(.unknownKind, at: start)
        }
        try reader.end()
    }
}

/// What lies under a key of `PartitionKeys.dues`: with the key, all that firing needs.
package struct DueRecord: Hashable, Sendable {
    package var occurrence: LogIndex
    package var schedule: String

    package init(occurrence: LogIndex, schedule: String) {
        self.occurrence = occurrence
        self.schedule = schedule
    }

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.occurrence)
        writer.write(shortText: self.schedule)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.occurrence = try reader.read()
        self.schedule = try reader.shortText()
        try reader.end()
    }
}
