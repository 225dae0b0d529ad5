import Foundation
import MeshCore
import MeshStorage
import Synchronization

let thisNode = NodeID(high: 1, low: 2)
let otherNode = NodeID(high: 3, low: 4)

/// Gathers the answers to one call of `perform` until as many came as its jobs have.
private final class Gathering: Sendable {
    private struct State {
        var answers: [GroupAnswer] = []
        var waiting: CheckedContinuation<[GroupAnswer], Never>?
    }
    private let expected: Int
    private let state = Mutex(State())

    init(_ expected: Int) { self.expected = expected }

    func add(_ answers: [GroupAnswer]) {
        self.state.withLock { state in
            state.answers += answers
            guard state.answers.count >= self.expected else { return }
            state.waiting?.resume(returning: state.answers)
            state.waiting = nil
        }
    }

    func all() async -> [GroupAnswer] {
        await withCheckedContinuation { continuation in
            self.state.withLock { state in
                if state.answers.count >= self.expected {
                    continuation.resume(returning: state.answers)
                } else {
                    state.waiting = continuation
                }
            }
        }
    }
}

extension GroupJob {
    var hasAnswer: Bool {
        switch work {
        case .dropLog, .snapshot(.begin), .snapshot(.chunk), .snapshot(.discard), .snapshot(.close): false
        default: true
        }
    }
}

extension GroupStorage {
    @discardableResult
    func perform(_ jobs: [GroupJob]) async -> [GroupAnswer] {
        let gathering = Gathering(jobs.count { $0.hasAnswer })
        self.perform(jobs) { gathering.add($0) }
        return await gathering.all()
    }

    @discardableResult
    func perform(_ group: GroupID, _ work: GroupJob.Work...) async -> [GroupAnswer.Result] {
        await self.perform(work.map { GroupJob(group, $0) }).map(\.result)
    }

    func recover() async throws -> [RecoveredGroup] {
        try await withCheckedThrowingContinuation { continuation in
            self.recover { continuation.resume(with: $0) }
        }
    }

    func load(_ group: GroupID, _ range: ClosedRange<LogIndex>, bytesMax: Int = .max) async -> [LogEntry]? {
        await self.load(group, from: range.lowerBound, through: range.upperBound, bytesMax: bytesMax)
    }

    func load(
        _ group: GroupID, from first: LogIndex, through last: LogIndex = .max, bytesMax: Int = .max
    ) async -> [LogEntry]? {
        let request = LoadRequest(purpose: .apply, first: first, last: last, bytesMax: bytesMax)
        guard case .loaded(_, let entries)? = await self.perform(group, .load(request)).first else { return nil }
        return entries
    }

    /// All of a group's state.
    func state(_ group: GroupID) async -> [StorageEntry]? {
        let all = StateRead.range(prefix: [], start: [], limit: .max, bytesMax: .max)
        guard case .read(_, let lists)? = await self.perform(group, .read(0, [all])).first else { return nil }
        return lists.first
    }
}

extension RecoveredReplica {
    static func fresh(_ group: GroupID, addedAt: LogIndex = 0) -> RecoveredReplica {
        let id = ReplicaID(node: thisNode, addedAt: addedAt)
        var replica = RecoveredReplica.fresh(
            group: group, incarnation: GroupIncarnation(counter: 1, id: 77), id: id,
            replicas: ReplicaSet(voters: [id]), settings: RaftSettings())
        // The term of the entries that the tests write.
        replica.state = HardState(term: 4)
        return replica
    }
}

extension RecoveredGroup {
    var replica: RecoveredReplica? { if case .replica(let replica) = self { replica } else { nil } }
    var damage: StorageError? { if case .damaged(_, let error) = self { error } else { nil } }
}

extension GroupAnswer.Result {
    var stored: UInt64? { if case .stored(let sequence) = self { sequence } else { nil } }
    var applied: LogIndex? { if case .applied(let index) = self { index } else { nil } }
    var damage: StorageError? { if case .damaged(let error) = self { error } else { nil } }
    var chunk: (bytes: [UInt8], isLast: Bool)? {
        if case .snapshot(.chunkRead(_, _, _, let bytes, let isLast)) = self { (bytes, isLast) } else { nil }
    }
    var opened: LogPosition? { if case .snapshot(.opened(_, let position)) = self { position } else { nil } }
}

/// A state as docs/storage.md says that a snapshot carries it.
func snapshotStream(
    of group: GroupID, at position: LogPosition, chain: UInt64 = 5, _ values: [[UInt8]: [UInt8]]
) -> [UInt8] {
    var stream = WireWriter()
    stream.write(UInt64(0x6D65_7368_736E_6170))
    stream.write(UInt32(1))
    stream.write(group.number)
    stream.write(position.index)
    stream.write(position.term)
    stream.write(chain)
    var hash = xxHash64(stream.bytes.raw)
    for (key, value) in values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        var entry = WireWriter()
        entry.write(UInt8(1))
        entry.write(bytes: key)
        entry.write(bytes: value)
        hash = xxHash64(entry.bytes.raw, seed: hash)
        stream.bytes += entry.bytes
    }
    stream.write(UInt8(0))
    stream.write(UInt64(values.count))
    stream.write(hash)
    return stream.bytes
}

/// The jobs that bring a stream to the disk, in chunks of that size.
func receiving(_ stream: [UInt8], at position: LogPosition, chunkBytes: Int) -> [GroupJob.Work] {
    var jobs: [GroupJob.Work] = [.snapshot(.begin(position))]
    for offset in stride(from: 0, to: stream.count, by: chunkBytes) {
        let bytes = Array(stream[offset..<min(offset + chunkBytes, stream.count)])
        jobs.append(.snapshot(.chunk(position, offset: UInt64(offset), bytes: bytes)))
    }
    return jobs
}

func entry(_ index: LogIndex, term: Term = 1, _ payload: [UInt8] = [1, 2, 3], kind: LogEntry.Kind = .command)
    -> LogEntry
{
    LogEntry(index: index, term: term, kind: kind, payload: payload)
}

func write(
    _ sequence: UInt64, state: HardState? = nil, truncateFrom: LogIndex? = nil, _ entries: [LogEntry] = []
) -> GroupJob.Work {
    .write(LogWrite(sequence: sequence, state: state, truncateFrom: truncateFrom, entries: entries))
}

func apply(_ index: LogIndex, term: Term = 1, _ changes: [StateBatch.Change] = []) -> GroupJob.Work {
    var batch = StateBatch()
    for change in changes {
        switch change {
        case .put(let key, let value): batch.put(key, value)
        case .delete(let key): batch.delete(key)
        case .deletePrefix(let prefix): batch.deletePrefix(prefix)
        }
    }
    return .apply(batch, through: LogPosition(index: index, term: term))
}

/// The folder as a killed process leaves it: nothing flushed, nothing closed.
func copyAsKilled(_ folder: String, to copy: String) throws {
    try? FileManager.default.removeItem(atPath: copy)
    try? FileManager.default.removeItem(atPath: copy + ".watermark")
    try FileManager.default.copyItem(atPath: folder, toPath: copy)
    if FileManager.default.fileExists(atPath: folder + ".watermark") {
        try FileManager.default.copyItem(atPath: folder + ".watermark", toPath: copy + ".watermark")
    }
}
