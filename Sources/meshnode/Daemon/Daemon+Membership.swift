internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport
internal import Metrics

// Entering the mesh, remembering who is in it, and telling it what changes here.

extension Daemon {
    /// How long a restarted node waits for somebody it remembers before it serves on its own.
    private static let rejoinGrace = Duration.seconds(5)
    /// Changes that come together are told together.
    static let coalescing = Duration.seconds(1)

    /// Without an answer a joining node tries for ever and a resuming one serves alone. `onReady` is called once, when
    /// messages are taken; then the seeds are kept in touch with as long as the node runs.
    func enterMesh(onReady: () -> Void) async throws {
        let seeds = self.configuration.join.map(HostAndPort.init)
        let remembered = try self.memory.load()
        self.state.remember(remembered)
        if !remembered.isEmpty { self.network.rejoin(remembered) }
        if !seeds.isEmpty, self.mesh.plan == .join {
            try await self.network.join(seeds: seeds)
        } else if !remembered.isEmpty {
            await self.untilJoined(within: Self.rejoinGrace)
        }
        await self.memory.save()
        self.state.enter(.ready)
        onReady()
        self.logger.info(
            "in the mesh",
            metadata: ["members": "\(self.network.placeable.count)", "mesh": "\(self.mesh.cluster)"])
        // A seed is a lasting acquaintance, for a node that knows its mesh as well.
        try await self.network.stayAcquainted(with: seeds) { refusal in
            self.state.warn("\(refusal); take it out of --join, or check which mesh it belongs to")
        }
    }

    private func untilJoined(within grace: Duration) async {
        let deadline = Instant.now() + grace
        while Instant.now() < deadline, !Task.isCancelled {
            if await self.network.isJoined() { return }
            try? await Task.sleep(for: .milliseconds(20))
        }
        self.logger.warning(
            "no member of the last time answered; serving alone",
            metadata: ["waited_s": "\(grace.inSeconds)", "mend": "start another member, or name one with --join"])
    }

    /// Hands changes to the runtime and the doors, and keeps the file of remembered members.
    func followMembers() async -> Occasion {
        await withDiscardingTaskGroup { group in
            let (changed, whenChanged) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            group.addTask { await self.memory.keep(whenever: changed) }
            for await event in self.network.events() {
                switch event {
                case .changed(let change, let member):
                    self.runtime.membersChanged()
                    // Whose activations run there begin them elsewhere: that need not wait for the next look.
                    if change.to == .dead || change.to == .left {
                        self.runtime.membersChanged(await self.network.members().map { MeshMember($0, at: .now()) })
                    }
                    whenChanged.yield()
                    guard let member else { continue }
                    self.note(change, of: member)
                    self.journal.publish(.member(MemberView(member, at: .now()), cause: change.cause.name))
                case .advertised(let member):
                    let digest = member.capabilities.first { $0.key == AdvertisedField.definitions }
                    self.runtime.advertised(
                        definitionsDigest: digest.flatMap { UInt64($0.value, radix: 16) } ?? 0,
                        by: member.description.id)
                case .event(let event):
                    self.journal.publish(
                        .user(
                            name: event.name, payload: event.payload,
                            origin: self.network.name(of: event.origin) ?? event.origin.description))
                }
            }
            whenChanged.finish()
        }
        return .done
    }

    /// Placing replicas is in no hurry: it looks at the members every second.
    func tellOfMembers() async -> Occasion {
        while !Task.isCancelled {
            self.runtime.membersChanged(await self.network.members().map { MeshMember($0, at: .now()) })
            try? await Task.sleep(for: .seconds(1))
        }
        return .done
    }

    /// The partitions of a mesh that this node made, if its first start was cut short or it had none then. Others may have
    /// joined since: begun only with the word of all of them.
    func beginPartitions() async -> Occasion {
        while !Task.isCancelled, self.folder.isFounder {
            try? await Task.sleep(for: .milliseconds(200))
            let members = await self.network.members()
            guard self.state.phase == .ready, self.mesh.plan != .create,
                self.state.unmet(besides: members.map(\.description.id)).isEmpty
            else { continue }
            self.runtime.membersChanged(members.map { MeshMember($0, at: .now()) })
            do {
                do { try await self.runtime.found(isForced: false) } catch let error as MeshError
                    where error.code == .conflict
                {
                    self.logger.notice("the partitions of the mesh have begun already")
                }
                try self.folder.forgetFounding()
            } catch {
                self.logger.warning("the partitions of the mesh cannot begin yet", metadata: ["because": "\(error)"])
                try? await Task.sleep(for: .seconds(5))
            }
        }
        return .done
    }

    private func note(_ change: MemberChange, of member: Member) {
        Counter(
            label: "meshnode_member_changes_total",
            dimensions: [("to", change.to.name), ("cause", change.cause.name)]
        ).increment()
        self.logger.log(
            level: change.to == .dead || change.to == .suspect ? .warning : .info, "member \(change.to.name)",
            metadata: [
                "name": "\(member.description.name)", "id": "\(change.id.short)", "cause": "\(change.cause.name)",
                "at": "\(member.description.endpoint)", "incarnation": "\(change.incarnation)",
                "boot": "\(change.boot.epoch)", "local_health": "\(change.localHealth)",
            ])
    }
}
