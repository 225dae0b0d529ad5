internal import Glibc
internal import MeshCore
internal import Synchronization

/// Watches the room on the data folder's disk. When little is left no more messages are taken, so that those that wait can
/// still be processed: a write that fails ends the process.
final class DiskGuard: Sendable {
    private struct State {
        var room: DiskRoom?
        var isShort = false
    }

    private let path: String
    private let state = Mutex(State())

    init(path: String) { self.path = path }

    var room: DiskRoom? { self.state.withLock { $0.room } }

    /// What is wrong, while something is.
    var warning: String? { self.state.withLock { self.warning($0) } }

    /// Looks again; says whether that changed whether messages are taken.
    func look() -> Bool {
        let room = DiskRoom(of: self.path)
        return self.state.withLock { state in
            state.room = room
            guard let room else { return false }
            let was = state.isShort
            // A little more than it took to close, or a disk at the edge would open and close without end.
            state.isShort = room.free < (was ? room.reserve + room.reserve / 4 : room.reserve)
            return state.isShort != was
        }
    }

    private func warning(_ state: State) -> String? {
        guard state.isShort, let room = state.room else { return nil }
        return
            "the disk of \(self.path) has \(room.free.megabytes) left, and \(room.reserve.megabytes) are kept for what was "
            + "accepted: no more messages are taken; make room"
    }

    /// What a sender is told while messages are not taken.
    var refusal: MeshError? {
        self.state.withLock { state in
            guard state.isShort, let room = state.room else { return nil }
            return MeshError(
                .overloaded, "the disk of this node is full: \(room.free.megabytes) are left", hint: "make room on it",
                retryAfter: .seconds(5))
        }
    }
}

/// Of one file system, in bytes.
struct DiskRoom: Hashable, Sendable {
    var total: UInt64
    /// For this user.
    var free: UInt64
    var isReadOnly: Bool

    init(total: UInt64, free: UInt64, isReadOnly: Bool = false) {
        self.total = total
        self.free = free
        self.isReadOnly = isReadOnly
    }

    init?(of path: String) {
        var status = statvfs()
        guard unsafe statvfs(path, &status) == 0 else { return nil }
        let block = UInt64(status.f_frsize)
        self.init(
            total: UInt64(status.f_blocks) * block, free: UInt64(status.f_bavail) * block,
            isReadOnly: status.f_flag & UInt(ST_RDONLY) != 0)
    }

    /// What the database may need to go on with what it has: its log and one round of flushes and compaction.
    var reserve: UInt64 { min(max(self.total / 20, 32 << 20), 512 << 20, self.total / 3) }
}

extension UInt64 {
    /// As people read it.
    var megabytes: String { self >= 10 << 30 ? "\(self >> 30) GiB" : "\(self >> 20) MiB" }
}
