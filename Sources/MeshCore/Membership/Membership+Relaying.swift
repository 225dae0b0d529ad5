/// A ping made on behalf of another node.
struct Relay: Sendable {
    var origin: Origin
    var originSequence: UInt32
    var target: Int
    var endsAt: Instant
}

extension Membership {
    static let relaysMax = 1024

    /// Somebody cannot reach a member and asks this node to try.
    mutating func relay(
        _ request: PingRequest, for origin: Origin, at now: Instant, into effects: inout Effects
    ) {
        guard origin.index != nil else { return effects.refuse(.unknownSender) }
        guard let target = self.table.find(request.target), target != 0, self.table[target].isLive,
            self.relays.count < Self.relaysMax
        else {
            // It cannot be tried, but the origin shall know that it is heard.
            return self.reply(.nack, request.sequence, to: origin, into: &effects)
        }
        let sequence = self.nextSequence()
        let timeout = Duration.milliseconds(Int64(request.timeout))
        self.relays[sequence] = Relay(
            origin: origin, originSequence: request.sequence, target: target, endsAt: now + timeout)
        // At 80 %, so that the nack arrives in time (Lifeguard, 4.1).
        let nackAfter = self.configuration.lifeguard ? timeout * 4 / 5 : timeout
        self.deadlines.add(.relay(sequence), due: now + nackAfter)
        self.ping(target, sequence: sequence, into: &effects)
    }

    mutating func relayExpired(_ sequence: UInt32, at now: Instant, into effects: inout Effects) {
        guard let relay = self.relays[sequence] else { return }
        if now < relay.endsAt {
            // An ack can still come and is still worth forwarding.
            self.deadlines.add(.relay(sequence), due: relay.endsAt)
            self.reply(.nack, relay.originSequence, to: relay.origin, into: &effects)
        } else {
            self.relays[sequence] = nil
        }
    }

    mutating func forwardAck(_ sequence: UInt32, from index: Int, into effects: inout Effects) {
        guard let relay = self.relays[sequence], relay.target == index else { return }
        self.relays[sequence] = nil
        self.reply(.ack, relay.originSequence, to: relay.origin, into: &effects)
    }

    private mutating func reply(
        _ kind: MessageKind, _ sequence: UInt32, to origin: Origin, into effects: inout Effects
    ) {
        let start = effects.bytes.count
        var writer = self.open(&effects, to: origin.index, epoch: origin.epoch)
        writer.write(kind, sequence: sequence)
        self.tell(into: &writer, limit: start + self.configuration.datagramBytesMax)
        self.close(&writer, from: start, to: origin.endpoint, into: &effects)
    }
}
