internal import ArgumentParser
internal import Glibc
internal import MeshCore
internal import MeshStorage

/// `meshbench storage`: batches of log entries made durable by the storage of a node, one after the other, as a shard would
/// hand them over. scripts/bench-storage runs it beside a bare RocksDB loop.
struct StorageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage",
        abstract: "Measures batches of log entries made durable; prints one line of JSON.",
        discussion: "scripts/bench-storage compares it with RocksDB alone.")

    @Option(help: "A folder to work in, on the disk to measure; what it made there is removed.") var directory = "."
    @Option(help: "How long.") var seconds = 2.0
    @Option(help: "Payload of an entry.") var bytes = 100
    @Option(help: "Entries in a batch.") var batch = 256
    @Option(help: "Groups that the entries of a batch are spread over.") var groups: UInt32 = 1
    @Flag(help: "Apply every batch once it is durable, and drop the log behind it.") var apply = false

    func validate() throws {
        guard 0...LogEntry.payloadBytesMax ~= self.bytes, 1...100_000 ~= self.batch, 1...65_536 ~= self.groups,
            Int(self.groups) <= self.batch, self.seconds > 0
        else { throw ValidationError("--bytes, --batch, --groups or --seconds is out of range") }
    }

    func run() throws {
        let folder = try BenchFolder(in: self.directory)
        defer { folder.remove() }
        let node = NodeID(high: 1, low: 1)
        let storage = try RocksStorage(directory: folder.path + "/database", node: node)
        defer { storage.close() }
        var driver = StorageDriver(storage, node: node, groups: self.groups)
        var microseconds: [Double] = []
        let clock = ContinuousClock()
        let payload = (0..<self.bytes).map { UInt8(97 + ($0 * 7) % 23) }
        let start = clock.now
        let cpuBefore = Self.processorSeconds
        while clock.now - start < .seconds(self.seconds) {
            let began = clock.now
            driver.write(entries: self.batch, payload)
            microseconds.append((clock.now - began) / .microseconds(1))
            if self.apply { driver.applyAndDrop(payload) }
        }
        let elapsed = (clock.now - start) / .seconds(1)
        let cpu = Self.processorSeconds - cpuBefore
        microseconds.sort()
        let entries = Double(microseconds.count * self.batch)
        print(
            "{\"bench\":\"storage\",\"bytes\":\(self.bytes),\"batch\":\(self.batch),\"groups\":\(self.groups),"
                + "\"apply\":\(self.apply),\"entries_s\":\(Int(entries / elapsed)),"
                + "\"batch_s\":\(Int(Double(microseconds.count) / elapsed)),"
                + "\"p50_us\":\(Int(microseconds[microseconds.count / 2])),"
                + "\"p99_us\":\(Int(microseconds[microseconds.count * 99 / 100])),"
                + "\"cpu_us_per_entry\":\((cpu / entries * 1e8).rounded() / 100)}")
    }

    private static var processorSeconds: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// A shard that does nothing but hand over and wait.
private struct StorageDriver {
    private let storage: RocksStorage
    private let answers = Answers()
    private let groups: [GroupID]
    private var next: LogIndex = 1
    private var applied: LogIndex = 0
    private var dropped: LogIndex = 0
    private var sequence: UInt64 = 0

    init(_ storage: RocksStorage, node: NodeID, groups: UInt32) {
        self.storage = storage
        self.groups = (0..<groups).map { GroupID($0) }
        storage.recover { [answers] _ in answers.add(1) }
        self.answers.wait(for: 1)
        let id = ReplicaID(node: node, addedAt: 0)
        var replica = RecoveredReplica.fresh(
            group: GroupID(0), incarnation: GroupIncarnation(counter: 1, id: 1), id: id,
            replicas: ReplicaSet(voters: [id]), settings: RaftSettings())
        replica.state = HardState(term: 1)
        self.perform(
            self.groups.map { group in
                replica.group = group
                return GroupJob(group, .create(replica))
            })
    }

    /// The same number of entries in each group, in one batch; returns when they are durable.
    mutating func write(entries: Int, _ payload: [UInt8]) {
        self.sequence += 1
        let count = UInt64(entries / self.groups.count)
        let added = (self.next..<self.next + count).map {
            LogEntry(index: $0, term: 1, kind: .command, payload: payload)
        }
        let write = LogWrite(sequence: self.sequence, state: nil, truncateFrom: nil, entries: added)
        self.next += count
        self.perform(self.groups.map { GroupJob($0, .write(write)) })
    }

    /// Each entry puts a value of its size; the log is dropped as if every voter held it.
    mutating func applyAndDrop(_ payload: [UInt8]) {
        var batch = StateBatch()
        for index in self.applied + 1..<self.next {
            var key = WireWriter()
            key.write(index)
            batch.put(key.bytes, payload)
        }
        self.applied = self.next - 1
        let position = LogPosition(index: self.applied, term: 1)
        self.perform(self.groups.map { GroupJob($0, .apply(batch, through: position)) })
        guard self.applied - self.dropped >= RaftSettings().dropEntriesMin else { return }
        self.dropped = self.applied
        self.storage.perform(self.groups.map { GroupJob($0, .dropLog(through: position.index)) }) { _ in }
    }

    private func perform(_ jobs: [GroupJob]) {
        self.storage.perform(jobs) { [answers] in answers.add($0.count) }
        self.answers.wait(for: jobs.count)
    }
}

/// Counts answers that come on other threads.
///
/// `@unchecked Sendable`: a semaphore is made to be shared.
@safe private final class Answers: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { unsafe sem_init(self.semaphore, 0, 0) }

    deinit {
        unsafe sem_destroy(self.semaphore)
        unsafe self.semaphore.deallocate()
    }

    func add(_ count: Int) { for _ in 0..<count { unsafe sem_post(self.semaphore) } }

    func wait(for count: Int) {
        for _ in 0..<count { while unsafe sem_wait(self.semaphore) != 0 && errno == EINTR {} }
    }
}
