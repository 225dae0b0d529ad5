internal import Glibc
internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import MeshStorage
internal import MeshTransport

/// A node in this process, put together as the daemon does it, with a mesh of its own that others can join.
///
/// Its actors at `/bench/idle/{key}` never begin: messages to them stay where they were made durable, so that what is
/// measured is the mailbox alone.
struct BenchNode: Sendable {
    private static let boot: UInt64 = 1

    let network: MeshNetwork
    let runtime: Runtime
    let placement: Placement
    private let identity = NodeIdentity.generate()
    private let storage: RocksStorage
    private let loops: BenchLoops

    init(folder: String, partitions: Int) throws {
        let cluster = ClusterID.random()
        let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        let settings = RuntimeConfiguration()
        self.storage = try RocksStorage(directory: folder, node: self.identity.id)
        self.loops = BenchLoops(shards: 1)
        self.placement = Placement(cluster: cluster, partitions: partitions)
        self.network = MeshNetwork(
            MeshNetwork.Configuration(
                identity: self.identity, boot: Boot(epoch: Self.boot, nonce: 1), cluster: cluster, keys: .generate(),
                name: "bench", bind: HostAndPort(host: "127.0.0.1", port: 0)),
            logger: logger)
        self.runtime = Runtime(
            directory: self.network, storage: self.storage, handlers: IdleHandlers(), configuration: settings,
            partitions: PartitionNode.Configuration(
                local: self.identity.id, boot: Self.boot, placement: self.placement, executors: self.loops.executors,
                seed: 1, clock: settings.moment),
            logger: logger)
    }

    /// Begins the mesh, runs the node while `body` does, and closes it.
    func run(_ body: @escaping @Sendable (Endpoint) async throws -> Void) async throws {
        try await self.runtime.recover()
        self.runtime.attach(self.network)
        let address = try await self.network.start(handler: self.runtime).advertised
        try await self.runtime.begin()
        _ = try await self.runtime.apply([Self.idle])
        try await withThrowingTaskGroup(of: Void.self) { parts in
            parts.addTask { await self.network.run() }
            parts.addTask { await self.runtime.run() }
            parts.addTask { await self.tellOfMembers() }
            try await body(address)
            parts.cancelAll()
        }
        await self.loops.close()
        self.storage.close()
    }

    private func tellOfMembers() async {
        while !Task.isCancelled {
            self.runtime.membersChanged(await self.network.members().map { MeshMember($0, at: .now()) })
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    private static var idle: ActorDefinition {
        get throws {
            ActorDefinition(
                name: "idle", path: try PathPattern("/bench/idle/{key}"), handler: .exec(.init(command: ["none"])),
                mailboxLimit: 1_000_000, source: "")
        }
    }

    /// So many paths of actors, all of partitions that this node leads, spread evenly over them.
    func paths(_ prefix: String, count: Int) throws -> [ActorPath] {
        let led = Set(self.runtime.partitionStatus.map(\.partition))
        guard !led.isEmpty else { throw BenchError("no partition is led by the node in this process") }
        let share = (count + led.count - 1) / led.count
        var taken: [Partition: Int] = [:]
        var paths: [ActorPath] = []
        var number = 0
        while paths.count < count {
            let path = try ActorPath("\(prefix)/\(number)")
            let partition = self.placement.partition(of: path)
            number += 1
            guard led.contains(partition), taken[partition, default: 0] < share else { continue }
            taken[partition, default: 0] += 1
            paths.append(path)
        }
        return paths
    }
}

/// Programs that take for ever to start.
private struct IdleHandlers: ActorHandlers {
    func withHandler(
        for path: ActorPath, definition: ActorDefinition, _ turns: (any ActorHandler) async -> Void
    ) async throws(HandlerStartError) {
        while (try? await Task.sleep(for: .seconds(3_600))) != nil {}
    }
}
