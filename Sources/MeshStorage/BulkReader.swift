internal import MeshCore
internal import Synchronization

/// What the thread for long reads does; made and used there.
final class BulkReader {
    enum Job: Sendable {
        case load(GroupID, LoadRequest, @Sendable ([GroupAnswer]) -> Void)
        case snapshot(GroupID, SnapshotEffect, @Sendable ([GroupAnswer]) -> Void)
        /// The group is gone: its snapshots close, and this was its last answer.
        case forget(GroupID, @Sendable ([GroupAnswer]) -> Void)
        case checkpoint(String, @Sendable (Result<Void, StorageError>) -> Void)
        /// Time has passed.
        case sweep
    }

    private struct Receiver: Hashable {
        var group: GroupID
        var id: ReplicaID
    }

    private struct Outgoing {
        var sender: SnapshotSender
        var usedAt: ContinuousClock.Instant
    }

    /// An open snapshot keeps RocksDB from dropping anything that is newer, so one that nobody asks for is closed. Raft
    /// resends after 200 ms; whoever comes back after this begins anew.
    private static let idleMax = Duration.seconds(30)
    private static let openMax = 256

    private let database: Database
    private var outgoing: [Receiver: Outgoing] = [:]

    init(_ database: Database) { self.database = database }

    func perform(_ job: Job) {
        switch job {
        case .load(let group, let request, let done):
            let entries = attempt { () throws(StorageError) in try self.database.load(request, of: group) }
            done([GroupAnswer(group, entries) { .loaded(request.purpose, $0) }])
        case .snapshot(let group, let effect, let done):
            let result = attempt { () throws(StorageError) in try self.perform(effect, group) }
            switch result {
            case .success(let input?): done([GroupAnswer(group, .snapshot(input))])
            case .success(nil): break
            case .failure(let error): done([GroupAnswer(group, .damaged(error))])
            }
        case .forget(let group, let done):
            for receiver in self.outgoing.keys.filter({ $0.group == group }) { self.outgoing[receiver] = nil }
            done([GroupAnswer(group, .removed)])
        case .checkpoint(let folder, let done):
            done(attempt { () throws(StorageError) in try self.database.checkpoint(to: folder) })
        case .sweep: self.sweep()
        }
    }

    private func perform(_ effect: SnapshotEffect, _ group: GroupID) throws(StorageError) -> SnapshotInput? {
        switch effect {
        case .open(let id):
            self.sweep()
            self.outgoing[Receiver(group: group, id: id)] = nil
            guard self.outgoing.count < Self.openMax, let sender = try SnapshotSender(of: group, in: self.database)
            else { return .failed(to: id) }
            self.outgoing[Receiver(group: group, id: id)] = Outgoing(sender: sender, usedAt: .now)
            return .opened(to: id, sender.place.position)
        case .readChunk(let id, let position, let offset, let bytesMax):
            let receiver = Receiver(group: group, id: id)
            guard let sender = self.outgoing[receiver]?.sender, sender.place.position == position else {
                return .failed(to: id)
            }
            self.outgoing[receiver]?.usedAt = .now
            let (bytes, isLast) = try sender.chunk(at: offset, bytesMax: bytesMax)
            return .chunkRead(to: id, position, offset: offset, bytes: bytes, isLast: isLast)
        case .close(let id):
            self.outgoing[Receiver(group: group, id: id)] = nil
            return nil
        case .begin, .chunk, .finish, .discard: preconditionFailure("not a read")
        }
    }

    private func sweep() {
        let limit = ContinuousClock.now - Self.idleMax
        for (receiver, outgoing) in self.outgoing where outgoing.usedAt < limit { self.outgoing[receiver] = nil }
    }
}
