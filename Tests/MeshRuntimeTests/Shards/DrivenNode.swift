import Foundation
import MeshCore
import MeshRuntime
import MeshStorage
import Synchronization

/// A thread of its own, as an event loop is.
final class ThreadExecutor: ShardExecutor, Sendable {
    private struct Work: Sendable {
        var due: Instant
        var order: Int
        var body: @Sendable () -> Void
    }

    private struct State: Sendable {
        var waiting: [Work] = []
        var order = 0
        var isClosed = false
    }

    private static let origin = ContinuousClock.now
    static var now: Instant {
        let origin = Self.origin
        return Instant(nanoseconds: UInt64((ContinuousClock.now - origin).nanoseconds) + 1)
    }

    private let condition = NSCondition()
    private let state = Mutex(State())

    init() { Thread { self.run() }.start() }

    func execute(_ work: @escaping @Sendable () -> Void) { self.execute(at: Instant(nanoseconds: 0), work) }

    func execute(at instant: Instant, _ work: @escaping @Sendable () -> Void) {
        self.condition.withLock {
            self.state.withLock { state in
                state.order += 1
                let place = state.waiting.firstIndex { $0.due > instant } ?? state.waiting.count
                state.waiting.insert(Work(due: instant, order: state.order, body: work), at: place)
            }
            self.condition.signal()
        }
    }

    func close() {
        self.condition.withLock {
            self.state.withLock { $0.isClosed = true }
            self.condition.signal()
        }
    }

    private func run() {
        while let work = self.next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        self.condition.withLock {
            while true {
                let (work, due, isClosed) = self.state.withLock { state -> ((@Sendable () -> Void)?, Instant, Bool) in
                    guard !state.isClosed, let first = state.waiting.first else {
                        return (nil, .distantFuture, state.isClosed)
                    }
                    guard first.due <= Self.now else { return (nil, first.due, false) }
                    return (state.waiting.removeFirst().body, .distantFuture, false)
                }
                if isClosed { return nil }
                if let work { return work }
                if due == .distantFuture {
                    self.condition.wait()
                } else {
                    let seconds = Double((due - Self.now).nanoseconds) / 1e9
                    _ = self.condition.wait(until: Date(timeIntervalSinceNow: max(seconds, 0)))
                }
            }
        }
    }
}

/// What a driven node's groups said.
final class Answers: ShardService, Sendable {
    typealias Request = CommandLead<TallyState>.Request
    typealias Output = CommandLead<TallyState>.Output

    private struct State: Sendable {
        var sums: [UInt64: UInt64] = [:]
        var values: [UInt64: [[StorageEntry]]] = [:]
        /// What did not happen, and never will.
        var refused: Set<UInt64> = []
        /// What may have happened.
        var doubtful: Set<UInt64> = []
        var results: [UInt64: GroupCommandResult] = [:]
        var strays = 0
    }

    private let state = Mutex(State())

    func perform(_ outputs: [(group: GroupID, output: Output)]) -> [ShardInput<Request>] {
        self.state.withLock { state in
            for (_, output) in outputs {
                switch output {
                case .applied(let id, _, let sum): state.sums[id] = sum
                case .values(let id, let lists): state.values[id] = lists
                case .refused(let id, _), .unresolved(let id, isLost: true): state.refused.insert(id)
                case .unresolved(let id, isLost: false): state.doubtful.insert(id)
                }
            }
        }
        return []
    }

    func strayed(_ requests: [(group: GroupID, request: Request)]) {
        self.state.withLock { $0.strays += requests.count }
    }
    func changed(_ roles: [ShardTurn<Request, Output>.RoleChange]) {}
    func done(_ results: [(id: UInt64, result: GroupCommandResult)]) {
        self.state.withLock { state in for (id, result) in results { state.results[id] = result } }
    }

    func sum(_ id: UInt64) -> UInt64? { self.state.withLock { $0.sums[id] } }
    /// Once: whoever takes it sends again.
    func takeRefusal(_ id: UInt64) -> Bool { self.state.withLock { $0.refused.remove(id) } != nil }
    func takeDoubt(_ id: UInt64) -> Bool { self.state.withLock { $0.doubtful.remove(id) } != nil }
    func isDoubtful(_ id: UInt64) -> Bool { self.state.withLock { $0.doubtful.contains(id) } }
    func values(_ id: UInt64) -> [[StorageEntry]]? { self.state.withLock { $0.values[id] } }
    func result(_ id: UInt64) -> GroupCommandResult? { self.state.withLock { $0.results[id] } }
    var strays: Int { self.state.withLock { $0.strays } }
}

/// A node as the daemon makes it: production drivers on threads, over RocksDB and streams in memory.
final class DrivenNode: PeerHandler, Sendable {
    typealias Driver = ShardDriver<CommandLead<TallyState>>

    static let shards = 2
    let id: NodeID
    let answers = Answers()
    let drivers: [Driver]
    private let storage: RocksStorage
    private let executors: [ThreadExecutor]
    private let frames: GroupFrames

    static func shard(of group: GroupID) -> ShardID { ShardID(1 + Int(group.number) % Self.shards) }

    init(_ id: NodeID, life: UInt64, folder: String, mesh: TestMesh) async throws {
        let storage = try RocksStorage(directory: folder, node: id)
        let network = TestNetwork(hub: mesh, local: id)
        let answers = self.answers
        let executors = (0...Self.shards).map { _ in ThreadExecutor() }
        let clock: @Sendable () -> Moment = {
            Moment(now: ThreadExecutor.now, wall: UInt64(Date().timeIntervalSince1970 * 1_000))
        }
        // The heartbeats know the shards and the shards the heartbeats: one of them is told later.
        let link = HeartbeatLink()
        let drivers = (1...Self.shards).map { number in
            Driver(
                {
                    Shard(
                        node: id, life: life, settings: ShardSettings(),
                        makers: .init(state: { _ in TallyState() }, lead: { _, _ in CommandLead() }),
                        seed: id.low << 8 | UInt64(number))
                }, executor: executors[number], storage: storage, network: network, service: answers, clock: clock,
                heartbeats: { link.submit(.shard(ShardID(number), $0)) })
        }
        let hub = HeartbeatDriver(
            HeartbeatHub(boot: life, shards: (1...Self.shards).map(ShardID.init), shardOf: Self.shard),
            executor: executors[0], network: network, clock: clock,
            ask: { shard, question in drivers[shard.number - 1].submit(.heartbeat(question)) })
        link.connect(hub)
        self.id = id
        self.storage = storage
        self.executors = executors
        self.drivers = drivers
        self.frames = GroupFrames(
            shardOf: Self.shard, deliver: { drivers[$0.number - 1].submit(.messages($1, from: $2)) },
            heartbeats: { link.submit(.frame($0, from: $1)) })
        let found = try await withCheckedThrowingContinuation { continuation in
            storage.recover { continuation.resume(with: $0) }
        }
        for number in 1...Self.shards {
            drivers[number - 1].recover(found.filter { Self.shard(of: $0.group) == ShardID(number) })
        }
        mesh.join(id, self)
    }

    func driver(of group: GroupID) -> Driver { self.drivers[Self.shard(of: group).number - 1] }
    func raft(of group: GroupID) -> Raft? { self.driver(of: group).inspect { $0.raft(of: group) } }
    func commands(of group: GroupID) -> UInt64? { self.driver(of: group).inspect { $0.state(of: group)?.commands } }

    func received(_ frame: PeerFrame, from node: NodeID) { _ = self.frames.received(frame, from: node) }
    func disconnected(_ node: NodeID) { for driver in self.drivers { driver.submit(.suspected(node)) } }

    /// As if the process had ended: nothing is told to anybody here.
    func kill() {
        for executor in self.executors { executor.close() }
        self.storage.close()
    }
}

private final class HeartbeatLink: Sendable {
    private let hub = Mutex<HeartbeatDriver?>(nil)
    func connect(_ hub: HeartbeatDriver) { self.hub.withLock { $0 = hub } }
    func submit(_ input: HeartbeatHub.Input) { self.hub.withLock { $0 }?.submit(input) }
}

extension RecoveredGroup {
    fileprivate var group: GroupID {
        switch self {
        case .replica(let recovered): recovered.group
        case .removed(let group, _, _), .damaged(let group, _): group
        }
    }
}
