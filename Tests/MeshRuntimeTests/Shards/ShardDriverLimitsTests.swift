import MeshCore
import MeshRuntime
import Synchronization
import Testing

@Suite("What waits for a driven shard")
struct ShardDriverLimitsTests {
    typealias Driver = ShardDriver<CommandLead<TallyState>>

    @Test("has an end; an answer that the shard waits for is taken all the same")
    func owedAnswer() {
        let group = GroupID(1)
        let executor = HandExecutor()
        let service = FloodingService(group)
        var limits = Driver.Limits()
        limits.requestsMax = 2
        let driver = Driver(
            {
                Shard(
                    node: ShardMesh.node(0), life: 1, settings: ShardSettings(),
                    makers: .init(state: { _ in TallyState() }, lead: { _, _ in CommandLead() }), seed: 1)
            }, executor: executor, storage: SilentStorage(), network: NoNetwork(), service: service, limits: limits,
            clock: { Moment(now: Instant(nanoseconds: 1_000_000_000), wall: 1) }, heartbeats: { _ in })
        service.flood { driver.submit(.request(group, .command($0, []))) }
        // Its disk never answers, so it does not lead, and refuses whatever it is asked.
        driver.submit(.command(1, group, .create(GroupIncarnation(counter: 1, id: 1))))
        driver.submit(.request(group, .command(FloodingService.first, [])))
        executor.run()
        #expect(driver.droppedCount == 1)
        #expect(service.refused.contains(FloodingService.owed))
    }
}

/// Runs what is due when it is told to.
private final class HandExecutor: ShardExecutor {
    private let works = Mutex<[@Sendable () -> Void]>([])

    func execute(_ work: @escaping @Sendable () -> Void) { self.works.withLock { $0.append(work) } }
    /// Time stands still.
    func execute(at instant: Instant, _ work: @escaping @Sendable () -> Void) {}

    func run() {
        while let work = self.works.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { work() }
    }
}

private struct SilentStorage: GroupStorage {
    func recover(done: @escaping @Sendable (Result<[RecoveredGroup], StorageError>) -> Void) {}
    func perform(_ jobs: [GroupJob], done: @escaping @Sendable ([GroupAnswer]) -> Void) {}
}

private struct NoNetwork: PeerNetwork {
    func send(_ frames: [PeerFrame], to node: NodeID) -> PeerSend { .unknown }
}

/// When it hears of the first request, it fills the inbox of the shard, and then gives an answer.
private final class FloodingService: ShardService {
    typealias Request = CommandLead<TallyState>.Request
    typealias Output = CommandLead<TallyState>.Output

    static let first: UInt64 = 10
    static let owed: UInt64 = 99

    private struct State: Sendable {
        var refused: Set<UInt64> = []
        var submit: @Sendable (UInt64) -> Driver.Offer = { _ in .full }
    }

    private let group: GroupID
    private let state = Mutex(State())

    typealias Driver = ShardDriverLimitsTests.Driver

    init(_ group: GroupID) { self.group = group }

    var refused: Set<UInt64> { self.state.withLock { $0.refused } }

    func flood(_ submit: @escaping @Sendable (UInt64) -> Driver.Offer) { self.state.withLock { $0.submit = submit } }

    func perform(_ outputs: [(group: GroupID, output: Output)]) -> [ShardInput<Request>] {
        var isFirst = false
        for case .refused(let id, _) in outputs.map(\.output) {
            isFirst = isFirst || id == Self.first
            self.state.withLock { _ = $0.refused.insert(id) }
        }
        guard isFirst else { return [] }
        let submit = self.state.withLock { $0.submit }
        var id = Self.first + 1
        while case .taken = submit(id) { id += 1 }
        return [.request(self.group, .command(Self.owed, []))]
    }

    func strayed(_ requests: [(group: GroupID, request: Request)]) {}
    func changed(_ roles: [ShardTurn<Request, Output>.RoleChange]) {}
    func done(_ results: [(id: UInt64, result: GroupCommandResult)]) {}
}
