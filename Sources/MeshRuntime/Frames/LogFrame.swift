internal import Logging
internal import MeshCore

// How log lines are asked for and answered between members: the bodies of a `query` and of an `answer` of kind 2.

extension Logger.Level {
    fileprivate var code: UInt8 { UInt8(Self.allCases.firstIndex(of: self) ?? 0) }

    fileprivate init(code: UInt8, at offset: Int) throws(WireError) {
        guard Int(code) < Self.allCases.count else { throw WireError(.invalidValue, at: offset) }
        self = Self.allCases[Int(code)]
    }
}

extension LogQuery {
    // Flags, [boot, sequence], [milliseconds], level, lines. An age and no time: clocks of two nodes do not agree.
    func write(to writer: inout WireWriter) {
        writer.write((self.after == nil ? 0 : 1) | (self.age == nil ? 0 : 2) as UInt8)
        if let after = self.after {
            writer.write(after.boot)
            writer.write(after.sequence)
        }
        if let age = self.age { writer.write(UInt64(clamping: max(0, age.nanoseconds / 1_000_000))) }
        writer.write(self.level.code)
        writer.write(UInt32(clamping: self.lines))
    }

    static func read(from reader: inout WireReader) throws(WireError) -> LogQuery {
        var query = LogQuery()
        let flags = try reader.read(UInt8.self)
        guard flags & ~3 == 0 else { throw WireError(.invalidValue, at: reader.offset - 1) }
        if flags & 1 != 0 { query.after = EventID(boot: try reader.read(), sequence: try reader.read()) }
        if flags & 2 != 0 {
            let milliseconds = try reader.read(UInt64.self)
            // As long as nanoseconds can say: 278 years.
            query.age = .milliseconds(Int64(clamping: min(milliseconds, 1 << 43)))
        }
        query.level = try Logger.Level(code: try reader.read(), at: reader.offset - 1)
        query.lines = min(Int(try reader.read(UInt32.self)), LogQuery.linesMax)
        return query
    }
}

extension EventJournal.Page {
    /// Leaves room for the frame's head.
    private static let bytesMax = PeerFrame.bytesMax - (64 << 10)
    private static let fieldsMax = 64

    // Kind, gap, end; then for each line 1, sequence, time, level, part, message, fields; then 0. A line of another kind
    // of event does not belong here and is left out.
    func encodedLogs() -> [UInt8] {
        var writer = WireWriter()
        writer.write(2 as UInt8)
        writer.write(self.gap?.reason.code ?? 0)
        if let after = self.gap?.after {
            writer.write(after.boot)
            writer.write(after.sequence)
        }
        writer.write(self.end.boot)
        writer.write(self.end.sequence)
        for event in self.events where writer.count < Self.bytesMax {
            guard let record = event.log else { continue }
            writer.write(1 as UInt8)
            writer.write(event.id.sequence)
            writer.write(event.wallClock)
            writer.write(record.level.code)
            writer.write(text: record.part)
            writer.write(text: record.message)
            writer.write(UInt8(min(record.fields.count, Self.fieldsMax)))
            for field in record.fields.prefix(Self.fieldsMax) {
                writer.write(text: field.key)
                writer.write(text: field.value)
            }
        }
        writer.write(0 as UInt8)
        return writer.bytes
    }

    init(decodingLogs bytes: [UInt8]) throws(WireError) {
        let textMax = LogRecord.textBytesMax + 64
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 2 else { throw WireError(.unknownKind, at: 0) }
        let code = try reader.read(UInt8.self)
        var gap: EventJournal.Gap?
        if code != 0 {
            guard let reason = EventJournal.Gap.Reason(code: code) else { throw WireError(.invalidValue, at: 1) }
            gap = EventJournal.Gap(
                after: EventID(boot: try reader.read(), sequence: try reader.read()), reason: reason)
        }
        self.init(gap: gap, events: [], end: EventID(boot: try reader.read(), sequence: try reader.read()))
        while try reader.read(UInt8.self) == 1 {
            let id = EventID(boot: self.end.boot, sequence: try reader.read())
            let wallClock: UInt64 = try reader.read()
            let level = try Logger.Level(code: try reader.read(), at: reader.offset - 1)
            var record = LogRecord(
                level: level, part: try reader.text(limit: textMax), message: try reader.text(limit: textMax),
                fields: [])
            for _ in 0..<(try reader.read(UInt8.self)) {
                record.fields.append(Label(try reader.text(limit: textMax), try reader.text(limit: textMax)))
            }
            self.events.append(NodeEvent(id: id, wallClock: wallClock, content: .log(record)))
        }
        try reader.end()
    }
}

extension EventJournal.Gap.Reason {
    fileprivate var code: UInt8 {
        switch self {
        case .dropped: 1
        case .restarted: 2
        case .unknown: 3
        }
    }

    fileprivate init?(code: UInt8) {
        guard let reason = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = reason
    }
}
