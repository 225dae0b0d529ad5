internal import DequeModule
internal import MeshCore

/// The disk of a host with all its groups, as `GroupStorage` promises it: one write-ahead log in the order of the jobs, one
/// fsync for all that waits.
///
/// What a process reads is what was written; what a crash leaves is what was synced and, after a power cut, some of the
/// rest, never anything without what came before it.
struct HostDisk: Sendable {
    typealias Image = ReplicaImage<KeyValueStore>

    private struct Group: Sendable {
        let id: ReplicaID
        let incarnation: GroupIncarnation
        /// As it is created.
        let fresh: Image
        /// As the process sees it; nil once it is being removed.
        var current: Image?
        /// nil until it was created on the platter.
        var durable: Image?
        /// Written now and then to a file of its own.
        var watermark: (writes: UInt64, last: LogIndex) = (0, 0)
        /// The platter some time ago, for disks that lose what they said was safe.
        var earlier: Image?
    }

    private struct Reader: Hashable, Sendable {
        var group: GroupID
        var receiver: ReplicaID
    }

    private enum Change: Sendable {
        case create
        case write(DiskWrite<KeyValueStore>)
        case remove
    }

    private struct Unsynced: Sendable {
        var group: GroupID
        var change: Change
        var answer: GroupAnswer.Result?
    }

    let id: NodeID
    var bootEpoch: UInt64 = 0
    var knownBoots = KnownBoots()
    /// By number; the disk is small.
    private var groups: [Group?]
    private var tombstones: [(incarnation: GroupIncarnation, addedAt: LogIndex)?]
    private var unsynced: Deque<Unsynced> = []
    private var watermarkAt = VirtualTime.zero
    private var earlierAt = VirtualTime.zero
    /// Snapshots being read.
    private var reading: [Reader: (position: LogPosition, bytes: [UInt8])] = [:]

    init(id: NodeID, groups: Int) {
        self.id = id
        self.groups = Array(repeating: nil, count: groups)
        self.tombstones = Array(repeating: nil, count: groups)
    }

    var unsyncedCount: Int { self.unsynced.count }

    func image(of group: GroupID) -> Image? { self.groups[Int(group.number)]?.current }

    /// What is on the platter of a replica, if it is the one meant.
    func durableEnd(of group: GroupID, as id: ReplicaID) -> LogIndex? {
        guard let found = self.groups[Int(group.number)], found.id == id else { return nil }
        return found.durable?.last.index
    }

    /// How many voters a group has by what is on the platter, if its replica here is one of them.
    func votersKnown(of group: GroupID) -> Int? {
        guard let found = self.groups[Int(group.number)], let replicas = found.durable?.history.latest.replicas,
            replicas.isVoter(found.id)
        else { return nil }
        return replicas.voters.count
    }

    // MARK: Jobs

    /// Does one job as the process sees it. What is answered without an fsync is returned.
    mutating func perform(_ job: GroupJob) -> GroupAnswer.Result? {
        switch job.work {
        case .create(let fresh):
            var image = Image(replicas: fresh.history.latest.replicas)
            image.state = fresh.state
            self.groups[Int(job.group.number)] = Group(
                id: fresh.id, incarnation: fresh.incarnation, fresh: image, current: image)
            self.unsynced.append(Unsynced(group: job.group, change: .create, answer: .created))
        case .write(let write): self.write(.log(write), job.group, answer: .stored(through: write.sequence))
        case .apply(let batch, let position):
            self.write(.applied(batch, through: position.index), job.group)
            return .applied(through: position.index)
        case .load(let request):
            return self.image(of: job.group).map { .loaded(request.purpose, $0.load(request)) }
        case .read(let number, let reads):
            return self.image(of: job.group).map { image in .read(number, reads.map(image.machine.read)) }
        case .dropLog(let index): self.write(.drop(index), job.group)
        case .snapshot(let effect): return self.perform(effect, job.group).map { .snapshot($0) }
        case .remove:
            self.groups[Int(job.group.number)]?.current = nil
            self.unsynced.append(Unsynced(group: job.group, change: .remove, answer: .removed))
        }
        return nil
    }

    private mutating func write(
        _ write: DiskWrite<KeyValueStore>, _ group: GroupID, answer: GroupAnswer.Result? = nil
    ) {
        self.groups[Int(group.number)]?.current?.perform(write)
        self.unsynced.append(Unsynced(group: group, change: .write(write), answer: answer))
    }

    private mutating func perform(_ effect: SnapshotEffect, _ group: GroupID) -> SnapshotInput? {
        switch effect {
        case .open(let receiver):
            guard let image = self.image(of: group) else { return nil }
            let term = image.entry(at: image.applied)?.term ?? image.base.term
            let position = LogPosition(index: image.applied, term: term)
            self.reading[Reader(group: group, receiver: receiver)] = (position, image.machine.snapshot)
            return .opened(to: receiver, position)
        case .readChunk(let receiver, let position, let offset, let bytesMax):
            guard let open = self.reading[Reader(group: group, receiver: receiver)], open.position == position else {
                return .failed(to: receiver)
            }
            let start = min(Int(offset), open.bytes.count)
            let end = min(start + bytesMax, open.bytes.count)
            return .chunkRead(
                to: receiver, position, offset: offset, bytes: Array(open.bytes[start..<end]),
                isLast: end == open.bytes.count)
        case .close(let receiver):
            self.reading[Reader(group: group, receiver: receiver)] = nil
            return nil
        case .begin, .chunk, .discard:
            self.write(.install(effect), group)
            return nil
        case .finish(let position, _):
            self.write(.install(effect), group, answer: .snapshot(.installed(position)))
            return nil
        }
    }

    // MARK: Fsync

    /// The first `count` changes are on the platter now.
    mutating func synced(_ count: Int, at now: VirtualTime, keepsHistory: Bool) -> [GroupAnswer] {
        var answers: [GroupAnswer] = []
        for _ in 0..<min(count, self.unsynced.count) {
            let unsynced = self.unsynced.removeFirst()
            self.harden(unsynced)
            if let answer = unsynced.answer { answers.append(GroupAnswer(unsynced.group, answer)) }
        }
        guard keepsHistory else { return answers }
        if self.watermarkAt + .milliseconds(100) <= now {
            self.watermarkAt = now
            for place in self.groups.indices {
                guard let image = self.groups[place]?.durable else { continue }
                self.groups[place]?.watermark = (image.writes, image.last.index)
            }
        }
        if self.earlierAt + .seconds(1) <= now {
            self.earlierAt = now
            for place in self.groups.indices {
                let durable = self.groups[place]?.durable
                self.groups[place]?.earlier = durable
            }
        }
        return answers
    }

    private mutating func harden(_ unsynced: Unsynced) {
        let place = Int(unsynced.group.number)
        switch unsynced.change {
        case .create:
            let fresh = self.groups[place]?.fresh
            self.groups[place]?.durable = fresh
        case .write(let write): self.groups[place]?.durable?.perform(write)
        case .remove:
            guard let group = self.groups[place] else { return }
            self.tombstones[place] = (group.incarnation, group.id.addedAt)
            self.groups[place] = nil
        }
    }

    // MARK: Faults

    /// The process is gone; the kernel writes the first `count` of what it has.
    mutating func lose(keeping count: Int) {
        _ = self.synced(count, at: .zero, keepsHistory: false)
        self.unsynced = []
        self.reading = [:]
        for place in self.groups.indices {
            let durable = self.groups[place]?.durable
            if durable == nil { self.groups[place] = nil } else { self.groups[place]?.current = durable }
        }
    }

    /// A copy of the platter: what only the kernel has is not in it.
    var copied: HostDisk {
        var copy = self
        copy.lose(keeping: 0)
        return copy
    }

    /// The disk forgets what it had said was safe. Returns the groups of which it would be noticed.
    mutating func loseSynced() -> [Int] {
        var lost: [Int] = []
        for place in self.groups.indices {
            guard let group = self.groups[place], let earlier = group.earlier, earlier.writes < group.watermark.writes
            else { continue }
            self.groups[place]?.durable = earlier
            self.groups[place]?.current = earlier
            lost.append(place)
        }
        return lost
    }

    // MARK: Starting

    func recovered(settings: RaftSettings) -> [RecoveredGroup] {
        var found: [RecoveredGroup] = []
        for place in self.groups.indices {
            let id = GroupID(UInt32(place))
            if let group = self.groups[place], let image = group.durable {
                let lost = image.writes < group.watermark.writes ? group.watermark.last : nil
                found.append(
                    .replica(
                        image.recovered(
                            group: id, incarnation: group.incarnation, id: group.id, settings: settings, lost: lost)))
            } else if let (incarnation, addedAt) = self.tombstones[place] {
                found.append(.removed(id, incarnation, addedAt: addedAt))
            }
        }
        return found
    }
}

extension RecoveredGroup {
    var group: GroupID {
        switch self {
        case .replica(let recovered): recovered.group
        case .removed(let group, _, _), .damaged(let group, _): group
        }
    }
}
