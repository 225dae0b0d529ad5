package import MeshCore

/// Where an actor is and why, as `meshnode explain` shows it.
package struct ExplainView: Codable, Sendable {
    package struct Move: Codable, Sendable {
        /// Milliseconds since 1970.
        package var at: UInt64
        package var reason: String
        package var from: [String]
        package var to: [String]

        package init(at time: UInt64, reason: String, from: [String], to: [String]) {
            self.at = time
            self.reason = reason
            self.from = from
            self.to = to
        }
    }

    package var path: String
    package var partition: Int
    /// Name of the member that leads the partition, if this node knows.
    package var leader: String?
    /// Where its voters shall be.
    package var wanted: [String]
    /// What moved its replicas, the latest last.
    package var moves: [Move]
    package var definition: String
    /// Where its activation runs, by the leader's word; nil if it has none, or the leader did not answer.
    package var host: String?
    /// What fences its turns.
    package var token: String?
    package var waiting: UInt64?
    /// Why it cannot run.
    package var obstacle: String?

    package init(
        path: String, partition: Int, leader: String?, wanted: [String], moves: [Move], definition: String
    ) {
        self.path = path
        self.partition = partition
        self.leader = leader
        self.wanted = wanted
        self.moves = moves
        self.definition = definition
    }
}

/// What the leader of an actor's partition knows of it, as the body of an `answer` frame.
struct ActorPlace: Hashable, Sendable {
    var host: NodeID?
    var token: FencingToken?
    var waiting: UInt64
    var obstacle: String?

    // Kind, u8 and the host, u8 and the token, waiting u64, the obstacle.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(4 as UInt8)
        writer.write((self.host == nil ? 0 : 1) as UInt8)
        if let host = self.host { writer.write(host) }
        writer.write((self.token == nil ? 0 : 1) as UInt8)
        if let token = self.token { writer.write(token) }
        writer.write(self.waiting)
        writer.write(text: self.obstacle ?? "")
        return writer.bytes
    }

    private static let obstacleBytesMax = 16 << 10

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 4 else { throw WireError(.unknownKind, at: 0) }
        self.host = try reader.read(UInt8.self) == 1 ? try reader.nodeID() : nil
        self.token = try reader.read(UInt8.self) == 1 ? try reader.fencingToken() : nil
        self.waiting = try reader.read()
        let obstacle = try reader.text(limit: Self.obstacleBytesMax)
        self.obstacle = obstacle.isEmpty ? nil : obstacle
        try reader.end()
    }

    init(host: NodeID?, token: FencingToken?, waiting: UInt64, obstacle: String?) {
        self.host = host
        self.token = token
        self.waiting = waiting
        self.obstacle = obstacle.map { clipped($0, toBytes: Self.obstacleBytesMax) }
    }
}

extension Runtime {
    package func explain(_ path: ActorPath) async -> ExplainView {
        let partitions = self.partitions
        let partition = partitions.configuration.placement.partition(of: path)
        let placed = partitions.placed(partition)
        let leader = partitions.leader(of: path)
        var view = ExplainView(
            path: path.description, partition: Int(partition.index), leader: leader.map { self.name(of: $0) },
            wanted: (placed?.replicas ?? []).map { self.name(of: $0) },
            moves: (placed?.moves ?? []).map { move in
                ExplainView.Move(
                    at: move.at, reason: "\(move.reason)", from: move.from.map { self.name(of: $0) },
                    to: move.to.map { self.name(of: $0) })
            }, definition: (try? partitions.hosted.kinds.target(of: path).name) ?? "")
        if let place = await self.place(of: path, at: leader) {
            view.host = place.host.map { self.name(of: $0) }
            view.token = place.token?.description
            view.waiting = place.waiting
            view.obstacle = place.obstacle
        }
        return view
    }

    private func place(of path: ActorPath, at leader: NodeID?) async -> ActorPlace? {
        guard let leader, leader != self.directory.localID else { return self.partitions.place(of: path) }
        let deadline = MonotonicClock.now + self.configuration.listingTimeout
        let body = await self.ask(leader, .actor(path), deadline: deadline)
        return body.flatMap { try? ActorPlace(decoding: $0) }
    }
}

extension PartitionNode {
    /// Nil if this node does not lead its partition.
    func place(of path: ActorPath) -> ActorPlace? {
        let partition = self.configuration.placement.partition(of: path)
        let group = FirstGroups.group(of: partition)
        return self.surroundings.lane(of: partition)?.driver.inspect { shard -> ActorPlace? in
            guard let replica = shard.replicas[group], replica.raft.isReady else { return nil }
            let record = replica.state.actor(path)
            let activity = replica.lead.activity(of: path)
            return ActorPlace(
                host: activity?.host, token: record?.token, waiting: record?.count ?? 0, obstacle: activity?.obstacle)
        }
    }
}
