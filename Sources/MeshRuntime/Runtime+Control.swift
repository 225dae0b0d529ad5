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
                group.addTask {
                    let body = await self.ask(peer, .actors(prefix: prefix), deadline: deadline)
                    let listing = body.flatMap { try? ActorListing(decoding: $0, node: self.name(of: peer)) }
                    return (peer, listing?.actors)
                }
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
            self.list(prefix: prefix, node: self.name(of: self.directory.localID)) {
                continuation.resume(returning: $0)
            }
        }
    }

    func list(prefix: String, node: String, done: @escaping @Sendable ([ActorView]) -> Void) {
        self.partitions.list(prefix: prefix, node: node, limit: self.configuration.listingMax, done: done)
    }

    /// The log lines of a member.
    package func logs(of node: NodeID, _ query: LogQuery) async throws -> LogsView {
        let name = self.name(of: node)
        guard node != self.directory.localID else {
            return LogsView(node: node.description, name: name, page: self.journal.logs(query))
        }
        let deadline = MonotonicClock.now + self.configuration.listingTimeout
        guard let body = await self.ask(node, .logs(query), deadline: deadline) else {
            throw MeshError(
                .unavailable, "\(name) did not send its log within \(self.configuration.listingTimeout)",
                hint:
                    "it may be down, or run a version that cannot: 'meshnode members' tells; its log is also where its "
                    + "standard error goes", retryAfter: .seconds(1))
        }
        do {
            return LogsView(node: node.description, name: name, page: try EventJournal.Page(decodingLogs: body))
        } catch {
            throw MeshError(
                .internalError, "the log that \(name) sent cannot be read: \(error)",
                hint: "its version differs: read it with the meshnode of that machine")
        }
    }

    /// The body of the answer; nil if none came in time.
    func ask(_ peer: NodeID, _ query: QueryFrame, deadline: Instant) async -> [UInt8]? {
        let frame = query.encoded()
        let answer = try? await self.requests.perform(to: peer, deadline: deadline) { number in
            guard case .queued = self.transmit(PeerFrame(kind: .query, correlation: number, body: frame), to: peer)
            else { return self.requests.answered(number, by: peer, .disconnected) }
        }
        guard case .listing(let body) = answer else { return nil }
        return body
    }
}
