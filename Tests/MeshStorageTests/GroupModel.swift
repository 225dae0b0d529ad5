import MeshCore

/// What a disk should hold of one group, and random jobs that change it.
struct GroupModel: Equatable {
    var id: ReplicaID
    var state = HardState(term: 1)
    var base = LogPosition.zero
    var entries: [LogEntry] = []
    var replicas: ReplicaHistory
    var applied: LogIndex = 0
    var values: [[UInt8]: [UInt8]] = [:]
    /// Counts jobs that say when they are durable.
    var sequence: UInt64 = 0

    var last: LogIndex { self.base.index + UInt64(self.entries.count) }

    init(addedAt: LogIndex) {
        self.id = ReplicaID(node: thisNode, addedAt: addedAt)
        self.replicas = ReplicaHistory(.init(index: 0, replicas: ReplicaSet(voters: [self.id])))
    }

    func term(at index: LogIndex) -> Term {
        index == self.base.index ? self.base.term : self.entries[Int(index - self.base.index) - 1].term
    }

    /// The job that makes the replica.
    func creation(_ group: GroupID) -> GroupJob.Work {
        var replica = RecoveredReplica.fresh(
            group: group, incarnation: GroupIncarnation(counter: 1, id: 77), id: self.id,
            replicas: self.replicas.latest.replicas, settings: RaftSettings())
        replica.state = self.state
        return .create(replica)
    }

    /// Draws a job that makes sense here, and does it to this model.
    mutating func draw(_ random: inout RandomSource) -> GroupJob.Work {
        func below(_ bound: UInt64) -> UInt64 { random.next(upperBound: bound) }
        switch below(10) {
        case 0...4:
            let truncateFrom =
                below(4) == 0 && self.last > self.applied ? self.applied + 1 + below(self.last - self.applied) : nil
            return self.write(truncateFrom: truncateFrom, count: 1 + below(4), &random)
        case 5...7 where self.last > self.applied: return self.apply(&random)
        case 8 where self.applied > self.base.index:
            let index = self.base.index + 1 + below(self.applied - self.base.index)
            self.base = LogPosition(index: index, term: self.term(at: index))
            self.entries.removeFirst(self.entries.count - Int(self.lastBefore - index))
            self.replicas.drop(through: index)
            return .dropLog(through: index)
        default:
            self.state.term += 1 + below(2)
            self.state.vote = below(2) == 0 ? nil : ReplicaID(node: otherNode, addedAt: below(9))
            self.sequence += 1
            return .write(LogWrite(sequence: self.sequence, state: self.state, truncateFrom: nil, entries: []))
        }
    }

    /// `last`, while `base` has moved and the entries have not.
    private var lastBefore: LogIndex { self.entries.last?.index ?? self.base.index }

    private mutating func write(truncateFrom: LogIndex?, count: UInt64, _ random: inout RandomSource) -> GroupJob.Work {
        if let truncateFrom {
            self.entries.removeLast(Int(self.last - truncateFrom) + 1)
            self.replicas.truncate(from: truncateFrom)
            self.state.term += 1
        }
        var added: [LogEntry] = []
        for _ in 0..<count {
            let index = self.last + 1
            var entry = LogEntry(index: index, term: self.state.term, kind: .command, payload: [])
            if random.next(upperBound: 20 as UInt64) == 0 {
                let learner = ReplicaID(node: otherNode, addedAt: index)
                entry.kind = .configuration
                entry.payload = ReplicaSet(voters: [self.id], learners: [learner]).payload
                self.replicas.append(ReplicaSet(voters: [self.id], learners: [learner]), at: index)
            } else {
                let size = random.next(upperBound: 30 as UInt64) == 0 ? 70_000 : random.next(upperBound: 300 as UInt64)
                entry.payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
            }
            self.entries.append(entry)
            added.append(entry)
        }
        self.sequence += 1
        return .write(
            LogWrite(sequence: self.sequence, state: self.state, truncateFrom: truncateFrom, entries: added))
    }

    private mutating func apply(_ random: inout RandomSource) -> GroupJob.Work {
        self.applied += 1 + random.next(upperBound: self.last - self.applied)
        var batch = StateBatch()
        for _ in 0..<random.next(upperBound: 5 as UInt64) {
            let key = (0...random.next(upperBound: 2 as UInt64)).map { _ in
                UInt8(truncatingIfNeeded: random.next(upperBound: 4 as UInt64) &* 85)
            }
            switch random.next(upperBound: 8 as UInt64) {
            case 0:
                batch.deletePrefix(key)
                self.values = self.values.filter { !$0.key.starts(with: key) }
            case 1...2:
                batch.delete(key)
                self.values[key] = nil
            default:
                let value = [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: 40)
                batch.put(key, value)
                self.values[key] = value
            }
        }
        return .apply(batch, through: LogPosition(index: self.applied, term: self.term(at: self.applied)))
    }
}

extension GroupModel {
    /// Draws a snapshot that comes in, and does to this model what becomes of it: one in three is discarded or does not
    /// add up.
    mutating func drawSnapshot(of group: GroupID, _ random: inout RandomSource) -> [GroupJob.Work] {
        func below(_ bound: UInt64) -> UInt64 { random.next(upperBound: bound) }
        let position = LogPosition(index: self.applied + 1 + below(20), term: self.state.term)
        var values: [[UInt8]: [UInt8]] = [:]
        for number in 0..<below(30) {
            let size = below(20) == 0 ? 9_000 : below(200)
            values[[UInt8(number) &* 7, UInt8(below(256))]] = [UInt8](repeating: UInt8(number), count: Int(size))
        }
        var stream = snapshotStream(of: group, at: position, values)
        let outcome = below(6)
        if outcome == 0 { stream[Int(below(UInt64(stream.count)))] ^= 1 << UInt8(below(8)) }
        var jobs = receiving(stream, at: position, chunkBytes: 100 + Int(below(2_000)))
        guard outcome != 1 else { return jobs + [.snapshot(.discard)] }
        let learner = ReplicaID(node: otherNode, addedAt: position.index)
        let version = ReplicaHistory.Version(
            index: position.index, replicas: ReplicaSet(voters: [self.id], learners: [learner]))
        jobs.append(.snapshot(.finish(position, version)))
        guard outcome > 1 else { return jobs }
        self.base = position
        self.entries = []
        self.replicas = ReplicaHistory(version)
        self.applied = position.index
        self.values = values
        return jobs
    }
}

/// A random history of several groups, the same for the same seed.
struct GroupHistory {
    struct Step {
        var job: GroupJob
        /// What the group should be once the job took effect; nil if it should be gone.
        var after: GroupModel?

        /// Whether its answer says that it is durable.
        var isPromise: Bool {
            switch job.work {
            case .create, .write, .remove: true
            // One that does not add up changes nothing.
            case .snapshot(.finish(let position, _)): self.after?.base == position
            default: false
            }
        }

        /// A process that ends in the middle of a snapshot has to begin it again.
        var continuesSnapshot: Bool {
            switch job.work {
            case .snapshot(.chunk), .snapshot(.finish), .snapshot(.discard): true
            default: false
            }
        }
    }

    static let groups = (1...4 as ClosedRange<UInt32>).map { GroupID($0) }

    private(set) var models: [GroupID: GroupModel] = [:]
    private var random: RandomSource

    init(seed: UInt64) { self.random = RandomSource(seed: seed) }

    mutating func next() -> [Step] {
        let group = Self.groups[Int(self.random.next(upperBound: UInt64(Self.groups.count)))]
        guard var model = self.models[group] else { return [self.create(group, addedAt: 0)] }
        if self.random.next(upperBound: 80 as UInt64) == 0 {
            self.models[group] = nil
            let removal = Step(job: GroupJob(group, .remove(model.id)), after: nil)
            return [removal, self.create(group, addedAt: model.id.addedAt + 1)]
        }
        if self.random.next(upperBound: 30 as UInt64) == 0 {
            let before = model
            let jobs = model.drawSnapshot(of: group, &self.random)
            self.models[group] = model
            return jobs.enumerated().map { place, work in
                Step(job: GroupJob(group, work), after: place == jobs.count - 1 ? model : before)
            }
        }
        let work = model.draw(&self.random)
        self.models[group] = model
        return [Step(job: GroupJob(group, work), after: model)]
    }

    private mutating func create(_ group: GroupID, addedAt: LogIndex) -> Step {
        let model = GroupModel(addedAt: addedAt)
        self.models[group] = model
        return Step(job: GroupJob(group, model.creation(group)), after: model)
    }
}

extension GroupModel {
    /// Whether a replica that was found, with all that can be read of it, is this one.
    func matches(_ found: RecoveredReplica, entries: [LogEntry], values: [StorageEntry]) -> Bool {
        found.id == self.id && found.log.base == self.base && found.log.last.index == self.last
            && found.applied == self.applied && entries == self.entries
            && found.history == self.replicas && found.state.term == self.state.term
            && found.state.vote == self.state.vote
            && values
                == self.values.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map {
                    StorageEntry(key: $0.key, value: $0.value)
                }
    }
}
