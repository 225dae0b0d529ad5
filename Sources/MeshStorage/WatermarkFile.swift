internal import MeshCore
internal import Synchronization

/// Keeps the watermark's file behind the database, at most every 100 ms and on a thread of its own: it has an fsync of its
/// own, for which no message waits.
final class WatermarkFile: Sendable {
    private struct State {
        var mark: Watermark
        var isScheduled = false
    }

    /// What the owner and the thread share.
    private final class Shared: Sendable {
        let state: Mutex<State>
        init(_ mark: Watermark) { self.state = Mutex(State(mark: mark)) }
    }

    private let shared: Shared
    private let worker: Worker<Void>

    init(path: String, mark: Watermark) {
        let shared = Shared(mark)
        self.shared = shared
        self.worker = Worker(name: "storage-mark", pause: .milliseconds(100)) { _ in
            let mark = shared.state.withLock { state in
                state.isScheduled = false
                return state.mark
            }
            do { try SmallFile.replace(path, with: mark.bytes) } catch { endProcess(because: "\(error)") }
        }
    }

    /// These are durable now; nil: the replica is gone, and so is what it owed.
    func note(commits: UInt64, _ tails: [(GroupID, Watermark.Tail?)]) {
        let mustSchedule = self.shared.state.withLock { state in
            state.mark.commits = commits
            for (group, tail) in tails { state.mark.tails[group] = tail }
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if mustSchedule { self.worker.submit(()) }
    }

    /// Writes what was noted last and ends the thread.
    func close() { self.worker.close() }
}

extension Watermark {
    /// Beside the folder of the database, so that an older copy of the folder is noticed.
    static func path(of database: String) -> String { database + ".watermark" }
}
