internal import Logging
package import MeshCore
internal import NIOCore
internal import Synchronization

extension MeshNetwork {
    /// Frames that wait to be looked at; a member tells again what was lost.
    static let keyFramesMax = 256

    package var keyring: Keyring { self.keys.ring }
    package var token: JoinToken { self.keys.token(cluster: self.configuration.cluster) }

    // MARK: changes, on this node; every member learns of them by itself, and sooner by `askKeys`

    @discardableResult
    package func install(_ key: MeshKey = .generate()) async throws -> KeyID {
        try await self.keyExchange.change { [localID] keys throws(KeyringError) in try keys.install(key, by: localID) }
        return key.id
    }

    package func use(key: KeyID) async throws {
        try await self.keyExchange.change { [localID] keys throws(KeyringError) in try keys.use(key, by: localID) }
    }

    package func remove(key: KeyID) async throws {
        try await self.keyExchange.change { [localID] keys throws(KeyringError) in try keys.remove(key, by: localID) }
    }

    /// The keys of a token of this mesh, for a node that was away while its own were rotated out. What is known already
    /// stays as it is: an old token brings nothing back.
    package func accept(_ token: JoinToken) async throws {
        precondition(token.cluster == self.configuration.cluster, "the token of another mesh")
        let table = MeshKeys(token).table()
        try await self.keyExchange.change { keys throws(KeyringError) in try keys.merge(table) }
    }

    /// Tells these members this node's keys and asks what they have now; those that answered within `limit`.
    package func askKeys(of nodes: [NodeID], within limit: Duration) async -> [NodeID: KeySummary] {
        await self.keyExchange.ask(nodes, within: limit)
    }

    /// What members showed of their keys when this node last heard it from them.
    package func keysSeen() async -> [NodeID: KeySummary] { await self.keyExchange.seen }

    /// Members that refused every key of this node when it last called on them.
    package var lockedOutBy: [NodeID] { self.lockedOut.withLock { $0.sorted() } }

    // MARK: parts

    func makeKeyExchange() -> KeyExchange {
        let ports = KeyExchange.Ports(
            save: self.configuration.keepKeys,
            apply: { [weak self] in self?.apply($0) },
            send: { [weak self] in self?.send(keyring: $0, to: $1) ?? false },
            holders: { [weak self] in await self?.askMembership { $0.holders(ofField: KeySummary.field) } ?? [] },
            found: { [weak self] in self?.found($0) })
        return KeyExchange(self.configuration.keys, localID: self.localID, ports: ports, logger: self.logger)
    }

    /// Until its task is cancelled.
    func keepKeysEqual() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keyExchange.keepEqual() }
            for await (frame, node) in self.keyFrames {
                do { try await self.keyExchange.received(frame, from: node) } catch {
                    self.refusals.count(.stream(.malformed), at: .now(), "\(node)")
                }
            }
            group.cancelAll()
        }
    }

    /// Key material is for members: a stream is open a moment before its other side is one.
    private func send(keyring frame: PeerFrame, to node: NodeID) -> Bool {
        guard node != self.localID, let endpoint = self.directory.endpoint(of: node) else { return false }
        switch self.outboxes.offer([frame], to: node) {
        case .full, .tooLarge: return false
        case .alreadyScheduled: return true
        case .schedule: return self.onStreams { $0.flush(node, at: endpoint) }
        }
    }

    /// One that was given up is a member again as soon as both have compared what they know.
    private func found(_ node: NodeID) {
        if self.directory.reachable(node) == nil { self.step(.exchange(node)) }
    }
}
