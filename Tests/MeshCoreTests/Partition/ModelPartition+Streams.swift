import MeshCore

/// Failures, timers, and what goes from partition to partition.
extension ModelPartition {
    mutating func fail(_ failure: Failure) -> CommandOutcome {
        let outcome = self.judge(failure)
        switch outcome {
        case .retrying, .deadLetter, .expired: return .failure(outcome, outbox: self.send(failure.outbox))
        default: return .failure(outcome, outbox: [])
        }
    }

    private mutating func judge(_ failure: Failure) -> FailureOutcome {
        let (path, offset) = (failure.path, failure.consumption.offset)
        let actor = self.actors[path] ?? Actor()
        if let token = failure.token, actor.token != token || actor.hasEnded {
            return .staleToken(current: actor.token)
        }
        guard let waiting = actor.waiting.first(where: { $0.offset == offset }) else { return .notQueued }
        let failures = actor.failures[offset, default: 0]
        switch failure.disposition {
        case .retry:
            guard actor.tried.contains(offset) || actor.tried.count < self.rules.trialsMax else {
                return .tooManyRetries
            }
            self.actors[path]?.failures[offset] = failures + 1
            self.actors[path]?.grants[offset] = nil
            return .retrying(attempts: failures + 1)
        case .expired:
            self.remove(failure.consumption, of: path)
            return .expired
        case .deadLetter:
            let outcome = self.bury(
                DeadLetter(number: 0, path: path, envelope: waiting.envelope, failures: failures))
            self.remove(failure.consumption, of: path)
            return outcome
        }
    }

    private mutating func bury(_ letter: DeadLetter) -> FailureOutcome {
        self.deadLettersEver += 1
        self.deadLetters.append(letter)
        self.deadLetters[self.deadLetters.count - 1].number = self.deadLettersEver
        var dropped: [UInt64] = []
        while self.deadLetters.count > 1,
            self.deadLetters.count > self.rules.deadLettersMax
                || self.deadLetters.reduce(0, { $0 + UInt64($1.envelope.encoded().count) })
                    > self.rules.deadLetterBytesMax
        {
            dropped.append(self.deadLetters.removeFirst().number)
        }
        return .deadLetter(self.deadLettersEver, dropped: dropped)
    }

    // MARK: Timers

    mutating func arm(_ path: ActorPath, _ timer: TimerID, _ record: TimerRecord) {
        if self.actors[path] == nil { self.actors[path] = Actor() }
        self.timers[path, default: [:]][timer] = record
        self.armed.append(ArmedTimer(path: path, timer: timer, due: record.due, occurrence: record.occurrence))
    }

    mutating func fire(_ fired: TimerFired) -> TimerOutcome {
        guard let record = self.timers[fired.path]?[fired.timer], record.occurrence == fired.occurrence else {
            return .gone
        }
        self.timers[fired.path]?[fired.timer] = nil
        switch (record.content, fired.timer) {
        case (.delayed(let envelope), _): _ = self.post(Letter(fired.path, envelope))
        case (.reminder(let body), .named(let name)):
            var name8 = WireWriter(PartitionKeys.timer(fired.path, fired.timer))
            name8.write(fired.occurrence)
            let hash = Fingerprint(of: name8.bytes)
            let message = Message(id: MessageID(high: hash.high, low: hash.low), sender: name, body: body)
            _ = self.post(Letter(fired.path, Envelope(message, kind: .timer)))
            if let next = fired.next {
                self.arm(
                    fired.path, fired.timer,
                    TimerRecord(due: next, occurrence: self.index, schedule: record.schedule, content: record.content))
            }
        default: break
        }
        return .fired
    }

    // MARK: Streams

    mutating func send(_ letters: [OutgoingLetter]) -> [OutboxNumber] {
        var numbers: [OutboxNumber] = []
        for outgoing in letters {
            if outgoing.destination == TestReplica.partition {
                _ = self.post(outgoing.letter)
            } else {
                self.outbox[outgoing.destination, default: []].append(outgoing.letter)
                let number = UInt64(self.outbox[outgoing.destination, default: []].count)
                var writer = WireWriter()
                let command = PartitionCommand.enqueue(Enqueue(outgoing.letter))
                for byte in command.encoded().dropFirst(3) { writer.write(byte) }
                let bytes = (self.outboxBytes[outgoing.destination]?.last ?? 0) + 8 + UInt64(writer.count)
                self.outboxBytes[outgoing.destination, default: []].append(bytes)
                numbers.append(
                    OutboxNumber(destination: outgoing.destination, number: number, bytesThrough: bytes))
            }
        }
        return numbers
    }

    mutating func deliver(_ delivery: Delivery) -> DeliveryOutcome {
        var stream = self.inbox[delivery.source] ?? InboxStream(stream: delivery.stream)
        if delivery.stream < stream.stream { return .staleStream(current: stream.stream) }
        if delivery.stream > stream.stream {
            stream = InboxStream(stream: delivery.stream, restarts: stream.restarts + 1)
        }
        if delivery.first > stream.expects { return .gap(expects: stream.expects) }
        var fresh = 0
        for (place, letter) in delivery.letters.enumerated() where delivery.first + UInt64(place) == stream.expects {
            _ = self.post(letter)
            stream.expects += 1
            fresh += 1
        }
        self.inbox[delivery.source] = stream
        return .accepted(expects: stream.expects, fresh: fresh)
    }
}
