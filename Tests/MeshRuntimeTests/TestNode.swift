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

/// A runtime on a folder of its own, with production shards on threads, RocksDB, and streams in memory; started again it finds
/// what it left there.
final class TestNode: Sendable {
    static let partitions = 8

    let id: NodeID
    let runtime: Runtime
    let journal = EventJournal(boot: 1)
    private let storage: RocksStorage
    private let executors: [RuntimeExecutor]
    private let task: Task<Void, Never>
    private let teller: Task<Void, Never>
    private let hub: TestMesh

    /// - Parameter begins: the groups of the mesh begin on this node, if they have not yet.
    init(
        _ number: UInt64, in mesh: TestMesh, folder: String, begins: Bool = false, founders: Int? = nil,
        handlers: ScriptedHandlers = ScriptedHandlers(), configuration: RuntimeConfiguration = .patient,
        limits: LeadLimits = LeadLimits()
    ) async throws {
        let id = NodeID(high: 0, low: number)
        self.id = id
        self.hub = mesh
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.storage = try RocksStorage(directory: folder + "/\(number)", node: self.id)
        self.executors = (0...2).map { _ in RuntimeExecutor() }
        let boot = mesh.nextBoot(of: id)
        var partitions = PartitionNode.Configuration(
            local: self.id, boot: boot, placement: Placement(cluster: mesh.cluster, partitions: Self.partitions),
            founders: founders, executors: self.executors, seed: number << 8 | boot, clock: configuration.moment)
        partitions.limits = limits
        let runtime = Runtime(
            directory: TestDirectory(hub: mesh, localID: self.id), storage: self.storage, handlers: handlers,
            configuration: configuration, partitions: partitions, journal: self.journal,
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
        if begins { try await runtime.begin() }
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

/// One node on which the mesh began, given to a test and stopped after it.
func withNode(
    handlers: ScriptedHandlers = ScriptedHandlers(), configuration: RuntimeConfiguration = .patient,
    limits: LeadLimits = LeadLimits(), _ body: (TestNode) async throws -> Void
) async throws {
    try await withFolder { folder in
        let node = try await TestNode(
            1, in: TestMesh(), folder: folder, begins: true, handlers: handlers, configuration: configuration,
            limits: limits)
        do { try await body(node) } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }
}

/// Three nodes, once every partition has a voter on each.
func withThreeNodes(_ body: ([TestNode], TestMesh, String) async throws -> Void) async throws {
    try await withFolder { folder in
        let mesh = TestMesh()
        var nodes: [TestNode] = []
        for number in 1...3 as ClosedRange<UInt64> {
            nodes.append(try await TestNode(number, in: mesh, folder: folder, begins: number == 1))
        }
        try await haveThreeVoters(nodes)
        try await body(nodes, mesh, folder)
    }
}

/// Every partition has a leader among these nodes, and three voters.
func haveThreeVoters(_ nodes: [TestNode]) async throws {
    try await eventually("each partition has three voters") {
        let voters = nodes.flatMap { Array($0.led.values) }
        return voters.count == TestNode.partitions && voters.allSatisfy { $0 == 3 }
    }
}
