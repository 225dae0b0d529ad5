internal import MeshCore
internal import Synchronization

// Dead letters of the partitions that this node leads.
extension PartitionNode {
    /// `done` is called once, unless this node stops.
    func answer(_ query: DeadLetterQuery, done: @escaping @Sendable (DeadLetterAnswer) -> Void) {
        switch query {
        case .list(let page): self.list(page, done)
        case .show(let id): self.show(id, done)
        case .act(let action, let partition, let numbers): self.act(action, partition, numbers, done)
        }
    }

    /// Which there are is in memory; what they are is read, of as many as were asked for.
    private func list(_ page: DeadLetterPage, _ done: @escaping @Sendable (DeadLetterAnswer) -> Void) {
        var ids: [DeadLetterID] = []
        for lane in self.surroundings.lanes {
            ids += lane.driver.inspect { shard in
                shard.led.flatMap { replica -> [DeadLetterID] in
                    guard let partition = FirstGroups.partition(of: replica.group),
                        partition >= page.after?.partition ?? partition
                    else { return [] }
                    let after = page.after?.partition == partition ? page.after?.number : nil
                    return replica.state.deadLetters(after: after, prefix: page.prefix, limit: page.limit).map {
                        DeadLetterID(partition: partition, number: $0)
                    }
                }
            }
        }
        let chosen = Dictionary(grouping: ids.sorted().prefix(page.limit), by: \.partition)
        let gathering = DeadLetterGathering<DeadLetterAnswer.Entry>(of: chosen.count) {
            done(.list($0.sorted { $0.id < $1.id }))
        }
        for (partition, ids) in chosen {
            self.read(ids.map { .key(PartitionKeys.deadLetter($0.number)) }, of: partition) { found in
                gathering.add(
                    zip(ids, found).compactMap { id, found in
                        found.first.flatMap { try? DeadLetterRecord(decoding: $0.value) }.map {
                            DeadLetterAnswer.Entry(id: id, record: $0)
                        }
                    })
            }
        }
    }

    private func show(_ id: DeadLetterID, _ done: @escaping @Sendable (DeadLetterAnswer) -> Void) {
        guard self.leads(id.partition) else { return done(.elsewhere(self.leaderElsewhere(of: id.partition))) }
        let keys = [PartitionKeys.deadLetter(id.number), PartitionKeys.deadLetterBody(id.number)]
        self.read(keys.map { .key($0) }, of: id.partition) { found in
            guard found.count == 2, let record = found[0].first.flatMap({ try? DeadLetterRecord(decoding: $0.value) }),
                let envelope = found[1].first.flatMap({ try? Envelope(decoding: $0.value) })
            else { return done(.missing) }
            done(.letter(DeadLetterAnswer.Entry(id: id, record: record), envelope))
        }
    }

    /// A replay names the mailbox that its letters go back to: one command for each.
    private func act(
        _ action: DeadLetterAction, _ partition: Partition, _ numbers: [UInt64],
        _ done: @escaping @Sendable (DeadLetterAnswer) -> Void
    ) {
        let group = FirstGroups.group(of: partition)
        let paths = self.surroundings.lane(of: partition)?.driver.inspect { shard -> [UInt64: ActorPath]? in
            guard let replica = shard.replicas[group], replica.raft.isReady else { return nil }
            return replica.state.pathsOfDeadLetters(numbers)
        }
        guard let paths = paths ?? nil else { return done(.elsewhere(self.leaderElsewhere(of: partition))) }
        let known = numbers.filter { paths[$0] != nil }
        let commands: [DeadLetterCommand] =
            switch action {
            case .purge: known.isEmpty ? [] : [.purge(known)]
            case .replay:
                Dictionary(grouping: known) { paths[$0] }.compactMap { path, numbers in
                    path.map { .replay($0, numbers) }
                }
            }
        let gathering = DeadLetterGathering<PartitionAnswer>(of: commands.count) { done(Self.sum($0)) }
        for command in commands {
            self.surroundings.operate(command, in: partition) { gathering.add([$0]) }
        }
    }

    /// What was done counts, also where another part was not: whoever asks again finds it gone.
    private static func sum(_ answers: [PartitionAnswer]) -> DeadLetterAnswer {
        var numbers: [UInt64] = []
        for answer in answers {
            switch answer {
            case .deadLetters(let done): numbers += done
            case .elsewhere(let leader): if numbers.isEmpty { return .elsewhere(leader) }
            case .refused(let error): if numbers.isEmpty { return .refused(error) }
            default: break
            }
        }
        return .done(numbers.sorted())
    }

    private func leads(_ partition: Partition) -> Bool {
        let group = FirstGroups.group(of: partition)
        return self.surroundings.lane(of: partition)?.driver.inspect { $0.replicas[group]?.raft.isReady } == true
    }

    func leaderElsewhere(of partition: Partition) -> NodeID? {
        self.surroundings.service(of: partition)?.leader(of: partition).flatMap {
            $0 == self.configuration.local ? nil : $0
        }
    }

    /// Beside the shard: its own reads have numbers of their own, and this one changes nothing.
    private func read(
        _ reads: [StateRead], of partition: Partition, _ done: @escaping @Sendable ([[StorageEntry]]) -> Void
    ) {
        self.storage.perform([GroupJob(FirstGroups.group(of: partition), .read(0, reads))]) { answers in
            for answer in answers {
                if case .read(_, let found) = answer.result { done(found) } else { done([]) }
            }
        }
    }
}

/// Answers of several groups to one question.
private final class DeadLetterGathering<Value: Sendable>: Sendable {
    private let state: Mutex<(values: [Value], missing: Int)>
    private let done: @Sendable ([Value]) -> Void

    init(of count: Int, done: @escaping @Sendable ([Value]) -> Void) {
        self.state = Mutex(([], count))
        self.done = done
        if count == 0 { done([]) }
    }

    func add(_ values: [Value]) {
        let all = self.state.withLock { state -> [Value]? in
            state.values += values
            state.missing -= 1
            return state.missing == 0 ? state.values : nil
        }
        if let all { self.done(all) }
    }
}
