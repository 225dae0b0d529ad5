import Foundation
import Logging
import MeshCore
import MeshRuntime
import MeshStorage
import Synchronization
import Testing

/// An executor on the runtime's clock.
struct RuntimeExecutor: ShardExecutor {
    let thread = ThreadExecutor()

    func execute(_ work: @escaping @Sendable () -> Void) { self.thread.execute(work) }
    func execute(at instant: Instant, _ work: @escaping @Sendable () -> Void) {
        self.thread.execute(at: ThreadExecutor.now + (instant - MonotonicClock.now) + .nanoseconds(1), work)
    }
}

/// A runtime that lives on replicated partitions: production shards on threads, RocksDB, and streams in memory.
final class ReplicatedNode: Sendable {
    static let partitions = 8

    let id: NodeID
    let runtime: Runtime
    private let storage: RocksStorage
    private let executors: [RuntimeExecutor]
    private let task: Task<Void, Never>
    private let teller: Task<Void, Never>
    private let hub: TestMesh

    init(
        _ number: UInt64, in mesh: TestMesh, folder: String, boot: UInt64 = 1, founders: Int? = nil,
        handlers: ScriptedHandlers = ScriptedHandlers(), configuration: RuntimeConfiguration = RuntimeConfiguration()
    ) async throws {
        let id = NodeID(high: 0, low: number)
        self.id = id
        self.hub = mesh
        let directory = TestDirectory(hub: mesh, localID: self.id)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.storage = try RocksStorage(directory: folder + "/\(number)", node: self.id)
        self.executors = (0...2).map { _ in RuntimeExecutor() }
        let placement = Placement(cluster: mesh.cluster, partitions: Self.partitions)
        let runtime = Runtime(
            directory: directory, ownership: RendezvousOwnership(placement: placement, directory: directory),
            storage: self.storage, handlers: handlers, configuration: configuration,
            partitions: PartitionNode.Configuration(
                local: self.id, boot: boot, placement: placement, founders: founders, executors: self.executors,
                seed: number << 8 | boot, clock: configuration.moment),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        self.runtime = runtime
        try await runtime.recover()
        mesh.join(self.id, runtime)
        runtime.attach(TestNetwork(hub: mesh, local: self.id))
        self.task = Task { await runtime.run() }
        self.teller = Task {
            for await _ in mesh.changes() { runtime.membersChanged(Self.members(of: mesh, seenBy: id)) }
        }
        runtime.membersChanged()
    }

    private static func members(of mesh: TestMesh, seenBy id: NodeID) -> [MeshMember] {
        mesh.members.map {
            MeshMember(
                id: $0, name: "node\($0.low)", endpoint: Endpoint(ipv4: 0x7f00_0001, port: UInt16($0.low)),
                health: .alive(since: Instant(nanoseconds: 0)))
        }
    }

    /// Voters of each partition that is led here.
    var led: [Partition: Int] {
        self.runtime.partitionStatus.reduce(into: [:]) { $0[$1.partition] = $1.voters }
    }

    func stop(grace: Duration = .seconds(5)) async {
        self.teller.cancel()
        await self.runtime.shutdown(grace: grace)
        await self.task.value
        self.hub.remove(self.id)
        self.end()
    }

    /// As if the process had ended: nothing is told to anybody.
    func kill() async {
        self.teller.cancel()
        for executor in self.executors { executor.thread.close() }
        self.hub.remove(self.id)
        self.storage.close()
        self.task.cancel()
    }

    private func end() {
        for executor in self.executors { executor.thread.close() }
        self.storage.close()
    }
}

/// One founded node, given to a test and stopped after it.
func withReplicatedNode(
    handlers: ScriptedHandlers = ScriptedHandlers(), _ body: (ReplicatedNode) async throws -> Void
) async throws {
    try await withFolder { folder in
        let node = try await ReplicatedNode(1, in: TestMesh(), folder: folder, handlers: handlers)
        try await node.runtime.begin()
        do { try await body(node) } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }
}

/// Three nodes, once every partition has a voter on each.
func withThreeNodes(_ body: ([ReplicatedNode], TestMesh, String) async throws -> Void) async throws {
    try await withFolder { folder in
        let mesh = TestMesh()
        var nodes: [ReplicatedNode] = []
        for number in 1...3 as ClosedRange<UInt64> {
            nodes.append(try await ReplicatedNode(number, in: mesh, folder: folder))
        }
        try await nodes[0].runtime.begin()
        try await haveThreeVoters(nodes)
        try await body(nodes, mesh, folder)
    }
}

/// Every partition has a leader among these nodes, and three voters.
func haveThreeVoters(_ nodes: [ReplicatedNode]) async throws {
    try await eventually("each partition has three voters") {
        let voters = nodes.flatMap { Array($0.led.values) }
        return voters.count == ReplicatedNode.partitions && voters.allSatisfy { $0 == 3 }
    }
}
