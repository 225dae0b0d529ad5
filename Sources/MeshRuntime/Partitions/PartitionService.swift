internal import MeshCore
internal import Synchronization

/// Stands between one shard of partitions and the rest of the node: performs what leads want, and routes what clients want.
///
/// What it locks nobody holds for longer than a step, and nothing is called with it held.
final class PartitionService: ShardService {
    typealias Request = PartitionRequest
    typealias Output = PartitionOutput

    private struct State: Sendable {
        var router: PartitionRouter
        var inline = InlineTurns()
        var wakeAt = Instant.distantFuture
    }

    private let local: NodeID
    private let state: Mutex<State>
    private let executor: any ShardExecutor
    private let clock: @Sendable () -> Moment
    private let surroundings: PartitionSurroundings

    init(
        _ router: PartitionRouter, local: NodeID, executor: any ShardExecutor, surroundings: PartitionSurroundings,
        clock: @escaping @Sendable () -> Moment
    ) {
        self.local = local
        self.state = Mutex(State(router: router))
        self.executor = executor
        self.surroundings = surroundings
        self.clock = clock
    }

    /// Requests without an answer, and activations of built-in actors.
    var load: (requests: Int, activations: Int) { self.state.withLock { ($0.router.count, $0.inline.count) } }
    func leader(of partition: Partition) -> NodeID? { self.state.withLock { $0.router.leader(of: partition) } }
    /// As far as the router knows: what it believes wrongly the lead puts right.
    func leads(_ partition: Partition) -> Bool { self.leader(of: partition) == self.local }

    // MARK: Routing

    func route(_ input: PartitionRouter.Input) {
        var inputs = [input]
        // What could not be sent goes back into the router, which then waits or asks somebody else.
        while !inputs.isEmpty {
            let effects = self.state.withLock { state in
                let moment = self.clock()
                var effects: [PartitionRouter.Effect] = []
                for input in inputs { state.router.step(input, at: moment, into: &effects) }
                self.arm(&state, at: moment)
                return effects
            }
            inputs = effects.compactMap { self.perform($0) }
        }
    }

    private func arm(_ state: inout State, at moment: Moment) {
        if state.wakeAt <= moment.now { state.wakeAt = .distantFuture }
        let due = state.router.nextWake
        guard due < state.wakeAt else { return }
        state.wakeAt = due
        self.executor.execute(at: due) { [weak self] in self?.route(.wake) }
    }

    private func perform(_ effect: PartitionRouter.Effect) -> PartitionRouter.Input? {
        switch effect {
        case .submit(let request, let partition):
            if self.leads(partition), let refusal = self.surroundings.refusal(of: request),
                let number = request.number
            {
                return .answer(number, .refused(refusal), from: self.local)
            }
            guard !self.surroundings.submit(request, to: partition), let number = request.number else { return nil }
            return .unsent(number)
        case .send(let frame, let number, let node):
            guard !self.surroundings.send(frame, number: number, to: node) else { return nil }
            // A delivery that is lost is delivered again by its lead.
            if case .delivery = frame { return nil }
            return .unsent(number)
        case .accepted(let number, let id): self.surroundings.answer(number, .accepted(id))
        case .ended(let number, let id, let outcome): self.surroundings.answer(number, .outcome(id, outcome))
        }
        return nil
    }

    // MARK: What leads want

    func perform(_ outputs: [(group: GroupID, output: PartitionOutput)]) -> [ShardInput<PartitionRequest>] {
        var inputs: [ShardInput<PartitionRequest>] = []
        for (group, output) in outputs {
            switch output {
            case .answer(let requester, let answer): self.answer(requester, answer)
            case .run(let order, let host):
                guard let builtIn = BuiltIn(order.path) else {
                    self.surroundings.hosting?.run(order, on: host, of: group)
                    continue
                }
                let report = self.state.withLock { $0.inline.run(order, builtIn, of: group) }
                inputs.append(.request(group, report))
            case .release(let activation, let path, let host):
                if BuiltIn(path) != nil {
                    self.state.withLock { $0.inline.release(activation, of: group) }
                } else {
                    self.surroundings.hosting?.send(.release(activation, path), of: group, to: host.node)
                }
            case .check(let activation, let path, let order, let host):
                self.surroundings.hosting?.send(.check(activation, path, order: order), of: group, to: host.node)
            case .place(let query): self.surroundings.hosting?.place(query, of: group)
            case .deliver(let delivery, let destination):
                self.surroundings.service(of: destination)?.route(.deliver(delivery, to: destination))
            case .deliveryAnswer(let answer, let route): self.answer(answer, to: route)
            case .drained: self.surroundings.drained(group)
            case .noted(let note): self.surroundings.note(note)
            // Nobody listens to what actors tell yet.
            case .events: break
            }
        }
        return inputs
    }

    private func answer(_ requester: Requester, _ answer: PartitionAnswer) {
        guard let node = requester.node else {
            guard !self.surroundings.operated(requester.number, answer) else { return }
            return self.route(.answer(requester.number, answer, from: self.local))
        }
        // Who does not hear it asks again, under the same place in a session.
        _ = self.surroundings.send(.answer(answer), number: requester.number, to: node)
    }

    /// The route of a delivery names the partition that it came from.
    private func answer(_ answer: DeliveryAnswer, to route: Requester) {
        guard let node = route.node else {
            _ = self.surroundings.submit(
                .delivered(answer), to: Partition(index: UInt16(truncatingIfNeeded: route.number)))
            return
        }
        let leader = answer.verdict == .later ? self.leader(of: answer.destination) : nil
        _ = self.surroundings.send(.deliveryAnswer(answer, leader: leader), number: route.number, to: node)
    }

    // MARK: What the shard tells

    func strayed(_ requests: [(group: GroupID, request: PartitionRequest)]) {
        for (group, request) in requests {
            guard let partition = FirstGroups.partition(of: group) else { continue }
            switch request {
            case .message(let request): self.refer(request.requester, partition)
            case .openSession(let requester), .deadLetters(_, let requester): self.refer(requester, partition)
            case .delivery(let delivery, let route):
                self.answer(
                    DeliveryAnswer(destination: partition, stream: delivery.delivery.stream, verdict: .later), to: route
                )
            default: break
            }
        }
    }

    /// To whoever this node takes for the leader.
    private func refer(_ requester: Requester, _ partition: Partition) {
        guard requester.node != nil else { return self.answer(requester, .elsewhere(nil)) }
        self.answer(requester, .elsewhere(self.leader(of: partition).flatMap { $0 == self.local ? nil : $0 }))
    }

    func changed(_ roles: [ShardTurn<PartitionRequest, PartitionOutput>.RoleChange]) {
        for change in roles {
            guard let partition = FirstGroups.partition(of: change.group) else { continue }
            self.route(.leader(partition, change.role == .leader ? self.local : change.leader?.node))
        }
    }

    func done(_ results: [(id: UInt64, result: GroupCommandResult)]) {
        for (id, result) in results { self.surroundings.done(id, result) }
    }
}

extension PartitionRequest {
    /// Of a request that somebody waits for.
    fileprivate var number: UInt64? {
        switch self {
        case .message(let request): request.requester.number
        case .openSession(let requester), .deadLetters(_, let requester): requester.number
        default: nil
        }
    }
}
