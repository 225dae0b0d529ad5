/// How a partition lies in storage, under the keys of its group.
///
/// The first byte says what it is. A path has no zero byte, so `path 0 rest` keeps what belongs to one actor together, and
/// that of `/a` apart from that of `/ab`; numbers are big-endian, so iteration is in order.
package enum PartitionKeys {
    /// Raw values are bytes on disk.
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// Sums and counters of the whole partition; there is one such record.
        case totals = 0x63  // c
        /// An actor with waiting messages. These are in memory: a new leader must know them all.
        case busyActor = 0x41  // A
        /// Any other actor.
        case idleActor = 0x61  // a
        case message = 0x6d  // m
        case value = 0x73  // s
        case timer = 0x74  // t
        /// Timers again, in the order in which they are due.
        case due = 0x64  // d
        case idempotencyKey = 0x6b  // k
        /// Idempotency keys in the order in which they are forgotten, a page for each entry that brought some.
        case keyPage = 0x78  // x
        case session = 0x53  // S
        case outbox = 0x6f  // o
        /// The numbers of the outbox to one partition.
        case outboxStream = 0x6e  // n
        case inboxStream = 0x69  // i
        case deadLetter = 0x44  // D
        case deadLetterBody = 0x42  // B
    }

    package static let totals: [UInt8] = [Kind.totals.rawValue]

    package static func actor(_ path: ActorPath, isBusy: Bool) -> [UInt8] {
        [(isBusy ? Kind.busyActor : .idleActor).rawValue] + path.description.utf8
    }

    /// Actors without waiting messages whose path begins with this text.
    package static func actorsAtRest(_ prefix: String) -> [UInt8] { [Kind.idleActor.rawValue] + prefix.utf8 }

    package static func messages(of path: ActorPath) -> [UInt8] { self.prefix(.message, path) }

    package static func message(_ path: ActorPath, _ offset: MailboxOffset) -> [UInt8] {
        self.prefix(.message, path) + self.bytes(offset.rawValue)
    }

    package static func values(of path: ActorPath) -> [UInt8] { self.prefix(.value, path) }

    package static func value(_ path: ActorPath, _ key: [UInt8]) -> [UInt8] { self.prefix(.value, path) + key }

    package static func timers(of path: ActorPath) -> [UInt8] { self.prefix(.timer, path) }

    package static func timer(_ path: ActorPath, _ timer: TimerID) -> [UInt8] {
        self.prefix(.timer, path) + self.bytes(timer)
    }

    package static let dues: [UInt8] = [Kind.due.rawValue]

    package static func due(_ due: UInt64, _ path: ActorPath, _ timer: TimerID) -> [UInt8] {
        self.dues + self.bytes(due) + path.description.utf8 + [0] + self.bytes(timer)
    }

    package static func idempotencyKey(_ key: Fingerprint) -> [UInt8] {
        [Kind.idempotencyKey.rawValue] + self.bytes(key.high) + self.bytes(key.low)
    }

    package static func keyPage(_ number: UInt64) -> [UInt8] { [Kind.keyPage.rawValue] + self.bytes(number) }

    package static func session(_ session: SessionID) -> [UInt8] {
        var writer = WireWriter([Kind.session.rawValue])
        writer.write(session)
        return writer.bytes
    }

    package static func outbox(to destination: Partition) -> [UInt8] {
        [Kind.outbox.rawValue] + self.bytes(destination.index)
    }

    package static func outbox(to destination: Partition, _ number: UInt64) -> [UInt8] {
        self.outbox(to: destination) + self.bytes(number)
    }

    package static func outboxStream(to destination: Partition) -> [UInt8] {
        [Kind.outboxStream.rawValue] + self.bytes(destination.index)
    }

    package static func inboxStream(from source: Partition) -> [UInt8] {
        [Kind.inboxStream.rawValue] + self.bytes(source.index)
    }

    package static let deadLetters: [UInt8] = [Kind.deadLetter.rawValue]

    package static func deadLetter(_ number: UInt64) -> [UInt8] { self.deadLetters + self.bytes(number) }

    package static func deadLetterBody(_ number: UInt64) -> [UInt8] {
        [Kind.deadLetterBody.rawValue] + self.bytes(number)
    }

    private static func prefix(_ kind: Kind, _ path: ActorPath) -> [UInt8] {
        var bytes: [UInt8] = []
        let text = path.description.utf8
        bytes.reserveCapacity(text.count + 16)
        bytes.append(kind.rawValue)
        bytes.append(contentsOf: text)
        bytes.append(0)
        return bytes
    }

    private static func bytes(_ value: some FixedWidthInteger & BitwiseCopyable) -> [UInt8] {
        var writer = WireWriter()
        writer.write(value)
        return writer.bytes
    }

    private static func bytes(_ timer: TimerID) -> [UInt8] {
        var writer = WireWriter()
        writer.write(timer)
        return writer.bytes
    }
}

/// What a key says of itself: for recovery, for who reads ranges, and for people who look into the data folder.
extension PartitionKeys {
    package static func kind(of key: [UInt8]) throws(WireError) -> Kind {
        guard let kind = key.first.flatMap(Kind.init) else { throw WireError(.unknownKind, at: 0) }
        return kind
    }

    /// Of a key of an actor alone.
    static func actor(of key: [UInt8]) throws(WireError) -> ActorPath { try self.path(key[1...], at: 1) }

    /// Of a key of `messages(of:)`.
    package static func offset(of key: [UInt8]) throws(WireError) -> MailboxOffset {
        guard key.count > 8 else { throw WireError(.truncated, at: key.count) }
        return MailboxOffset(rawValue: key.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// Of a key of `values(of:)`.
    package static func stateKey(of key: [UInt8], path: ActorPath) -> [UInt8] {
        Array(key.dropFirst(path.description.utf8.count + 2))
    }

    /// Of a key of `dues`.
    package static func timer(ofDue key: [UInt8]) throws(WireError) -> (due: UInt64, path: ActorPath, timer: TimerID) {
        var reader = WireReader(key.raw)
        _ = try reader.read(UInt8.self)
        let due = try reader.read(UInt64.self)
        guard let end = key.dropFirst(9).firstIndex(of: 0) else { throw WireError(.truncated, at: key.count) }
        let path = try self.path(key[9..<end], at: 9)
        _ = try reader.array(end + 1 - 9)
        let timer = try reader.timerID()
        try reader.end()
        return (due, path, timer)
    }

    private static func path(_ bytes: ArraySlice<UInt8>, at place: Int) throws(WireError) -> ActorPath {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let path = try? ActorPath(text), path.description.utf8.elementsEqual(bytes) else {
            throw WireError(.invalidValue, at: place)
        }
        return path
    }
}
