internal import Logging
internal import MeshCore

// The beginning of a mesh: its groups are made on one node, with that node as their only voter, and go from there to the
// others.
extension PartitionNode {
    /// For the word of the other members, when an operator wants this node to found.
    private static let foundingPatience = Duration.seconds(20)

    /// Begins the groups of the mesh here, without asking anybody. Durable before the first group is, so that it goes on
    /// after a crash.
    package func begin() async throws {
        guard !self.meta.hasGroups else { return }
        self.meta.noteFounding()
        await Founding.begin(in: self.storage)
        try await self.createGroups([])
    }

    /// As an operator's wish: with the word of every member, unless it is forced.
    package func found(isForced: Bool) async throws {
        let late = MeshError(
            .conflict, "the mesh is founded already", hint: "'meshnode partitions' shows what there is")
        guard !self.meta.isFounded else { throw late }
        if isForced { return try await self.begin() }
        try self.meta.wish()
        let deadline = self.configuration.clock().now + Self.foundingPatience
        while !self.meta.hasGroups {
            if self.meta.isFounded, !self.meta.isChosen { throw late }
            let obstacle = self.meta.obstacle
            guard self.configuration.clock().now < deadline, obstacle?.isFinal != true else {
                let (text, mend) = obstacle.map(self.meta.told) ?? ("the partitions are not made yet", "wait a moment")
                throw MeshError(.unavailable, text, hint: mend, retryAfter: .seconds(1))
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func beginWhenChosen() async {
        for await _ in self.chosen {
            do { try await self.begin() } catch {
                self.logger.error("the mesh could not be begun", metadata: ["error": "\(error)"])
            }
        }
    }

    func createGroups(_ known: Set<GroupID>) async throws {
        var known = known
        while true {
            let next = FirstGroups.missing(
                isFounder: true, partitions: self.configuration.placement.partitions, known: known)
            guard !next.isEmpty else { return }
            // Together, so that they share an fsync.
            try await withThrowingTaskGroup(of: Void.self) { creations in
                for group in next { creations.addTask { try await self.create(group) } }
                try await creations.waitForAll()
            }
            known.formUnion(next)
        }
    }

    private func create(_ group: GroupID) async throws {
        let incarnation = GroupIncarnation(counter: 1, id: UInt64.random(in: 1 ... .max))
        let result = await self.results.wait { id in self.command(id, group, .create(incarnation)) }
        guard result == .done || result == .exists else {
            throw MeshError(.internalError, "\(group) could not be created: \(result)")
        }
    }

    private func command(_ id: UInt64, _ group: GroupID, _ command: GroupCommand) {
        guard let partition = FirstGroups.partition(of: group) else {
            self.metaDriver.submit(.command(id, group, command))
            return
        }
        self.surroundings.lane(of: partition)?.driver.submit(.command(id, group, command))
    }
}
