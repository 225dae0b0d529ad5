internal import MeshCore

/// What the writing thread does: all that waits becomes one batch with one fsync, then all who wait are told.
///
/// A batch is written first and synced after. In between it is visible, so what only has to be visible (applied state) is
/// told at once, and only promises wait for the disk. Made and used on that thread.
final class Committer {
    enum Job: Sendable {
        case batch(StorageBatch, done: @Sendable () -> Void)
        case groups([GroupJob], done: @Sendable ([GroupAnswer]) -> Void)
        case recover(done: @Sendable (Result<[RecoveredGroup], StorageError>) -> Void)
    }

    /// What one call of `perform` is told, by when it may be.
    private struct Delivery {
        var done: @Sendable ([GroupAnswer]) -> Void
        var written: [GroupAnswer] = []
        var synced: [GroupAnswer] = []
        var removed: [GroupID] = []
        var reads: [GroupJob] = []
    }

    /// A batch ends here, so that what is first in it does not wait for a flood behind it.
    private static let batchBytesMax = 4 << 20
    private static let sweepInterval = Duration.seconds(10)

    private let database: Database
    private let node: NodeID
    private let tailBytesMax: Int
    private let readers: GroupReaders
    private let metrics = CommitMetrics()
    private var writer: GroupWriter
    private var mark: WatermarkFile?
    private var deliveries: [Delivery] = []
    private var barriers: [@Sendable () -> Void] = []
    /// Jobs in the batch, by group.
    private var counts: [GroupID: Int] = [:]
    private var sweptAt = ContinuousClock.now

    init(_ database: Database, node: NodeID, tailBytesMax: Int, readers: GroupReaders) {
        self.database = database
        self.node = node
        self.tailBytesMax = tailBytesMax
        self.readers = readers
        self.writer = GroupWriter(database)
    }

    deinit { self.mark?.close() }

    func work(_ jobs: [Job]) {
        for job in jobs {
            switch job {
            case .batch(let batch, let done):
                self.writer.add(batch)
                self.barriers.append(done)
                self.commitIfFull()
            case .groups(let jobs, let done): self.add(jobs, done)
            case .recover(let done):
                self.commit()
                done(attempt { () throws(StorageError) in try self.recover() })
            }
        }
        self.commit()
    }

    private func add(_ jobs: [GroupJob], _ done: @escaping @Sendable ([GroupAnswer]) -> Void) {
        precondition(self.mark != nil, "the groups on a disk are recovered before they are given work")
        var delivery = Delivery(done: done)
        for job in jobs {
            if job.isRead {
                delivery.reads.append(job)
            } else {
                self.counts[job.group, default: 0] += 1
                self.add(job, to: &delivery)
            }
            guard self.writer.byteCount >= Self.batchBytesMax else { continue }
            self.deliveries.append(delivery)
            delivery = Delivery(done: done)
            self.commit()
        }
        self.deliveries.append(delivery)
    }

    private func add(_ job: GroupJob, to delivery: inout Delivery) {
        guard let answer = self.writer.add(job) else { return }
        if case .removed = answer.result {
            delivery.removed.append(job.group)
        } else if answer.needsSync {
            delivery.synced.append(GroupAnswer(job.group, answer.result))
        } else {
            delivery.written.append(GroupAnswer(job.group, answer.result))
        }
    }

    private func commitIfFull() { if self.writer.byteCount >= Self.batchBytesMax { self.commit() } }

    private func commit() {
        guard !self.deliveries.isEmpty || !self.barriers.isEmpty else { return }
        let (deliveries, barriers) = (self.deliveries, self.barriers)
        self.deliveries = []
        self.barriers = []
        let started = ContinuousClock.now
        self.writer.writeOut()
        self.readers.wrote(self.counts)
        self.counts.removeAll(keepingCapacity: true)
        for delivery in deliveries {
            if !delivery.written.isEmpty { delivery.done(delivery.written) }
            for job in delivery.reads { self.readers.submit(job, delivery.done) }
        }
        if self.writer.owesSync {
            let (commits, tails) = self.writer.sync()
            if !tails.isEmpty { self.mark?.note(commits: commits, tails) }
            self.metrics.record(since: started, batches: deliveries.count + barriers.count)
        }
        guard self.database.backgroundErrors == 0 else {
            endProcess(because: "cannot flush or compact the database \(self.database.path); its LOG file says why")
        }
        for delivery in deliveries {
            if !delivery.synced.isEmpty { delivery.done(delivery.synced) }
            // By way of the reading threads, so that no answer of this replica comes after it.
            for group in delivery.removed { _ = self.readers.ask(.forget(group, delivery.done)) }
        }
        for done in barriers { done() }
        self.sweepNowAndThen()
    }

    private func sweepNowAndThen() {
        guard ContinuousClock.now - self.sweptAt > Self.sweepInterval else { return }
        self.sweptAt = .now
        _ = self.readers.start(.sweep)
    }

    // MARK: Recovery

    /// Finds what is there, holds it against the watermark, and writes down what is short before anything else: a second
    /// crash must not forget it.
    private func recover() throws(StorageError) -> [RecoveredGroup] {
        precondition(self.mark == nil, "the groups on a disk are recovered once")
        let path = Watermark.path(of: self.database.path)
        let found = try FoundWatermark.read(path, node: self.node)
        let commits = try self.database.commits()
        let groups = GroupJudgement.judge(
            try self.database.findGroups(tailBytesMax: self.tailBytesMax), commits: commits, against: found,
            in: self.database)
        // What a damaged group had promised stays written down.
        var mark = Watermark(node: self.node)
        if case .mark(let old) = found { mark = old }
        self.writer.begin(commits: max(commits ?? 0, mark.commits))
        var recovered: [RecoveredGroup] = []
        for group in groups { recovered.append(self.begin(group, &mark)) }
        self.writer.writeOut()
        if self.writer.owesSync {
            let (commits, tails) = self.writer.sync()
            mark.commits = commits
            for (group, tail) in tails { mark.tails[group] = tail }
        }
        try SmallFile.replace(path, with: mark.bytes)
        self.mark = WatermarkFile(path: path, mark: mark)
        return recovered
    }

    private func begin(_ judged: JudgedGroup, _ mark: inout Watermark) -> RecoveredGroup {
        switch judged.found {
        case .damaged(let error):
            self.writer.begin(judged.group, damaged: error)
            return .damaged(judged.group, error)
        case .removed(let incarnation, let addedAt):
            mark.tails[judged.group] = nil
            return .removed(judged.group, incarnation, addedAt: addedAt)
        case .replica(let record, let log):
            self.writer.begin(judged.group, record)
            let record = judged.lost.map { self.writer.note(lost: $0, of: judged.group, record) } ?? record
            mark.tails[judged.group] = Watermark.Tail(record)
            return .replica(
                RecoveredReplica(
                    group: judged.group, incarnation: record.incarnation, id: record.id, state: record.state, log: log,
                    history: record.history, applied: record.applied.index, lost: judged.lost))
        }
    }
}
