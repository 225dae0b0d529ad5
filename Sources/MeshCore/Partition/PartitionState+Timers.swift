// Timers are armed by turns and by messages that have to wait, and fire by entries, for applying knows no clock.
extension PartitionState {
    mutating func apply(_ change: TimerChange, of path: ActorPath, entry: inout AppliedEntry) {
        let timer = TimerID.named(change.name)
        if let old = self.timer(timer, of: path) { self.disarm(timer, old, of: path) }
        guard case .set(_, let due, let schedule, let body) = change else { return }
        let record = TimerRecord(due: due, occurrence: entry.index, schedule: schedule, content: .reminder(body))
        self.arm(timer, record, of: path, entry: &entry)
    }

    /// It is armed until it has fired or is disarmed; the caller knows that it was not armed before.
    mutating func arm(_ timer: TimerID, _ record: TimerRecord, of path: ActorPath, entry: inout AppliedEntry) {
        let bytes = record.encoded()
        self.buffer.put(PartitionKeys.timer(path, timer), bytes, isNew: true)
        self.buffer.put(
            PartitionKeys.due(record.due, path, timer),
            DueRecord(occurrence: record.occurrence, schedule: record.schedule).encoded(), isNew: true)
        self.totals.timers += 1
        self.totals.timerBytes += UInt64(bytes.count)
        self.actors.change(path) { $0.timerCount += 1 }
        entry.armed.append(ArmedTimer(path: path, timer: timer, due: record.due, occurrence: record.occurrence))
    }

    private mutating func disarm(_ timer: TimerID, _ record: TimerRecord, of path: ActorPath) {
        self.buffer.delete(PartitionKeys.timer(path, timer))
        self.buffer.delete(PartitionKeys.due(record.due, path, timer))
        self.totals.timers -= 1
        self.totals.timerBytes -= UInt64(record.encoded().count)
        self.actors.change(path) { $0.timerCount -= 1 }
    }

    mutating func fire(_ fired: TimerFired, of entry: inout AppliedEntry) -> TimerOutcome {
        guard let record = self.timer(fired.timer, of: fired.path), record.occurrence == fired.occurrence else {
            return .gone
        }
        if self.rules.flaw != .timersStayArmed { self.disarm(fired.timer, record, of: fired.path) }
        switch record.content {
        case .delayed(let envelope): self.post(Letter(fired.path, envelope), of: &entry)
        case .reminder(let body):
            let message = Message(id: fired.messageID, sender: fired.timer.name, body: body)
            self.post(Letter(fired.path, Envelope(message, kind: .timer)), of: &entry)
            guard let next = fired.next else { break }
            var again = record
            (again.due, again.occurrence) = (next, entry.index)
            self.arm(fired.timer, again, of: fired.path, entry: &entry)
        }
        return .fired
    }

    private func timer(_ timer: TimerID, of path: ActorPath) -> TimerRecord? {
        self.buffer.record(PartitionKeys.timer(path, timer))
    }
}

extension TimerID {
    fileprivate var name: String {
        switch self {
        case .named(let name): name
        case .delayed(let id): id.description
        }
    }
}

extension TimerFired {
    /// Each firing is a message of its own, with the same name on every replica.
    fileprivate var messageID: MessageID {
        var writer = WireWriter(PartitionKeys.timer(self.path, self.timer))
        writer.write(self.occurrence)
        let name = Fingerprint(of: writer.bytes)
        return MessageID(high: name.high, low: name.low)
    }
}
