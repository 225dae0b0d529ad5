internal import Logging
internal import MeshCore
internal import Synchronization

/// Definitions spread by digest and pull: every member keeps all of them, tells the others what it applies, and asks one
/// whose advertised digest stays another than its own to compare. The higher (version, origin) wins, so all end with the same table.
final class GossipedDefinitions: DefinitionRegistry {
    /// How many bytes of entries go into one frame; the longest entry is far below it.
    private static let frameBytesMax = 512 << 10
    private static let keyPrefix = Array("definition/".utf8)
    private static let spreadTimeout: Duration = .seconds(1)

    private let table = Mutex(DefinitionTable())
    /// What other members advertise.
    private let digests = Mutex<[NodeID: UInt64]>([:])
    private let storage: any Storage
    private let directory: any MemberDirectory
    private let requests: Requests
    private let logger: Logger
    private let send: @Sendable (PeerFrame, NodeID) -> PeerSend
    private let observer = Mutex<(@Sendable ([(String, DefinitionTable.Change)]) -> Void)?>(nil)

    init(
        storage: any Storage, directory: any MemberDirectory, requests: Requests, logger: Logger,
        send: @escaping @Sendable (PeerFrame, NodeID) -> PeerSend
    ) {
        self.storage = storage
        self.directory = directory
        self.requests = requests
        self.logger = logger
        self.send = send
    }

    /// Calls `observer` without a lock, after the table has changed, with names and what became of them.
    func observe(_ observer: @escaping @Sendable ([(String, DefinitionTable.Change)]) -> Void) {
        self.observer.withLock { $0 = observer }
    }

    private func changed(_ changes: [(String, DefinitionTable.Change)]) {
        if !changes.isEmpty { self.observer.withLock { $0 }?(changes) }
    }

    func recover() async throws {
        var entries: [AppliedDefinition] = []
        try await self.storage.read(StorageRange(.node, prefix: Self.keyPrefix)) { entry in
            var reader = WireReader(entry.value.raw)
            entries.append(try reader.appliedDefinition())
            try reader.end()
        }
        self.table.withLock { _ = $0.merge(entries) }
    }

    func resolve(_ path: ActorPath) -> AppliedDefinition? { self.table.withLock { $0.resolve(path) } }

    var all: [AppliedDefinition] { self.table.withLock { $0.entries.filter { $0.definition != nil } } }

    func apply(
        _ definitions: [ActorDefinition]
    ) async throws(MeshError) -> [(applied: AppliedDefinition, change: DefinitionTable.Change)] {
        let results = try self.table.withLock { table throws(MeshError) in
            let results = try table.apply(definitions, origin: self.directory.localID)
            // Under the lock, so that the disk sees changes of one name in the order of their versions.
            self.storage.commit(self.batch(of: results.filter { $0.change != .unchanged }.map(\.applied))) {}
            return results
        }
        let fresh = results.filter { $0.change != .unchanged }
        await self.storage.commit(StorageBatch())
        self.changed(fresh.map { ($0.applied.name, $0.change) })
        await self.spread(fresh.map(\.applied))
        return results
    }

    func delete(_ name: String) async throws(MeshError) {
        let deleted = try self.table.withLock { table throws(MeshError) in
            let deleted = try table.delete(name, origin: self.directory.localID)
            self.storage.commit(self.batch(of: [deleted])) {}
            return deleted
        }
        await self.storage.commit(StorageBatch())
        self.changed([(name, .deleted)])
        await self.spread([deleted])
    }

    // MARK: with other members

    /// Tells every member and waits a moment for those that answer, so that whoever applied a definition can use it
    /// anywhere. Those that do not answer learn of it at the next comparison.
    private func spread(_ entries: [AppliedDefinition]) async {
        guard !entries.isEmpty else { return }
        let deadline = MonotonicClock.now + Self.spreadTimeout
        await withTaskGroup(of: Void.self) { group in
            for peer in self.directory.placeable where peer != self.directory.localID {
                group.addTask {
                    _ = try? await self.requests.perform(to: peer, deadline: deadline) { number in
                        self.push(entries, to: peer, correlation: number)
                    }
                }
            }
        }
    }

    var digest: UInt64 { self.table.withLock { $0.digest } }

    func advertised(_ digest: UInt64, by peer: NodeID) { self.digests.withLock { $0[peer] = digest } }

    /// Those of `members` that do not advertise the digest of this node; who has no definitions advertises none. The
    /// others are forgotten.
    func differing(among members: [NodeID]) -> Set<NodeID> {
        let own = self.digest
        return self.digests.withLock { digests in
            digests = digests.filter { members.contains($0.key) }
            return Set(members.filter { $0 != self.directory.localID && digests[$0, default: 0] != own })
        }
    }

    /// Asks a member to compare tables.
    func offer(to peer: NodeID, isResponse: Bool = false) {
        let digest = self.table.withLock { $0.digest }
        let frame = DefinitionsFrame.offer(digest: digest, isResponse: isResponse)
        _ = self.send(PeerFrame(kind: .definitions, body: frame.encoded()), peer)
    }

    /// Before a frame that needs the definition of a path: frames to one peer keep their order.
    func push(matching path: ActorPath, to peer: NodeID) -> Bool {
        guard let entry = self.resolve(path) else { return false }
        self.push([entry], to: peer, correlation: 0)
        return true
    }

    private func push(_ entries: [AppliedDefinition], to peer: NodeID, correlation: UInt64) {
        var rest = entries[...]
        while !rest.isEmpty {
            let (frame, count) = DefinitionsFrame.encoded(entries: rest, bytesMax: Self.frameBytesMax)
            rest = rest.dropFirst(count)
            // The last one is to be acknowledged; those before it have arrived when it has.
            let number = rest.isEmpty ? correlation : 0
            guard case .queued = self.send(PeerFrame(kind: .definitions, correlation: number, body: frame), peer) else {
                return self.requests.answered(correlation, by: peer, .disconnected)
            }
        }
    }

    func received(_ frame: DefinitionsFrame, correlation: UInt64, from peer: NodeID) {
        switch frame {
        case .offer(let digest, let isResponse):
            let entries = self.table.withLock { $0.digest == digest ? nil : $0.entries }
            guard let entries else { return }
            self.push(entries, to: peer, correlation: 0)
            // Who asked first may know more: it compares again, once.
            if !isResponse { self.offer(to: peer, isResponse: true) }
        case .entries(let entries):
            self.merge(entries)
            guard correlation != 0 else { return }
            let answer = DefinitionsFrame.acknowledged
            _ = self.send(PeerFrame(kind: .definitions, correlation: correlation, body: answer.encoded()), peer)
        case .acknowledged: self.requests.answered(correlation, by: peer, .acknowledged)
        }
    }

    private func merge(_ entries: [AppliedDefinition]) {
        let changes = self.table.withLock { table -> [(AppliedDefinition, DefinitionTable.Change)] in
            let old = Dictionary(uniqueKeysWithValues: table.entries.map { ($0.name, $0.definition != nil) })
            let changed = table.merge(entries).compactMap { table[$0] }
            if !changed.isEmpty { self.storage.commit(self.batch(of: changed)) {} }
            return changed.map { entry in
                (entry, entry.definition == nil ? .deleted : old[entry.name] == true ? .updated : .created)
            }
        }
        for (entry, change) in changes {
            self.logger.info(
                "a definition changed elsewhere",
                metadata: ["name": "\(entry.name)", "change": "\(change)", "version": "\(entry.version)"])
        }
        self.changed(changes.map { ($0.0.name, $0.1) })
    }

    private func batch(of entries: [AppliedDefinition]) -> StorageBatch {
        var batch = StorageBatch()
        for entry in entries {
            var writer = WireWriter()
            writer.write(entry)
            batch.put(.node, Self.keyPrefix + Array(entry.name.utf8), writer.bytes)
        }
        return batch
    }
}
