import MeshCore

// Short ways to ask a partition for something and to see what came of it.

extension LeadGroup {
    /// A message whose number is its id and, unless told otherwise, its body.
    func letter(
        _ number: UInt64, to text: String, asks: Bool = true, priority: Envelope.Priority = .normal, key: UInt64? = nil,
        deadline: UInt64? = nil, body: [UInt8]? = nil, notBefore: UInt64? = nil
    ) -> Letter {
        let message = Message(
            id: id(number), sender: "client", body: body ?? [UInt8(truncatingIfNeeded: number)], deadline: deadline,
            idempotency: key.map { Fingerprint(high: 9, low: $0) })
        return Letter(
            path(text), Envelope(message, kind: asks ? .ask : .tell, priority: priority), notBefore: notBefore)
    }

    func submit(
        _ letter: Letter, requester: UInt64? = nil, session: Enqueue.Request? = nil,
        delivery: MessageRequest.Delivery = .durable, isRetry: Bool = false, patience: Duration = .seconds(30),
        on node: Int? = nil
    ) {
        let requester = Requester(node: nil, number: requester ?? letter.envelope.message.id.low)
        self.request(
            .message(
                MessageRequest(
                    requester: requester, letter: letter, session: session, delivery: delivery, isRetry: isRetry,
                    patience: patience)),
            on: node)
    }

    func call(_ number: UInt64, to path: String, priority: Envelope.Priority = .normal, key: UInt64? = nil) {
        self.submit(self.letter(number, to: path, priority: priority, key: key))
    }

    func send(_ number: UInt64, to path: String, priority: Envelope.Priority = .normal) {
        self.submit(self.letter(number, to: path, asks: false, priority: priority))
    }

    func answers(to requester: UInt64) -> [PartitionAnswer] {
        self.answers.filter { $0.0.number == requester }.map(\.1)
    }

    func isAccepted(_ number: UInt64) -> Bool { self.answers(to: number).contains(.accepted(id(number))) }

    func reply(to requester: UInt64) -> [UInt8]? {
        for case .outcome(_, .reply(let body)) in self.answers(to: requester) { return body }
        return nil
    }

    func error(to requester: UInt64) -> MeshError? {
        for answer in self.answers(to: requester) {
            switch answer {
            case .outcome(_, .failed(let error)), .refused(let error): return error
            default: continue
            }
        }
        return nil
    }

    /// Bodies of the messages that were run, in order.
    var ran: [UInt64] { self.runs.map(\.order.envelope.message.id.low) }

    /// The commands of the log, entry by entry.
    var commands: [[PartitionCommand]] {
        self.log.compactMap { entry in
            entry.kind == .command ? (try? CommandBatch(decoding: entry.payload))?.commands : nil
        }
    }

    func record(of text: String, on node: Int = 0) -> ActorRecord? { try? self.nodes[node].replica.actor(path(text)) }

    /// What the disk has under a key of an actor's state.
    func value(_ key: [UInt8], of text: String) -> [UInt8]? {
        let stored = self.nodes[0].replica.disk[PartitionKeys.value(path(text), key)]
        return stored.flatMap { try? StateValue(decoding: $0) }?.bytes
    }

    /// A counter: every message adds one, and the reply says how many there were.
    func count() {
        self.handler = { order, state in
            let count = (state[[0]]?.first ?? 0) &+ 1
            state[[0]] = [count]
            return .finished(TurnResult(reply: [count], changes: [StateChange(key: [0], value: [count])], keys: 1))
        }
    }

    /// A leader that is ready.
    static func ready(
        replicas: Int = 1, kinds: TestKinds = TestKinds(), limits: LeadLimits = LeadLimits()
    ) -> LeadGroup {
        let group = LeadGroup(replicas: replicas, kinds: kinds, limits: limits)
        group.elect(0)
        group.settle()
        return group
    }
}
