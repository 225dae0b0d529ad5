package import MeshCore
internal import Synchronization

// Nodes that give away what they have: for a time, because an operator says so, or for good, because they leave.

extension Runtime {
    /// For the word of the leader of the meta group, and for another one to be elected.
    private static let drainPatience = Duration.seconds(10)
    private static let pause = Duration.milliseconds(50)

    /// Says what an operator wants to the leader of the meta group, wherever it is, and returns how far the drain is.
    package func drain(_ node: NodeID, _ wish: DrainWish) async throws -> DrainView {
        let partitions = self.partitions
        let deadline = MonotonicClock.now + Self.drainPatience
        var named: NodeID?
        while MonotonicClock.now < deadline {
            let target = named ?? partitions.meta.leader ?? self.anybodyElse ?? self.directory.localID
            switch await self.ask(target, partitions.meta, node, wish) {
            case .progress(let progress): return DrainView(progress, id: node, name: self.name(of: node))
            case .refused(let error): throw error
            case .elsewhere(let leader): named = leader
            case nil: named = self.anybodyElse
            }
            try await Task.sleep(for: Self.pause)
        }
        if let (text, mend) = partitions.meta.obstacle.map(partitions.meta.told) {
            throw MeshError(.unavailable, text, hint: mend, retryAfter: .seconds(1))
        }
        throw MeshError(
            .unavailable, "nobody who leads the group of the members answers within \(Self.drainPatience)",
            hint: "it needs most of its voters: 'meshnode members' tells who is down", retryAfter: .seconds(1))
    }

    private var anybodyElse: NodeID? {
        self.directory.placeable.filter { $0 != self.directory.localID }.randomElement()
    }

    private func ask(_ target: NodeID, _ meta: MetaService, _ node: NodeID, _ wish: DrainWish) async -> DrainAnswer? {
        let deadline = MonotonicClock.now + self.configuration.listingTimeout
        guard target == self.directory.localID else {
            let body = await self.ask(target, .drain(node, wish), deadline: deadline)
            return body.flatMap { try? DrainAnswer(decoding: $0) }
        }
        let answer = try? await self.requests.perform(to: nil, deadline: deadline) { number in
            meta.drain(node, wish) { self.requests.answered(number, by: nil, .listing($0.encoded())) }
        }
        guard case .listing(let body) = answer else { return nil }
        return try? DrainAnswer(decoding: body)
    }

    /// Waits until the others have all that is here, so that no group misses this node when it is gone. Returns at once if
    /// there is nobody to take it. The members must know that this node is leaving.
    package func giveAway(within patience: Duration) async throws {
        let partitions = self.partitions
        let deadline = MonotonicClock.now + patience
        while partitions.held > 0, self.anybodyElse != nil {
            guard MonotonicClock.now < deadline else {
                throw MeshError(
                    .deadlineExceeded,
                    "after \(patience) \(partitions.held) groups still have a replica here, and the node stays",
                    hint:
                        "'meshnode partitions' shows what they lack and 'meshnode members' who is down; allow more with "
                        + "--timeout, or leave at once with --force: then the others may have no quorum without this node"
                )
            }
            try await Task.sleep(for: Self.pause)
        }
    }
}

extension PartitionNode {
    /// Groups that have a replica here, the meta group included.
    var held: Int {
        self.surroundings.lanes.reduce(self.metaDriver.inspect { $0.groups.count }) { sum, lane in
            sum + lane.driver.inspect { $0.groups.count }
        }
    }
}
