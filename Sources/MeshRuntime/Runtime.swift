package import Logging
package import MeshCore
internal import Synchronization

/// Virtual actors on this node, and the way of a message to an actor on any node.
///
/// Order of use: `init`, `recover`, `attach`, then `run` for as long as the node lives; `shutdown` ends `run`. What arrives
/// before `recover` has ended is refused as unavailable.
package final class Runtime: Sendable {
    let directory: any MemberDirectory
    let configuration: RuntimeConfiguration
    let logger: Logger
    let requests: Requests
    let definitionTable: GossipedDefinitions
    let journal: EventJournal
    let partitions: PartitionNode
    let metrics = RuntimeMetrics()
    /// Of other members; who asks too much gets no answer.
    let digestQuestions = AsyncStream.makeStream(of: DigestQuestion.self, bufferingPolicy: .bufferingOldest(8))
    private let link: Link
    private let alarm: Alarm
    private let isAlone = Mutex(true)
    private let ended = Mutex<(isOver: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    /// `journal` is told of every definition that is created, updated or deleted, here or elsewhere; other members may
    /// read the log lines in it.
    package init(
        directory: any MemberDirectory, storage: any Storage & GroupStorage, handlers: any ActorHandlers,
        configuration: RuntimeConfiguration = RuntimeConfiguration(), partitions: PartitionNode.Configuration,
        journal: EventJournal = EventJournal(), logger: Logger
    ) {
        let alarm = Alarm()
        let link = Link()
        let requests = Requests(limit: configuration.requestsMax, alarm: alarm)
        self.directory = directory
        self.configuration = configuration
        self.logger = logger
        self.journal = journal
        self.alarm = alarm
        self.link = link
        self.requests = requests
        let definitions = GossipedDefinitions(
            storage: storage, directory: directory, requests: requests, logger: logger, send: link.send)
        self.definitionTable = definitions
        let node = PartitionNode(
            partitions, storage: storage, network: link, definitions: definitions, handlers: handlers,
            runtime: configuration, metrics: self.metrics, logger: logger
        ) { number, answer in requests.answered(number, by: nil, answer) }
        self.partitions = node
        self.definitionTable.observe { [weak node] changes in
            node?.definitionsChanged()
            for (name, change) in changes { journal.publish(.definition(name: name, change: change.rawValue)) }
        }
    }

    /// Reads from storage which definitions and which replicas there are.
    package func recover() async throws {
        try await self.definitionTable.recover()
        try await self.partitions.recover()
    }

    /// From now on other members can be reached.
    package func attach(_ network: any PeerNetwork) { self.link.attach(network) }

    /// Runs activations until `shutdown`, or until the task is cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepDeadlines() }
            group.addTask { await self.keepDefinitionsEqual() }
            group.addTask { await self.answerDigestQuestions() }
            await self.partitions.run()
            group.cancelAll()
        }
        self.requests.close()
        let waiters = self.ended.withLock { ended in
            ended.isOver = true
            defer { ended.waiters = [] }
            return ended.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Accepts nothing more, lets turns in flight finish for at most `grace`, and returns when `run` is about to.
    package func shutdown(grace: Duration) async {
        await self.partitions.shutdown(grace: grace)
        await withCheckedContinuation { continuation in
            let isOver = self.ended.withLock { ended in
                if !ended.isOver { ended.waiters.append(continuation) }
                return ended.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// Somebody joined, died or left. A node that meets the mesh compares definitions with one of them at once; its
    /// digest tells the others whether there is something to compare.
    package func membersChanged() {
        let others = self.directory.placeable.filter { $0 != self.directory.localID }
        let wasAlone = self.isAlone.withLock { isAlone in
            defer { isAlone = others.isEmpty }
            return isAlone
        }
        guard wasAlone else { return }
        if let peer = others.randomElement() { self.definitionTable.offer(to: peer) }
    }

    /// Who is in the mesh and how they fare, for placing replicas.
    package func membersChanged(_ members: [MeshMember]) { self.partitions.membersChanged(members) }

    /// This node made its mesh: its groups begin here.
    package func begin() async throws { try await self.partitions.begin() }

    /// An operator wants the groups of the mesh to begin here.
    package func found(isForced: Bool) async throws { try await self.partitions.found(isForced: isForced) }

    /// What an operator should know of the partitions.
    package var warnings: [String] { self.partitions.warnings }

    /// To be advertised to the other members.
    package var definitionsDigest: UInt64 { self.definitionTable.digest }

    package func advertised(definitionsDigest digest: UInt64, by node: NodeID) {
        self.definitionTable.advertised(digest, by: node)
    }

    /// From now on leaders here refuse durable messages for this reason, or take them again if it is nil. Turns go on.
    package func refuseMessages(because refusal: MeshError?) { self.partitions.surroundings.refusal = refusal }

    /// Brings the counters up to what was counted since.
    package func measure() { self.partitions.measure() }

    /// What is in hand at the moment, for metrics.
    package var reading: RuntimeReading { self.partitions.reading }

    /// Live activations, and messages that wait, on this node.
    package var load: (actors: Int, depth: Int) {
        let reading = self.reading
        return (reading.activations, reading.depth)
    }

    // MARK: background

    private func keepDeadlines() async {
        while !Task.isCancelled {
            await self.alarm.sleep()
            let now = MonotonicClock.now
            if let next = self.requests.expire(at: now) { self.alarm.ring(by: next) }
        }
    }

    /// What a lost frame or a partition kept apart is found by the digests that members advertise. One that differs
    /// for a whole interval is no change on its way: then one of those members is asked to compare.
    private func keepDefinitionsEqual() async {
        var differedBefore: Set<NodeID> = []
        while !Task.isCancelled {
            try? await Task.sleep(for: self.configuration.definitionsInterval)
            guard !Task.isCancelled else { return }
            let differing = self.definitionTable.differing(among: self.directory.placeable)
            if let peer = differing.intersection(differedBefore).randomElement() {
                self.definitionTable.offer(to: peer)
            }
            differedBefore = differing
        }
    }

    func transmit(_ frame: PeerFrame, to node: NodeID) -> PeerSend { self.link.send(frame, node) }
}

/// The network, which is known only after the runtime is.
private final class Link: PeerNetwork {
    private let network = Mutex<(any PeerNetwork)?>(nil)

    func attach(_ network: any PeerNetwork) { self.network.withLock { $0 = network } }

    @Sendable func send(_ frame: PeerFrame, _ node: NodeID) -> PeerSend {
        self.send([frame], to: node)
    }

    func send(_ frames: [PeerFrame], to node: NodeID) -> PeerSend {
        self.network.withLock { $0 }?.send(frames, to: node) ?? .unknown
    }
}

package struct RuntimeReading: Sendable {
    /// That wait for an answer.
    package var requests: Int
    /// Messages that wait in the partitions led here.
    package var depth: Int
    package var activations: Int
    /// Of those messages.
    package var mailboxBytes: Int
}
