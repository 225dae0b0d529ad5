// What `meshnode explain` shows. The names are those of the JSON, which is snake_case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

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

    /// A member as the actor's host, as the leader of its partition sees it now.
    package struct Candidate: Codable, Sendable {
        package struct Part: Codable, Sendable {
            package var criterion: String
            package var points: Int
            package var because: String
        }

        package var node: String
        /// `fits`; `lacks`, if it does not have what is required; `barred`, if nothing may begin there.
        package var finding: String
        /// Why not, if it does not fit.
        package var reason: String
        package var score: Int
        package var parts: [Part]
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
    /// The best first, and those that do not qualify behind them, at most 64. One that has the actor keeps it for as long as
    /// it qualifies.
    package var candidates: [Candidate] = []
    /// How its activation came from host to host under this leader, the latest last.
    package var host_moves: [Move] = []

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
            view.candidates = place.candidates.map { self.view(of: $0) }
            view.host_moves = place.moves.map {
                ExplainView.Move(
                    at: $0.at, reason: $0.reason, from: [self.name(of: $0.from)], to: [self.name(of: $0.to)])
            }
        }
        return view
    }

    private func view(of candidate: ActorPlace.Candidate) -> ExplainView.Candidate {
        let parts = candidate.parts.map {
            ExplainView.Candidate.Part(criterion: $0.criterion, points: Int($0.points), because: $0.because)
        }
        return ExplainView.Candidate(
            node: self.name(of: candidate.node), finding: "\(candidate.finding)", reason: candidate.reason,
            score: parts.reduce(0) { $0 + $1.points }, parts: parts)
    }

    private func place(of path: ActorPath, at leader: NodeID?) async -> ActorPlace? {
        guard let leader, leader != self.directory.localID else { return self.partitions.place(of: path) }
        let deadline = MonotonicClock.now + self.configuration.listingTimeout
        let body = await self.ask(leader, .actor(path), deadline: deadline)
        return body.flatMap { try? ActorPlace(decoding: $0) }
    }
}
