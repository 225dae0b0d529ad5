internal import MeshCore
internal import MeshRuntime

/// What nodes say to each other for their partitions, beside consensus.
enum PartitionMessage: Sendable {
    /// For whichever replica of the group is there.
    case request(GroupID, PartitionRequest)
    /// What a partition makes of another's outbox, for that one; and who leads it, as far as the one who answers knows.
    case delivered(GroupID, DeliveryAnswer, leader: NodeID?)
    /// To who asked under this number.
    case answer(UInt64, PartitionAnswer)
    case run(GroupID, TurnOrder, on: ActivationHost)
    case check(GroupID, ActivationID, order: UInt64)
    case release(GroupID, ActivationID)

    /// It waits in a shard's queue, also while the process is stopped.
    var isForShard: Bool {
        switch self {
        case .request, .delivered: true
        case .answer, .run, .check, .release: false
        }
    }
}

/// The part of a node that hosts activations: it runs turns, and keeps the state between them.
struct PartitionService {
    struct Name: Hashable {
        var group: GroupID
        var id: ActivationID
    }

    private struct Hosted {
        var state: ActorState
        /// The number of its last turn, and what was told of it.
        var turns: UInt64 = 0
        var report: TurnReport?
    }

    enum Answer {
        case report(TurnReport)
        case disowned
        /// It ran before, and the answer is on its way or lost.
        case repeated
    }

    private var hosted: [Name: Hosted] = [:]
    private var random: RandomSource
    /// Turns fail now and then.
    var fails: Bool

    init(random: RandomSource, fails: Bool) {
        self.random = random
        self.fails = fails
    }

    mutating func release(_ id: ActivationID, of group: GroupID) { self.hosted[Name(group: group, id: id)] = nil }

    mutating func run(_ order: TurnOrder, of group: GroupID, wall: UInt64) -> Answer {
        let name = Name(group: group, id: order.activation)
        if let entries = order.state, self.hosted[name] == nil {
            let values = entries.map { ($0.key, $0.value) }
            self.hosted[name] = Hosted(state: ActorState(Dictionary(values) { first, _ in first }))
        }
        guard var hosted = self.hosted[name] else { return .disowned }
        guard order.number > hosted.turns else { return .repeated }
        // One before it did not arrive, so what is remembered here is not the actor's state.
        guard order.number == hosted.turns + 1 else { return .disowned }
        hosted.turns = order.number
        let end = self.turn(order, &hosted.state, wall: wall)
        let report = TurnReport(order.activation, number: order.number, end)
        hosted.report = report
        self.hosted[name] = hosted
        return .report(report)
    }

    /// What a leader hears that asks how an order is getting on.
    func check(_ id: ActivationID, order: UInt64, of group: GroupID) -> PartitionRequest {
        guard let hosted = self.hosted[Name(group: group, id: id)] else { return .disowned(id) }
        if hosted.turns == order, let report = hosted.report { return .turn(report) }
        return hosted.turns < order ? .missing(id, order: order) : .disowned(id)
    }

    private mutating func turn(_ order: TurnOrder, _ state: inout ActorState, wall: UInt64) -> TurnReport.End {
        if self.fails {
            switch self.random.below(128) {
            case 0: return .failed(.crashed, MeshError(.handlerFailed, "crashed, as simulated", accepted: .yes))
            case 1..<5 where !order.isCommitted && !order.isEphemeral: return .wantsCommit
            default: break
            }
        }
        let before = state
        do {
            var result = try self.result(of: order, &state, wall: wall)
            result.changes = state.takeChanges()
            result.keys = state.count
            return .finished(result)
        } catch {
            state = before
            let failure = error as? MeshError ?? MeshError(.internalError, "\(error)", accepted: .yes)
            return .failed(FailureType(failure.code.rawValue), failure)
        }
    }

    private mutating func result(of order: TurnOrder, _ state: inout ActorState, wall: UInt64) throws -> TurnResult {
        let body = order.envelope.message.body
        if let chain = ChainActor(order.path) {
            return try chain.turn(body, state: &state, wall: wall, random: &self.random)
        }
        guard let builtIn = BuiltIn(order.path) else { throw MeshError(.notFound, "nobody answers at \(order.path)") }
        return TurnResult(reply: try builtIn.turn(body, state: &state))
    }
}
