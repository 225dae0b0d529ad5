internal import MeshCore
internal import Synchronization

/// The members as every thread may ask for them: written by the gossip loop on each change, read under a lock.
final class Directory: Sendable {
    private struct Entry {
        var endpoint: Endpoint
        var name: String
        var state: MemberState
    }

    private struct State {
        var entries: [NodeID: Entry] = [:]
        var placeable: [NodeID] = []
    }

    private let state = Mutex(State())

    func update(_ id: NodeID, _ member: Member?) {
        self.state.withLock { state in
            let entry = member.map {
                Entry(endpoint: $0.description.endpoint, name: $0.description.name, state: $0.state)
            }
            let was = state.entries.updateValueOrRemove(entry, for: id).map { Self.isPlaceable($0.state) } ?? false
            guard was != (entry.map { Self.isPlaceable($0.state) } ?? false) else { return }
            state.placeable = state.entries.filter { Self.isPlaceable($0.value.state) }.keys.sorted()
        }
    }

    var placeable: [NodeID] { self.state.withLock { $0.placeable } }

    func name(of node: NodeID) -> String? { self.state.withLock { $0.entries[node]?.name } }

    /// nil for who is not known, dead or gone.
    func reachable(_ node: NodeID) -> Endpoint? {
        self.state.withLock { state in
            guard let entry = state.entries[node], Self.isPlaceable(entry.state) else { return nil }
            return entry.endpoint
        }
    }

    /// Whether a member that is not dead or gone, this node included, is to be found there.
    func isReachable(at endpoint: Endpoint) -> Bool {
        self.state.withLock { state in
            state.entries.values.contains { $0.endpoint == endpoint && Self.isPlaceable($0.state) }
        }
    }

    /// Also of the dead: whether their process is gone is learned from their address.
    func endpoint(of node: NodeID) -> Endpoint? { self.state.withLock { $0.entries[node]?.endpoint } }

    private static func isPlaceable(_ state: MemberState) -> Bool { state == .alive || state == .suspect }
}

extension Dictionary {
    fileprivate mutating func updateValueOrRemove(_ value: Value?, for key: Key) -> Value? {
        guard let value else { return self.removeValue(forKey: key) }
        return self.updateValue(value, forKey: key)
    }
}
