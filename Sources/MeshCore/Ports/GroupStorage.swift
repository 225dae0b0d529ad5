/// The replicas of this node on its disk: logs and states in one database, with one fsync for all that waits.
///
/// A shard hands over, once per turn of its loop, all that its groups want. Jobs of one group take effect in the order in
/// which they were handed over; what has an answer is answered through `done`, on a thread of the storage. The append of an
/// entry precedes its apply in the same write-ahead log, so no state survives a crash that its log did not.
package protocol GroupStorage: Sendable {
    /// Every replica that this disk holds, checked; asked once, before anything else.
    func recover(done: @escaping @Sendable (Result<[RecoveredGroup], StorageError>) -> Void)
    /// `done` may be called several times, each time with answers to some of the jobs.
    ///
    /// There is no failed write to handle: a disk that does not keep its word ends the process. A failed read is answered.
    func perform(_ jobs: [GroupJob], done: @escaping @Sendable ([GroupAnswer]) -> Void)
}

/// What was found of one replica when the process started.
package enum RecoveredGroup: Sendable {
    case replica(RecoveredReplica)
    /// It was here once, as the replica that the entry at this index added, and was removed. A later incarnation of the
    /// group may count from lower indices again.
    case removed(GroupID, GroupIncarnation, addedAt: LogIndex)
    /// Its data are damaged in the middle, or missing: it must not start, and nothing it said may be forgotten.
    case damaged(GroupID, StorageError)
}

package struct GroupJob: Sendable {
    package enum Work: Sendable {
        /// A replica that begins here, durable before the answer.
        case create(RecoveredReplica)
        /// Answered by `stored` after the fsync.
        case write(LogWrite)
        /// Changes of the state by entries up to this one; not synced by itself, for the log is. Answered by `applied`.
        case apply(StateBatch, through: LogPosition)
        /// Answered by `loaded`.
        case load(LoadRequest)
        /// Reads what was applied, as of the last answered `applied` or later. Answered by `read` with the same number.
        case read(UInt64, [StateRead])
        /// No answer.
        case dropLog(through: LogIndex)
        /// Parts of a snapshot to send, or one that is received: beside log and state, until it takes their place at once.
        case snapshot(SnapshotEffect)
        /// The replica is none any more: its data go, that it was here stays known. Answered by `removed`.
        case remove(ReplicaID)
    }

    package var group: GroupID
    package var work: Work

    package init(_ group: GroupID, _ work: Work) {
        self.group = group
        self.work = work
    }
}

package enum StateRead: Hashable, Sendable {
    case key([UInt8])
    /// Entries whose keys begin with `prefix`, in ascending order from `start` on: at most `limit`, and no further once they
    /// have `bytesMax` bytes together.
    case range(prefix: [UInt8], start: [UInt8], limit: Int, bytesMax: Int)
}

package struct GroupAnswer: Sendable {
    package enum Result: Sendable {
        case created
        case stored(through: UInt64)
        case applied(through: LogIndex)
        case loaded(LoadPurpose, [LogEntry])
        /// One list per read: of `key`, one entry or none.
        case read(UInt64, [[StorageEntry]])
        case snapshot(SnapshotInput)
        case removed
        /// The group's data cannot be read; it must stop.
        case damaged(StorageError)
    }

    package var group: GroupID
    package var result: Result

    package init(_ group: GroupID, _ result: Result) {
        self.group = group
        self.result = result
    }
}
