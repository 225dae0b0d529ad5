internal import MeshCore
internal import Synchronization

/// The threads that read, so that a read never waits for a disk that is syncing: one for short questions, one for what reads
/// much (entries of old logs, snapshots, copies), so that the first never waits for the second.
final class GroupReaders: Sendable {
    enum Question: Sendable {
        case get(StorageTable, [UInt8], @Sendable (Result<[UInt8]?, StorageError>) -> Void)
        case scan(StorageRange, Int, Int, @Sendable (Result<[StorageEntry], StorageError>) -> Void)
        case group(GroupID, UInt64, [StateRead], @Sendable ([GroupAnswer]) -> Void)
        /// Nothing is asked of this group any more; tell the other thread too.
        case forget(GroupID, @Sendable ([GroupAnswer]) -> Void)
    }

    private let questions: Worker<Question>
    private let bulk: Worker<BulkReader.Job>
    /// Jobs of each group that change something and are not written yet: a read that was handed over after them follows them.
    private let unwritten = Mutex<[GroupID: Int]>([:])

    init(_ database: Database) {
        let metrics = ReadMetrics()
        let bulk = Worker<BulkReader.Job>(
            name: "storage-bulk", making: { BulkReader(database) },
            work: { reader, jobs in for job in jobs { reader.perform(job) } })
        self.bulk = bulk
        self.questions = Worker(name: "storage-read") { questions in
            for question in questions {
                switch question {
                case .get(let table, let key, let done):
                    done(
                        metrics.measure { attempt { () throws(StorageError) in try database.get(Family(table), key) } })
                case .scan(let range, let limit, let bytesMax, let done):
                    done(
                        metrics.measure {
                            attempt { () throws(StorageError) in
                                try database.iterator(Family(range.table)).entries(
                                    from: range.start, prefix: range.prefix, limit: limit, bytesMax: bytesMax)
                            }
                        })
                case .group(let group, let number, let reads, let done):
                    let result = metrics.measure {
                        attempt { () throws(StorageError) in try database.read(reads, of: group) }
                    }
                    done([GroupAnswer(group, result, { .read(number, $0) })])
                case .forget(let group, let done): bulk.submit(.forget(group, done))
                }
            }
        }
    }

    var waiting: Int { self.questions.waiting + self.bulk.waiting }

    /// False after `close`.
    func ask(_ question: Question) -> Bool { self.questions.submit(question) }
    func start(_ job: BulkReader.Job) -> Bool { self.bulk.submit(job) }

    /// Asks what can be asked at once, and returns the jobs that the writing thread has to see, in order.
    func take(_ jobs: [GroupJob], _ done: @escaping @Sendable ([GroupAnswer]) -> Void) -> [GroupJob] {
        var reads: [GroupJob] = []
        let writes = self.unwritten.withLock { unwritten in
            jobs.filter { job in
                if !job.isRead {
                    unwritten[job.group, default: 0] += 1
                } else if !job.followsWrites || unwritten[job.group] == nil {
                    reads.append(job)
                    return false
                }
                return true
            }
        }
        for job in reads { self.submit(job, done) }
        return writes
    }

    func wrote(_ counts: [GroupID: Int]) {
        self.unwritten.withLock { unwritten in
            for (group, count) in counts {
                let rest = unwritten[group, default: 0] - count
                unwritten[group] = rest > 0 ? rest : nil
            }
        }
    }

    func submit(_ job: GroupJob, _ done: @escaping @Sendable ([GroupAnswer]) -> Void) {
        switch job.work {
        case .read(let number, let reads): self.questions.submit(.group(job.group, number, reads, done))
        case .load(let request): self.bulk.submit(.load(job.group, request, done))
        case .snapshot(let effect): self.bulk.submit(.snapshot(job.group, effect, done))
        case .create, .write, .apply, .dropLog, .remove: preconditionFailure("not a read")
        }
    }

    func close() {
        self.questions.close()
        self.bulk.close()
    }
}

extension GroupJob {
    var isRead: Bool {
        switch self.work {
        case .load, .read, .snapshot(.open), .snapshot(.readChunk), .snapshot(.close): true
        case .create, .write, .apply, .dropLog, .remove, .snapshot: false
        }
    }

    /// Whether it must see what was handed over before it. Entries are loaded only once they are durable, and chunks are of
    /// a moment long past.
    fileprivate var followsWrites: Bool {
        switch self.work {
        case .read, .snapshot(.open): true
        default: false
        }
    }
}

extension GroupAnswer {
    /// What cannot be read is damaged: the group must stop.
    init<Value>(_ group: GroupID, _ result: Swift.Result<Value, StorageError>, _ answer: (Value) -> GroupAnswer.Result)
    {
        switch result {
        case .success(let value): self.init(group, answer(value))
        case .failure(let error): self.init(group, .damaged(error))
        }
    }
}

func attempt<Value>(_ body: () throws(StorageError) -> Value) -> Result<Value, StorageError> {
    do { return .success(try body()) } catch { return .failure(error) }
}
