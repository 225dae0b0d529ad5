/// What one node says to another about a partition that either of them leads.
///
/// The number of a request travels beside it, as the correlation of its frame, and comes back with the answer.
package enum PartitionFrame: Hashable, Sendable {
    /// A message of a client of the sender.
    package struct Ask: Hashable, Sendable {
        package var letter: Letter
        package var session: Enqueue.Request?
        package var delivery: MessageRequest.Delivery
        package var isRetry: Bool
        /// For how long the sender waits for the answer.
        package var patience: Duration

        package init(
            _ letter: Letter, session: Enqueue.Request?, delivery: MessageRequest.Delivery, isRetry: Bool,
            patience: Duration
        ) {
            self.letter = letter
            self.session = session
            self.delivery = delivery
            self.isRetry = isRetry
            self.patience = patience
        }
    }

    case message(Ask, Partition)
    case openSession(Partition)
    case answer(PartitionAnswer)
    case delivery(OutboxDelivery, Partition)
    /// With whom the sender takes for the leader of the destination.
    case deliveryAnswer(DeliveryAnswer, leader: NodeID?)
}

// Kind, then what belongs to it. A message's deadline travels as what is left of it, for the clocks of two nodes differ;
// those of letters in an outbox are in a log already and stay as they are.
extension PartitionFrame {
    /// - Parameter wall: this node's clock in milliseconds since 1970.
    package func encoded(at wall: UInt64) -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .message(let ask, let partition):
            writer.bytes.reserveCapacity(ask.letter.envelope.message.byteCount + 256)
            writer.write(1 as UInt8)
            writer.write(partition.index)
            writer.write(ask, at: wall)
        case .openSession(let partition):
            writer.write(2 as UInt8)
            writer.write(partition.index)
        case .answer(let answer):
            writer.write(3 as UInt8)
            writer.write(answer)
        case .delivery(let delivery, let partition):
            writer.write(4 as UInt8)
            writer.write(partition.index)
            writer.write(delivery.delivery)
            writer.write(UInt16(delivery.asks.count))
            for path in delivery.asks { writer.write(path) }
        case .deliveryAnswer(let answer, let leader):
            writer.write(5 as UInt8)
            writer.write(answer)
            writer.write(optional: leader)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8], at wall: UInt64) throws(WireError) {
        var reader = WireReader(bytes.raw)
        switch try reader.read(UInt8.self) {
        case 1:
            let partition = Partition(index: try reader.read())
            self = .message(try reader.ask(at: wall), partition)
        case 2: self = .openSession(Partition(index: try reader.read()))
        case 3: self = .answer(try reader.partitionAnswer())
        case 4:
            let partition = Partition(index: try reader.read())
            let delivery = try reader.delivery()
            var asks: [ActorPath] = []
            for _ in 0..<(try reader.count(limit: OutboxDelivery.asksMax)) { asks.append(try reader.actorPath()) }
            self = .delivery(OutboxDelivery(delivery, asks: asks), partition)
        case 5:
            let answer = try reader.deliveryAnswer()
            self = .deliveryAnswer(answer, leader: try reader.optionalNode())
        default: throw WireError(.unknownKind, at: 0)
        }
        try reader.end()
    }
}

extension WireWriter {
    fileprivate mutating func write(_ ask: PartitionFrame.Ask, at wall: UInt64) {
        var flags: UInt8 = 0
        if ask.session != nil { flags |= 1 }
        if ask.delivery == .ephemeral { flags |= 2 }
        if ask.isRetry { flags |= 4 }
        self.write(flags)
        if let session = ask.session {
            self.write(session.session)
            self.write(session.number)
        }
        self.write(UInt32(clamping: max(0, ask.patience.nanoseconds / 1_000_000)))
        var letter = ask.letter
        // What is past its deadline here shall be so there.
        letter.envelope.message.deadline = letter.envelope.message.deadline.map { $0 > wall ? $0 - wall : 0 }
        self.write(letter)
    }

    fileprivate mutating func write(_ answer: PartitionAnswer) {
        switch answer {
        case .accepted(let id):
            self.write(1 as UInt8)
            self.write(id)
        case .outcome(let id, let outcome):
            self.write(2 as UInt8)
            self.write(id)
            outcome.write(to: &self)
        case .session(let session):
            self.write(3 as UInt8)
            self.write(session)
        case .sessionExpired(let id):
            self.write(4 as UInt8)
            self.write(id)
        case .outOfOrder(let id, let expected):
            self.write(5 as UInt8)
            self.write(id)
            self.write(expected)
        case .deadLetters(let numbers):
            self.write(6 as UInt8)
            self.write(UInt16(numbers.count))
            for number in numbers { self.write(number) }
        case .elsewhere(let leader):
            self.write(7 as UInt8)
            self.write(optional: leader)
        case .refused(let error):
            self.write(8 as UInt8)
            Outcome.failed(error).write(to: &self)
        }
    }

    fileprivate mutating func write(_ answer: DeliveryAnswer) {
        self.write(answer.destination.index)
        self.write(answer.stream)
        switch answer.verdict {
        case .expects(let next):
            self.write(1 as UInt8)
            self.write(next)
        case .staleStream(let current):
            self.write(2 as UInt8)
            self.write(UInt64(current))
        case .later:
            self.write(3 as UInt8)
            self.write(0 as UInt64)
        }
        self.write(UInt16(answer.full.count))
        for path in answer.full { self.write(path) }
    }

    fileprivate mutating func write(optional node: NodeID?) {
        self.write((node == nil ? 0 : 1) as UInt8)
        if let node { self.write(node) }
    }
}

extension WireReader {
    fileprivate mutating func ask(at wall: UInt64) throws(WireError) -> PartitionFrame.Ask {
        let start = self.offset
        let flags = try self.read(UInt8.self)
        guard flags & ~7 == 0 else { throw WireError(.invalidValue, at: start) }
        let session =
            flags & 1 == 0 ? nil : Enqueue.Request(session: try self.sessionID(), number: try self.read())
        let patience = Duration.milliseconds(Int64(try self.read(UInt32.self)))
        var letter = try self.letter()
        letter.envelope.message.deadline = letter.envelope.message.deadline.map {
            let (sum, overflow) = wall.addingReportingOverflow($0)
            return overflow ? .max : sum
        }
        return PartitionFrame.Ask(
            letter, session: session, delivery: flags & 2 == 0 ? .durable : .ephemeral, isRetry: flags & 4 != 0,
            patience: patience)
    }

    fileprivate mutating func partitionAnswer() throws(WireError) -> PartitionAnswer {
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 1: return .accepted(try self.messageID())
        case 2:
            let id = try self.messageID()
            return .outcome(id, try Outcome.read(from: &self))
        case 3: return .session(try self.sessionID())
        case 4: return .sessionExpired(try self.messageID())
        case 5:
            let id = try self.messageID()
            return .outOfOrder(id, expected: try self.read())
        case 6:
            var numbers: [UInt64] = []
            for _ in 0..<(try self.count(limit: DeadLetterCommand.numbersMax)) { numbers.append(try self.read()) }
            return .deadLetters(numbers)
        case 7: return .elsewhere(try self.optionalNode())
        case 8:
            let place = self.offset
            guard case .failed(let error) = try Outcome.read(from: &self) else {
                throw WireError(.invalidValue, at: place)
            }
            return .refused(error)
        default: throw WireError(.unknownKind, at: start)
        }
    }

    fileprivate mutating func deliveryAnswer() throws(WireError) -> DeliveryAnswer {
        let destination = Partition(index: try self.read())
        let stream = try self.read(UInt32.self)
        let start = self.offset
        let kind = try self.read(UInt8.self)
        let value = try self.read(UInt64.self)
        let verdict: DeliveryAnswer.Verdict
        switch kind {
        case 1: verdict = .expects(value)
        case 2 where value <= UInt32.max: verdict = .staleStream(current: UInt32(value))
        case 3: verdict = .later
        default: throw WireError(.unknownKind, at: start)
        }
        var full: [ActorPath] = []
        for _ in 0..<(try self.count(limit: Delivery.lettersMax + OutboxDelivery.asksMax)) {
            full.append(try self.actorPath())
        }
        return DeliveryAnswer(destination: destination, stream: stream, verdict: verdict, full: full)
    }

    fileprivate mutating func optionalNode() throws(WireError) -> NodeID? { try self.flag() ? try self.nodeID() : nil }
}
