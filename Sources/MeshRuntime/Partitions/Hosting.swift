internal import MeshCore
internal import Synchronization

/// Between the leaders of partitions on this node and the hosts of their activations, and between the programs of this node and
/// the leaders that they run for. Either may be on any node; what stays here takes no detour.
final class Hosting: Sendable {
    private let local: NodeID
    let hosted: HostedTurns
    private let kinds: RegisteredKinds
    private let placer: Mutex<ActivationPlacer>
    private let network: any PeerNetwork
    private let clock: @Sendable () -> Moment
    /// To the lead of a partition here.
    private let submit: @Sendable (PartitionRequest, Partition) -> Void
    /// To all leads here.
    private let submitToAll: @Sendable (PartitionRequest) -> Void

    init(
        local: NodeID, hosted: HostedTurns, kinds: RegisteredKinds, network: any PeerNetwork,
        clock: @escaping @Sendable () -> Moment, submit: @escaping @Sendable (PartitionRequest, Partition) -> Void,
        submitToAll: @escaping @Sendable (PartitionRequest) -> Void
    ) {
        self.local = local
        self.hosted = hosted
        self.kinds = kinds
        self.placer = Mutex(ActivationPlacer(local: local))
        self.network = network
        self.clock = clock
        self.submit = submit
        self.submitToAll = submitToAll
    }

    // MARK: What leads want

    func place(_ query: PlacementQuery, of group: GroupID) {
        self.step(.ask(query, self.placement(of: query.path) ?? ActorPlacement(), group))
    }

    private func placement(of path: ActorPath) -> ActorPlacement? {
        guard case .defined(_, let definition)? = try? self.kinds.target(of: path) else { return nil }
        return definition.placement
    }

    func run(_ order: TurnOrder, on host: Host, of group: GroupID) {
        guard host.node != self.local else { return self.send(.run(order, keys: nil), of: group, to: host.node) }
        self.transmit(HostFrame.frames(for: order), of: group, to: host.node)
    }

    func send(_ frame: HostFrame, of group: GroupID, to node: NodeID) {
        guard node != self.local else { return self.received(frame, of: group, from: node) }
        self.transmit([frame], of: group, to: node)
    }

    /// What is lost is asked for again by the leader.
    private func transmit(_ frames: [HostFrame], of group: GroupID, to node: NodeID) {
        guard let partition = FirstGroups.partition(of: group) else { return }
        _ = self.network.send(
            frames.map { PeerFrame(kind: .hosting, body: $0.encoded(of: partition)) }, to: node)
    }

    // MARK: Frames

    func received(_ frame: HostFrame, of group: GroupID, from node: NodeID) {
        guard let partition = FirstGroups.partition(of: group) else { return }
        func toHosted(_ input: Residences.Input, _ path: ActorPath) {
            self.hosted.step(input, of: Residences.Key(group: group, path: path))
        }
        switch frame {
        case .place(let query):
            let revision = (try? self.kinds.kind(of: query.path))?.revision
            toHosted(.place(query, revision: revision, from: node), query.path)
        case .state(let id, let path, let entries): toHosted(.state(id, entries), path)
        case .run(let order, let keys): toHosted(.run(order, keys: keys, from: node), order.path)
        case .check(let id, let path, let order): toHosted(.check(id, order: order, from: node), path)
        case .release(let id, let path): toHosted(.release(id), path)
        case .starting(let id, let path):
            self.step(.starting(id, Residences.Key(group: group, path: path), from: node))
        case .placed(let id, let path, let placed):
            self.step(.placed(id, placed, Residences.Key(group: group, path: path), from: node))
        case .report(let report): self.submit(.turn(report), partition)
        case .renewed(let id): self.submit(.renewed(id), partition)
        case .missing(let id, let order): self.submit(.missing(id, order: order), partition)
        case .disowned(let id): self.submit(.disowned(id), partition)
        }
    }

    // MARK: Placing

    func members(_ members: [MeshMember], obstacles: [NodeID: Candidate.Obstacle]) {
        self.step(.members(members, obstacles: obstacles))
    }

    /// What is thought of the members as hosts of this actor, by this node.
    func choice(for path: ActorPath) -> HostChoice? {
        guard let placement = self.placement(of: path) else { return nil }
        return self.placer.withLock { $0.choice(for: path, placement) }
    }

    private func step(_ input: ActivationPlacer.Input) {
        let effects = self.placer.withLock { placer in
            var effects: [ActivationPlacer.Effect] = []
            placer.step(input, at: self.clock().now, into: &effects)
            return effects
        }
        for effect in effects {
            switch effect {
            case .ask(let query, let group, let node): self.send(.place(query), of: group, to: node)
            case .tell(let id, let placed, let group):
                if let partition = FirstGroups.partition(of: group) { self.submit(.placed(id, placed), partition) }
            case .lost(let host): self.submitToAll(.hostGone(host))
            }
        }
    }
}
