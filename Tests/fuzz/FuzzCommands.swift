import MeshCore

/// The payload of a log entry, as a leader that lies or is damaged could append it: read and written it is the same, and
/// every replica makes the same of it, however it was batched.
@Sendable func fuzzCommands(_ bytes: [UInt8]) {
    var input = FuzzInput(bytes)
    var one = FuzzReplica()
    var other = FuzzReplica()
    var entries: [LogEntry] = []
    while !input.isAtEnd, entries.count < 16 {
        var payload = input.run()
        // Most inputs would end at the version; a newer one is refused before it gets this far.
        if !payload.isEmpty { payload[0] = CommandBatch.formatVersion }
        if let batch = try? CommandBatch(decoding: payload) {
            // Codes of errors that this version does not know are read as another one.
            require((try? CommandBatch(decoding: batch.encoded())) == batch, "a batch came back as another")
        }
        entries.append(
            LogEntry(index: LogIndex(entries.count + 1), term: 1, kind: .command, payload: payload))
    }
    let together = one.apply(entries)
    let apart = entries.flatMap { other.apply([$0]) }
    require(together == apart, "\(together) in one batch and \(apart) in several")
    require(one.disk == other.disk, "batches leave other bytes")
}

/// A replica and its disk.
private struct FuzzReplica {
    var state = PartitionState(partition: Partition(index: 0))
    var disk: [[UInt8]: [UInt8]] = [:]

    mutating func apply(_ entries: [LogEntry]) -> [EntryOutcome] {
        for key in self.state.missing(for: entries) {
            do { try self.state.learn(key, self.disk[key]) } catch {
                fatalError("what was written is refused: \(error)")
            }
        }
        var batch = StateBatch()
        let outcomes = self.state.apply(entries, into: &batch)
        for change in batch.changes {
            switch change {
            case .put(let key, let value): self.disk[key] = value
            case .delete(let key): self.disk[key] = nil
            case .deletePrefix(let prefix): self.disk = self.disk.filter { !$0.key.starts(with: prefix) }
            }
        }
        return outcomes
    }
}
