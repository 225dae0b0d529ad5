package import MeshCore

// What the doors ask besides sending.

extension Runtime {
    package func definitions() -> [DefinitionView] {
        self.definitionTable.all.map { self.view(of: $0, change: "active") }
    }

    package func apply(_ definitions: [ActorDefinition]) async throws -> [DefinitionView] {
        try await self.definitionTable.apply(definitions).map { self.view(of: $0.applied, change: $0.change.rawValue) }
    }

    package func delete(definition name: String) async throws { try await self.definitionTable.delete(name) }

    private func view(of applied: AppliedDefinition, change: String) -> DefinitionView {
        DefinitionView(
            name: applied.name, path: applied.definition?.path.description ?? "", version: applied.version,
            origin: self.name(of: applied.origin), change: change, source: applied.definition?.source ?? "")
    }

    /// Actors on every member that answers in time; the others are named.
    package func actors(prefix: String) async throws -> ActorsView {
        guard prefix.utf8.count <= ActorPath.bytesMax else {
            throw MeshError(.invalidArgument, "the prefix has more than \(ActorPath.bytesMax) bytes")
        }
        let local = self.directory.localID
        let deadline = MonotonicClock.now + self.configuration.listingTimeout
        return await withTaskGroup(of: (NodeID, [ActorView]?).self) { group in
            group.addTask { (local, await self.localActors(prefix: prefix)) }
            for peer in self.directory.placeable where peer != local {
                group.addTask { (peer, await self.ask(peer, prefix: prefix, deadline: deadline)) }
            }
            var view = ActorsView(actors: [], missing: [])
            for await (node, actors) in group {
                if let actors { view.actors += actors } else { view.missing.append(self.name(of: node)) }
            }
            view.actors.sort { ($0.path, $0.node) < ($1.path, $1.node) }
            view.missing.sort()
            return view
        }
    }

    private func localActors(prefix: String) async -> [ActorView] {
        await withCheckedContinuation { continuation in
            self.actors.list(prefix: prefix, node: self.name(of: self.directory.localID)) {
                continuation.resume(returning: $0)
            }
        }
    }

    /// Nil if there was no answer that could be read.
    private func ask(_ peer: NodeID, prefix: String, deadline: Instant) async -> [ActorView]? {
        let frame = QueryFrame.actors(prefix: prefix).encoded()
        let answer = try? await self.requests.perform(to: peer, deadline: deadline) { number in
            guard case .queued = self.transmit(PeerFrame(kind: .query, correlation: number, body: frame), to: peer)
            else { return self.requests.answered(number, by: peer, .disconnected) }
        }
        guard case .listing(let body) = answer else { return nil }
        return try? ActorListing(decoding: body, node: self.name(of: peer)).actors
    }
}
