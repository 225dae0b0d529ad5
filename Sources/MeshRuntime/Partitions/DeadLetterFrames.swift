package import MeshCore

/// Which dead letter: the partition keeps a count of its own, so this is the same on every replica and for ever.
package struct DeadLetterID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var partition: Partition
    package var number: UInt64

    package init(partition: Partition, number: UInt64) {
        self.partition = partition
        self.number = number
    }

    /// As `description` wrote it, such as `17-3`.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let partition = UInt16(parts[0]), let number = UInt64(parts[1]) else { return nil }
        self.init(partition: Partition(index: partition), number: number)
        // One spelling of each.
        guard self.description == text else { return nil }
    }

    package var description: String { "\(self.partition.index)-\(self.number)" }

    package static func < (left: DeadLetterID, right: DeadLetterID) -> Bool {
        (left.partition, left.number) < (right.partition, right.number)
    }
}

/// A part of the list of dead letters, in order of their ids.
package struct DeadLetterPage: Hashable, Sendable {
    package static let limitMax = 256

    /// Of which paths.
    package var prefix: String
    /// Behind this one.
    package var after: DeadLetterID?
    package var limit: Int

    package init(prefix: String = "", after: DeadLetterID? = nil, limit: Int = DeadLetterPage.limitMax) {
        self.prefix = prefix
        self.after = after
        self.limit = min(max(limit, 1), Self.limitMax)
    }
}

package enum DeadLetterAction: UInt8, Sendable {
    /// Back to the end of their mailboxes.
    case replay = 1
    /// Gone for good.
    case purge = 2
}

/// What is asked of members about dead letters, as the body of a `query` frame behind its kind.
enum DeadLetterQuery: Hashable, Sendable {
    /// Of the partitions that a member leads.
    case list(DeadLetterPage)
    /// One with its body, of the leader of its partition.
    case show(DeadLetterID)
    /// Done by the leader of their partition.
    case act(DeadLetterAction, Partition, [UInt64])

    func write(to writer: inout WireWriter) {
        switch self {
        case .list(let page):
            writer.write(1 as UInt8)
            writer.write(text: page.prefix)
            writer.write((page.after == nil ? 0 : 1) as UInt8)
            if let after = page.after { writer.write(after) }
            writer.write(UInt16(page.limit))
        case .show(let id):
            writer.write(2 as UInt8)
            writer.write(id)
        case .act(let action, let partition, let numbers):
            writer.write(3 as UInt8)
            writer.write(action.rawValue)
            writer.write(partition.index)
            writer.write(numbers: numbers)
        }
    }

    static func read(from reader: inout WireReader) throws(WireError) -> DeadLetterQuery {
        let place = reader.offset
        switch try reader.read(UInt8.self) {
        case 1:
            let prefix = try reader.text(limit: ActorPath.bytesMax)
            let after = try reader.read(UInt8.self) == 1 ? try reader.deadLetterID() : nil
            return .list(DeadLetterPage(prefix: prefix, after: after, limit: Int(try reader.read(UInt16.self))))
        case 2: return .show(try reader.deadLetterID())
        case 3:
            guard let action = DeadLetterAction(rawValue: try reader.read()) else {
                throw WireError(.invalidValue, at: place)
            }
            return .act(action, Partition(index: try reader.read()), try reader.deadLetterNumbers())
        default: throw WireError(.unknownKind, at: place)
        }
    }
}

/// The body of an `answer` frame.
enum DeadLetterAnswer: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        var id: DeadLetterID
        var record: DeadLetterRecord
    }

    case list([Entry])
    /// With the envelope as it lay in the mailbox.
    case letter(Entry, Envelope)
    case missing
    /// The numbers of those that it was done to; the others were not there.
    case done([UInt64])
    /// Another node leads the partition, if any does; nothing was done.
    case elsewhere(NodeID?)
    case refused(MeshError)

    private static let recordBytesMax = 16 << 10

    // Kind, what it is, and what belongs to it.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(7 as UInt8)
        switch self {
        case .list(let entries):
            writer.write(1 as UInt8)
            writer.write(UInt16(entries.count))
            for entry in entries {
                writer.write(entry.id)
                writer.write(bytes: entry.record.encoded())
            }
        case .letter(let entry, let envelope):
            writer.write(2 as UInt8)
            writer.write(entry.id)
            writer.write(bytes: entry.record.encoded())
            writer.write(bytes: envelope.encoded())
        case .missing: writer.write(3 as UInt8)
        case .done(let numbers):
            writer.write(4 as UInt8)
            writer.write(numbers: numbers)
        case .elsewhere(let leader):
            writer.write(5 as UInt8)
            writer.write((leader == nil ? 0 : 1) as UInt8)
            if let leader { writer.write(leader) }
        case .refused(let error):
            writer.write(6 as UInt8)
            Outcome.failed(error).write(to: &writer)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 7 else { throw WireError(.unknownKind, at: 0) }
        switch try reader.read(UInt8.self) {
        case 1:
            var entries: [Entry] = []
            let count = Int(try reader.read(UInt16.self))
            guard count <= DeadLetterPage.limitMax else { throw WireError(.tooLong, at: 2) }
            for _ in 0..<count { entries.append(try reader.deadLetter(limit: Self.recordBytesMax)) }
            self = .list(entries)
        case 2:
            let entry = try reader.deadLetter(limit: Self.recordBytesMax)
            self = .letter(entry, try Envelope(decoding: try reader.bytes(limit: PeerFrame.bytesMax)))
        case 3: self = .missing
        case 4: self = .done(try reader.deadLetterNumbers())
        case 5: self = .elsewhere(try reader.read(UInt8.self) == 1 ? try reader.nodeID() : nil)
        case 6:
            guard case .failed(let error) = try Outcome.read(from: &reader) else {
                throw WireError(.invalidValue, at: 1)
            }
            self = .refused(error)
        default: throw WireError(.unknownKind, at: 1)
        }
        try reader.end()
    }
}

extension WireWriter {
    fileprivate mutating func write(_ id: DeadLetterID) {
        self.write(id.partition.index)
        self.write(id.number)
    }

    fileprivate mutating func write(numbers: [UInt64]) {
        self.write(UInt16(numbers.count))
        for number in numbers { self.write(number) }
    }
}

extension WireReader {
    fileprivate mutating func deadLetterID() throws(WireError) -> DeadLetterID {
        DeadLetterID(partition: Partition(index: try self.read()), number: try self.read())
    }

    fileprivate mutating func deadLetterNumbers() throws(WireError) -> [UInt64] {
        let place = self.offset
        let count = Int(try self.read(UInt16.self))
        guard count <= DeadLetterCommand.numbersMax else { throw WireError(.tooLong, at: place) }
        var numbers: [UInt64] = []
        for _ in 0..<count { numbers.append(try self.read()) }
        return numbers
    }

    fileprivate mutating func deadLetter(limit: Int) throws(WireError) -> DeadLetterAnswer.Entry {
        DeadLetterAnswer.Entry(
            id: try self.deadLetterID(), record: try DeadLetterRecord(decoding: try self.bytes(limit: limit)))
    }
}
