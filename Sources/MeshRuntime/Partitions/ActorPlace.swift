internal import MeshCore

/// What the leader of an actor's partition knows of it, as the body of an `answer` frame.
struct ActorPlace: Hashable, Sendable {
    /// A member as its host.
    struct Candidate: Hashable, Sendable {
        enum Finding: UInt8, Sendable {
            case fits = 1
            case lacks, barred
        }

        /// What one criterion gives it.
        struct Part: Hashable, Sendable {
            var criterion: String
            var points: UInt32
            var because: String
        }

        var node: NodeID
        var finding: Finding
        /// Why not, if it does not fit.
        var reason: String
        var parts: [Part]
    }

    static let candidatesMax = 64
    private static let partsMax = ActorPlacement.preferencesMax + 16
    private static let textBytesMax = 4 << 10
    private static let obstacleBytesMax = 16 << 10

    var host: NodeID?
    var token: FencingToken?
    var waiting: UInt64
    var obstacle: String?
    /// How its activation came from host to host under this leader.
    var moves: [HostMove]
    /// The best first.
    var candidates: [Candidate]

    init(
        host: NodeID?, token: FencingToken?, waiting: UInt64, obstacle: String?, moves: [HostMove],
        candidates: [Candidate]
    ) {
        self.host = host
        self.token = token
        self.waiting = waiting
        self.obstacle = obstacle.map { clipped($0, toBytes: Self.obstacleBytesMax) }
        self.moves = moves
        self.candidates = Array(candidates.prefix(Self.candidatesMax))
    }

    // Kind, u8 and the host, u8 and the token, waiting u64, the obstacle, the moves, the candidates.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(4 as UInt8)
        writer.write((self.host == nil ? 0 : 1) as UInt8)
        if let host = self.host { writer.write(host) }
        writer.write((self.token == nil ? 0 : 1) as UInt8)
        if let token = self.token { writer.write(token) }
        writer.write(self.waiting)
        writer.write(text: self.obstacle ?? "")
        writer.write(UInt8(self.moves.count))
        for move in self.moves {
            writer.write(move.at)
            writer.write(move.from)
            writer.write(move.to)
            writer.write(text: move.reason)
        }
        writer.write(UInt8(self.candidates.count))
        for candidate in self.candidates {
            writer.write(candidate.node)
            writer.write(candidate.finding.rawValue)
            writer.write(text: candidate.reason)
            writer.write(UInt8(candidate.parts.count))
            for part in candidate.parts {
                writer.write(text: part.criterion)
                writer.write(part.points)
                writer.write(text: part.because)
            }
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 4 else { throw WireError(.unknownKind, at: 0) }
        self.host = try reader.read(UInt8.self) == 1 ? try reader.nodeID() : nil
        self.token = try reader.read(UInt8.self) == 1 ? try reader.fencingToken() : nil
        self.waiting = try reader.read()
        let obstacle = try reader.text(limit: Self.obstacleBytesMax)
        self.obstacle = obstacle.isEmpty ? nil : obstacle
        self.moves = []
        for _ in 0..<(try reader.count(HostMove.keptMax)) {
            self.moves.append(
                HostMove(
                    at: try reader.read(), from: try reader.nodeID(), to: try reader.nodeID(),
                    reason: try reader.text(limit: HostMove.reasonBytesMax)))
        }
        self.candidates = []
        for _ in 0..<(try reader.count(Self.candidatesMax)) {
            let node = try reader.nodeID()
            let place = reader.offset
            guard let finding = Candidate.Finding(rawValue: try reader.read()) else {
                throw WireError(.unknownKind, at: place)
            }
            var candidate = Candidate(
                node: node, finding: finding, reason: try reader.text(limit: Self.textBytesMax), parts: [])
            for _ in 0..<(try reader.count(Self.partsMax)) {
                candidate.parts.append(
                    Candidate.Part(
                        criterion: try reader.text(limit: Self.textBytesMax), points: try reader.read(),
                        because: try reader.text(limit: Self.textBytesMax)))
            }
            self.candidates.append(candidate)
        }
        try reader.end()
    }
}

extension WireReader {
    /// An 8-bit count of at most `limit`.
    fileprivate mutating func count(_ limit: Int) throws(WireError) -> Int {
        let place = self.offset
        let count = Int(try self.read(UInt8.self))
        guard count <= limit else { throw WireError(.tooLong, at: place) }
        return count
    }
}

extension ActorPlace.Candidate {
    init(_ judgement: HostChoice.Judgement) {
        func text(_ text: String) -> String { clipped(text, toBytes: 4 << 10) }
        switch judgement.finding {
        case .fits(let score, _):
            self.init(
                node: judgement.node, finding: .fits, reason: "",
                parts: score.parts.map {
                    Part(
                        criterion: text($0.criterion), points: UInt32(clamping: $0.points),
                        because: text($0.mark.because))
                })
        case .lacks(let verdict):
            self.init(node: judgement.node, finding: .lacks, reason: text(verdict.explanation), parts: [])
        case .barred(let obstacle):
            self.init(node: judgement.node, finding: .barred, reason: text("\(obstacle)"), parts: [])
        }
    }
}

extension PartitionNode {
    /// Nil if this node does not lead its partition.
    func place(of path: ActorPath) -> ActorPlace? {
        let partition = self.configuration.placement.partition(of: path)
        let group = FirstGroups.group(of: partition)
        let found = self.surroundings.lane(of: partition)?.driver.inspect { shard -> ActorPlace? in
            guard let replica = shard.replicas[group], replica.raft.isReady else { return nil }
            let record = replica.state.actor(path)
            let activity = replica.lead.activity(of: path)
            return ActorPlace(
                host: activity?.host, token: record?.token, waiting: record?.count ?? 0, obstacle: activity?.obstacle,
                moves: activity?.moves ?? [], candidates: [])
        }
        guard var place = found else { return nil }
        let judgements = self.hosting.choice(for: path)?.judgements ?? []
        place.candidates = judgements.prefix(ActorPlace.candidatesMax).map { ActorPlace.Candidate($0) }
        return place
    }
}
