internal import MeshCore
internal import Synchronization

// Small parts of a node of partitions.

/// Heartbeats know the shards and the shards the heartbeats: one of them is told later.
final class LateHeartbeats: Sendable {
    private let driver = Mutex<HeartbeatDriver?>(nil)
    func connect(_ driver: HeartbeatDriver) { self.driver.withLock { $0 = driver } }
    func submit(_ input: HeartbeatHub.Input) { self.driver.withLock { $0 }?.submit(input) }
}

/// Commands to groups that somebody waits for.
final class CommandResults: Sendable {
    private struct State: Sendable {
        // 0 is nobody's.
        var last: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<GroupCommandResult, Never>] = [:]
    }

    private let state = Mutex(State())

    func wait(_ start: (UInt64) -> Void) async -> GroupCommandResult {
        await withCheckedContinuation { continuation in
            let id = self.state.withLock { state in
                state.last += 1
                state.waiting[state.last] = continuation
                return state.last
            }
            start(id)
        }
    }

    func done(_ id: UInt64, _ result: GroupCommandResult) {
        self.state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: result)
    }
}

/// Mailboxes of the format before partitions were replicated: one copy, on the owner of a path (decisions/0021).
enum OldMailboxes {
    private static let shownMax = 10_000

    /// Throws if anything would be lost by going on without them.
    static func refuse(in storage: any Storage) async throws {
        let messages = try await self.count(.messages, in: storage)
        let actors = try await self.count(.state, in: storage)
        let deadLetters = try await self.count(.deadLetters, in: storage)
        guard messages + actors + deadLetters > 0 else { return }
        func text(_ count: Int, _ what: String) -> String {
            count >= self.shownMax ? "\(self.shownMax) \(what) or more" : "\(count) \(what)"
        }
        throw MeshError(
            .conflict,
            "the data folder is of a meshnode that kept one copy of each mailbox: it holds "
                + "\(text(messages, "waiting messages")), \(text(actors, "values of actors' state")) and "
                + "\(text(deadLetters, "dead letters"))",
            hint: "let that version work them off, or start with an empty data folder; nothing was changed")
    }

    private static func count(_ table: StorageTable, in storage: any Storage) async throws -> Int {
        try await storage.scan(StorageRange(table), limit: self.shownMax, bytesMax: .max).count
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
