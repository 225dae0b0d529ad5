internal import MeshCore
internal import Synchronization

extension LocalActors {
    /// Actors whose path begins with `prefix`: those with messages or an activation, and those that remember something.
    func list(prefix: String, node: String, done: @escaping @Sendable ([ActorView]) -> Void) {
        let limit = self.configuration.listingMax
        let busy = self.state.withLock { state in
            state.slots.filter { $0.key.description.hasPrefix(prefix) }.map { path, slot in
                ActorView(
                    path: path.description, node: node, definition: "", state: slot.stateName,
                    depth: slot.mailbox.depth, processed: slot.processed)
            }
        }
        let range = StorageRange(.mailboxes, prefix: Array(prefix.utf8))
        // Memory is ahead of the disk; behind an empty batch they agree.
        self.storage.commit(StorageBatch()) {
            self.storage.scan(range, limit: limit, bytesMax: .max) { result in
                let remembered = (try? result.get())?.map { String(decoding: $0.key, as: UTF8.self) } ?? []
                done(self.merged(busy, remembered, node: node, limit: limit))
            }
        }
    }

    private func merged(_ busy: [ActorView], _ remembered: [String], node: String, limit: Int) -> [ActorView] {
        let busyPaths = Set(busy.map(\.path))
        let idle = remembered.filter { !busyPaths.contains($0) }.map { path in
            ActorView(path: path, node: node, definition: "", state: "idle", depth: 0, processed: 0)
        }
        return (busy + idle).sorted { $0.path < $1.path }.prefix(limit).map { view in
            var view = view
            view.definition = (try? ActorPath(view.path)).flatMap { try? self.target(of: $0).name } ?? ""
            return view
        }
    }

    /// Whether no activation lives within a time.
    func becameEmpty(within grace: Duration) async -> Bool {
        let deadline = MonotonicClock.now + grace
        while self.state.withLock({ $0.places.count }) > 0 {
            guard MonotonicClock.now < deadline, (try? await Task.sleep(for: .milliseconds(10))) != nil else {
                return false
            }
        }
        return true
    }

    /// Nothing is waited for any more.
    func close() {
        let sleepers = self.state.withLock { state -> [CheckedContinuation<Void, Never>?] in
            state.phase = .closed
            return state.slots.keys.map { state.slots[$0]?.sleeper.take() }
        }
        for continuation in sleepers { continuation?.resume() }
    }
}
