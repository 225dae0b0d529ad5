// Messages come in: from clients, who may repeat themselves, and from all other places, which have seen to that.
extension PartitionState {
    /// Also what a turn needs that consumes the message at once; nil if it is not in the mailbox.
    mutating func enqueue(
        _ enqueue: Enqueue, of entry: inout AppliedEntry
    ) -> (outcome: EnqueueOutcome, consumption: Consumption?) {
        let message = enqueue.letter.envelope.message
        if let request = enqueue.request, let refusal = self.admit(request, of: enqueue) { return (refusal, nil) }
        if let key = message.idempotency, let refusal = self.claim(key, for: enqueue, of: &entry) {
            return (refusal, nil)
        }
        switch self.post(enqueue.letter, of: &entry) {
        case .queued(let offset, let byteCount):
            let consumption = Consumption(
                offset: offset, byteCount: UInt32(byteCount), id: message.id, key: message.idempotency)
            return (.accepted(offset), consumption)
        case .delayed: return (.delayed, nil)
        case .delayedBefore: return (.duplicate(of: message.id, .waiting), nil)
        }
    }

    enum Posted {
        case queued(MailboxOffset, byteCount: Int)
        case delayed
        /// The same message waits for its time already.
        case delayedBefore
    }

    /// Puts a message where it belongs: into the mailbox, or among the timers if its time has not come.
    @discardableResult
    mutating func post(_ letter: Letter, of entry: inout AppliedEntry) -> Posted {
        let record = letter.envelope.encoded()
        guard let due = letter.notBefore else {
            return .queued(
                self.queue(record, letter.envelope.priority, for: letter.path, of: &entry), byteCount: record.count)
        }
        let timer = TimerID.delayed(letter.envelope.message.id)
        guard self.buffer[PartitionKeys.timer(letter.path, timer)] == nil else { return .delayedBefore }
        let armed = TimerRecord(due: due, occurrence: entry.index, content: .delayed(letter.envelope))
        self.arm(timer, armed, of: letter.path, entry: &entry)
        return .delayed
    }

    mutating func queue(
        _ record: [UInt8], _ priority: Envelope.Priority, for path: ActorPath, of entry: inout AppliedEntry
    ) -> MailboxOffset {
        let floor = self.totals.mailboxFloor
        let offset = self.actors.change(path) { $0.append(priority, byteCount: record.count, floor: floor) }
        self.buffer.put(PartitionKeys.message(path, offset), record, isNew: true)
        self.totals.messages += 1
        self.totals.messageBytes += UInt64(record.count)
        entry.queued.append(QueuedMessage(path: path, offset: offset))
        return offset
    }

    /// A message that has left its mailbox leaves the disk too, and its outcome is kept for who asks again.
    mutating func finish(_ consumption: Consumption, of path: ActorPath) {
        self.buffer.delete(PartitionKeys.message(path, consumption.offset))
        self.totals.messages -= 1
        guard let outcome = consumption.outcome else { return }
        self.recent.insert(consumption.id, outcome)
        if let key = consumption.key { self.keep(outcome, of: consumption.id, under: key) }
    }
}
