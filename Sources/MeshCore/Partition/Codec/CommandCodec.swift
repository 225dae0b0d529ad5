extension PartitionCommand {
    /// The byte that says which command follows.
    package enum Kind: UInt8, Sendable, CaseIterable {
        case enqueue = 1
        case grant = 2
        case turn = 3
        case enqueueAndTurn = 4
        case failure = 5
        case release = 6
        case delivery = 7
        case outboxAck = 8
        case openSession = 9
        case timerFired = 10
        case replay = 11
        case purge = 12
    }
}

// Version, incarnation, elapsed, wall clock, count, commands.
extension CommandBatch {
    package static let formatVersion: UInt8 = 1
    /// What a batch takes beside its commands.
    package static let headerBytes = 1 + 12 + 4 + 8 + 2

    package func encoded() -> [UInt8] { Self.encode(self, self.commands.map { $0.encoded() }) }

    /// A batch of commands that are encoded already: who gathers one knows how large it has become.
    package static func encode(_ header: CommandBatch, _ commands: [[UInt8]]) -> [UInt8] {
        precondition(commands.count <= Self.commandsMax, "\(commands.count) commands in one entry")
        var writer = WireWriter()
        writer.bytes.reserveCapacity(Self.headerBytes + commands.reduce(0) { $0 + $1.count })
        writer.write(Self.formatVersion)
        writer.write(header.incarnation)
        writer.write(header.elapsed)
        writer.write(header.wallClock)
        writer.write(UInt16(commands.count))
        for command in commands { writer.bytes.append(contentsOf: command) }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == Self.formatVersion else { throw WireError(.unsupportedVersion, at: 0) }
        self.incarnation = try reader.groupIncarnation()
        self.elapsed = try reader.read()
        self.wallClock = try reader.read()
        self.commands = []
        for _ in 0..<(try reader.count(limit: Self.commandsMax)) { self.commands.append(try reader.partitionCommand()) }
        try reader.end()
    }

    /// Whether this node knows the version of a payload: who does not must not take the entry, for it would skip what others
    /// apply.
    package static func isSupported(_ payload: [UInt8]) -> Bool {
        payload.first.map { $0 <= self.formatVersion } ?? true
    }
}

extension PartitionCommand {
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .enqueue(let enqueue):
            writer.write(Kind.enqueue.rawValue)
            writer.write(enqueue)
        case .grant(let path, let grant):
            writer.write(Kind.grant.rawValue)
            writer.write(path)
            writer.write(grant)
        case .turn(let turn):
            writer.write(Kind.turn.rawValue)
            writer.write(turn)
        case .enqueueAndTurn(let enqueue, let outcome, let turn):
            writer.write(Kind.enqueueAndTurn.rawValue)
            writer.write(enqueue)
            writer.write(outcome)
            writer.write(turn)
        case .fail(let failure):
            writer.write(Kind.failure.rawValue)
            writer.write(failure)
        case .release(let release):
            writer.write(Kind.release.rawValue)
            writer.write(release.path)
            writer.write(release.token)
            writer.write((release.hasState ? 1 : 0) as UInt8)
        case .deliver(let delivery):
            writer.write(Kind.delivery.rawValue)
            writer.write(delivery)
        case .outboxAck(let ack):
            writer.write(Kind.outboxAck.rawValue)
            writer.write(ack.destination.index)
            writer.write(ack.stream)
            writer.write(ack.through)
            writer.write(ack.bytesThrough)
        case .openSession: writer.write(Kind.openSession.rawValue)
        case .timerFired(let fired):
            writer.write(Kind.timerFired.rawValue)
            writer.write(fired.path)
            writer.write(fired.timer)
            writer.write(fired.occurrence)
            writer.write(optional: fired.next)
        case .deadLetters(.replay(let path, let numbers)):
            writer.write(Kind.replay.rawValue)
            writer.write(path)
            writer.write(numbers)
        case .deadLetters(.purge(let numbers)):
            writer.write(Kind.purge.rawValue)
            writer.write(numbers)
        }
        return writer.bytes
    }
}

extension WireWriter {
    fileprivate mutating func write(_ enqueue: Enqueue) {
        self.write((enqueue.request == nil ? 0 : 1) as UInt8)
        if let request = enqueue.request {
            self.write(request.session)
            self.write(request.number)
        }
        self.write(optional: enqueue.bodyFingerprint)
        self.write(enqueue.letter)
    }

    fileprivate mutating func write(_ failure: Failure) {
        self.write(failure.path)
        self.write(optional: failure.token)
        self.write(failure.consumption)
        self.write(text: failure.reason)
        switch failure.disposition {
        case .retry(let at):
            self.write(1 as UInt8)
            self.write(at)
        case .deadLetter: self.write(2 as UInt8)
        case .expired: self.write(3 as UInt8)
        }
        self.write(failure.outbox)
    }

    mutating func write(_ delivery: Delivery) {
        self.write(delivery.source.index)
        self.write(delivery.stream)
        self.write(delivery.first)
        self.write(UInt16(delivery.letters.count))
        for letter in delivery.letters { self.write(letter) }
    }

    fileprivate mutating func write(_ numbers: [UInt64]) {
        self.write(UInt16(numbers.count))
        for number in numbers { self.write(number) }
    }
}

extension WireReader {
    fileprivate mutating func partitionCommand() throws(WireError) -> PartitionCommand {
        let start = self.offset
        guard let kind = PartitionCommand.Kind(rawValue: try self.read()) else {
            throw WireError(.unknownKind, at: start)
        }
        switch kind {
        case .enqueue: return .enqueue(try self.enqueue())
        case .grant: return .grant(try self.actorPath(), try self.grant())
        case .turn: return .turn(try self.turn())
        case .enqueueAndTurn: return try self.enqueueAndTurn()
        case .failure: return .fail(try self.failure())
        case .release:
            return .release(
                Release(path: try self.actorPath(), token: try self.fencingToken(), hasState: try self.flag()))
        case .delivery: return .deliver(try self.delivery())
        case .outboxAck:
            return .outboxAck(
                OutboxAck(
                    destination: Partition(index: try self.read()), stream: try self.read(), through: try self.read(),
                    bytesThrough: try self.read()))
        case .openSession: return .openSession
        case .timerFired:
            return .timerFired(
                TimerFired(
                    path: try self.actorPath(), timer: try self.timerID(), occurrence: try self.read(),
                    next: try self.optional()))
        case .replay: return .deadLetters(.replay(try self.actorPath(), try self.deadLetterNumbers()))
        case .purge: return .deadLetters(.purge(try self.deadLetterNumbers()))
        }
    }

    private mutating func enqueue() throws(WireError) -> Enqueue {
        var request: Enqueue.Request?
        if try self.flag() { request = Enqueue.Request(session: try self.sessionID(), number: try self.read()) }
        let start = self.offset
        let bodyFingerprint = try self.optionalFingerprint()
        let letter = try self.letter()
        guard (letter.envelope.message.idempotency == nil) == (bodyFingerprint == nil) else {
            throw WireError(.invalidValue, at: start)
        }
        return Enqueue(letter, bodyFingerprint: bodyFingerprint, request: request)
    }

    private mutating func enqueueAndTurn() throws(WireError) -> PartitionCommand {
        let start = self.offset
        let enqueue = try self.enqueue()
        let outcome = try self.optionalOutcome()
        let turn = try self.turn()
        // The turn is of the message's actor, and the message is in the mailbox at once.
        guard turn.path == enqueue.letter.path, enqueue.letter.notBefore == nil else {
            throw WireError(.invalidValue, at: start)
        }
        return .enqueueAndTurn(enqueue, outcome: outcome, turn)
    }

    private mutating func failure() throws(WireError) -> Failure {
        let path = try self.actorPath()
        let token = try self.flag() ? try self.fencingToken() : nil
        let consumption = try self.consumption()
        let reason = try self.text(limit: Failure.reasonBytesMax)
        let start = self.offset
        let disposition: Failure.Disposition
        switch try self.read(UInt8.self) {
        case 1: disposition = .retry(at: try self.read())
        case 2: disposition = .deadLetter
        case 3: disposition = .expired
        default: throw WireError(.unknownKind, at: start)
        }
        return Failure(
            path: path, token: token, consumption: consumption, reason: reason, disposition: disposition,
            outbox: try self.outgoingLetters())
    }

    mutating func delivery() throws(WireError) -> Delivery {
        let source = Partition(index: try self.read())
        let stream = try self.read(UInt32.self)
        let start = self.offset
        let first = try self.read(UInt64.self)
        var letters: [Letter] = []
        for _ in 0..<(try self.count(limit: Delivery.lettersMax)) { letters.append(try self.letter()) }
        guard first > 0, first <= .max - UInt64(Delivery.lettersMax) else { throw WireError(.invalidValue, at: start) }
        return Delivery(source: source, stream: stream, first: first, letters: letters)
    }

    private mutating func deadLetterNumbers() throws(WireError) -> [UInt64] {
        var numbers: [UInt64] = []
        for _ in 0..<(try self.count(limit: DeadLetterCommand.numbersMax)) { numbers.append(try self.read()) }
        return numbers
    }
}
