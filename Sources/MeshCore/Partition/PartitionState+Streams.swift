// From partition to partition: each message gets a number when the turn that sends it is applied, and is taken once.
extension PartitionState {
    /// The numbers of those that go to other partitions. The others are in their mailboxes now.
    mutating func send(_ letters: [OutgoingLetter], of entry: inout AppliedEntry) -> [OutboxNumber] {
        var numbers: [OutboxNumber] = []
        for outgoing in letters {
            if outgoing.destination == self.partition {
                self.post(outgoing.letter, of: &entry)
            } else {
                numbers.append(self.append(outgoing, incarnation: entry.incarnation))
            }
        }
        return numbers
    }

    private mutating func append(_ outgoing: OutgoingLetter, incarnation: GroupIncarnation) -> OutboxNumber {
        let destination = outgoing.destination
        var stream = self.outboxes[destination] ?? OutboxStream(stream: incarnation.counter)
        let number = stream.next
        let (record, bytesThrough) = OutboxRecord.encode(outgoing.letter, after: stream.bytesSent)
        (stream.next, stream.bytesSent) = (number + 1, bytesThrough)
        self.outboxes[destination] = stream
        self.buffer.put(PartitionKeys.outbox(to: destination, number), record, isNew: true)
        self.buffer.put(PartitionKeys.outboxStream(to: destination), stream.encoded())
        return OutboxNumber(destination: destination, number: number, bytesThrough: bytesThrough)
    }

    /// For a flaw.
    mutating func skipNumbers(of letters: [OutgoingLetter]) {
        for outgoing in letters where self.outboxes[outgoing.destination] != nil {
            self.outboxes[outgoing.destination]?.next += 1
        }
    }

    mutating func acknowledge(_ ack: OutboxAck) -> Int {
        guard var stream = self.outboxes[ack.destination], stream.stream == ack.stream,
            ack.through > stream.acknowledged, ack.through < stream.next,
            stream.bytesAcknowledged..<stream.bytesSent + 1 ~= ack.bytesThrough
        else { return 0 }
        let gone = stream.acknowledged + 1...ack.through
        for number in gone { self.buffer.delete(PartitionKeys.outbox(to: ack.destination, number)) }
        stream.acknowledged = ack.through
        stream.bytesAcknowledged = stream.count == 0 ? stream.bytesSent : ack.bytesThrough
        self.outboxes[ack.destination] = stream
        self.buffer.put(PartitionKeys.outboxStream(to: ack.destination), stream.encoded())
        return gone.count
    }

    /// Takes what is new. Repeats are dropped, and gaps are not taken: the source sends again from what is expected.
    mutating func deliver(_ delivery: Delivery, of entry: inout AppliedEntry) -> DeliveryOutcome {
        var stream = self.inboxes[delivery.source] ?? InboxStream(stream: delivery.stream)
        guard delivery.stream >= stream.stream else { return .staleStream(current: stream.stream) }
        if delivery.stream > stream.stream {
            stream = InboxStream(stream: delivery.stream, restarts: stream.restarts + 1)
        }
        guard delivery.first <= stream.expects else { return .gap(expects: stream.expects) }
        let repeats = self.rules.flaw == .repeatsTaken ? 0 : Int(clamping: stream.expects - delivery.first)
        let fresh = delivery.letters.dropFirst(repeats)
        for letter in fresh { self.post(letter, of: &entry) }
        stream.expects += UInt64(fresh.count)
        if self.inboxes.updateValue(stream, forKey: delivery.source) != stream {
            self.buffer.put(PartitionKeys.inboxStream(from: delivery.source), stream.encoded())
        }
        return .accepted(expects: stream.expects, fresh: fresh.count)
    }
}
