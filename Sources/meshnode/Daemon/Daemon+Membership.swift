internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport
internal import Metrics

// Entering the mesh, remembering who is in it, and telling it what changes here.

extension Daemon {
    /// How long a restarted node waits for somebody it remembers before it serves on its own.
    private static let rejoinGrace = Duration.seconds(5)
    /// Changes that come together are written, or told, together.
    static let coalescing = Duration.seconds(1)

    /// Without an answer a joining node tries for ever and a resuming one serves alone. `onReady` is called once, when
    /// messages are taken; then the seeds are kept in touch with as long as the node runs.
    func enterMesh(onReady: () -> Void) async throws {
        let seeds = self.configuration.join.map(HostAndPort.init)
        let remembered = try self.rememberedMembers()
        self.state.remember(remembered)
        if !remembered.isEmpty { self.network.rejoin(remembered) }
        if !seeds.isEmpty, self.mesh.plan == .join {
            try await self.network.join(seeds: seeds)
        } else if !remembered.isEmpty {
            await self.untilJoined(within: Self.rejoinGrace)
        }
        await self.rememberMembersNow()
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

    private func rememberedMembers() throws -> [MemberDescription] {
        guard let bytes = try self.folder.rememberedMembers() else { return [] }
        do { return try MembersFile.decode(bytes).filter { $0.id != self.mesh.identity.id } } catch {
            // It only makes rejoining quicker: seeds and the others' own tries are still there.
            self.logger.warning(
                "the file of remembered members is damaged and is ignored", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// Hands changes to the runtime and the doors, and keeps the file of remembered members.
    func followMembers() async -> Occasion {
        await withDiscardingTaskGroup { group in
            let (changed, whenChanged) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            group.addTask { await self.rememberMembers(whenever: changed) }
            for await event in self.network.events() {
                switch event {
                case .changed(let change, let member):
                    self.runtime.membersChanged()
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

    /// At once, since a node can die young; then not more often than a large mesh makes reasonable.
    private func rememberMembers(whenever changed: AsyncStream<Void>) async {
        for await _ in changed {
            let count = await self.rememberMembersNow()
            // After the network has stopped there is nothing to learn, and nothing to overwrite.
            guard count > 0 else { return }
            try? await Task.sleep(for: min(.seconds(5), .milliseconds(100 + count)))
        }
    }

    /// Writes who is in the mesh, and who was when this node last knew: during a partition the other half is not met,
    /// and a node that forgot it would never look for it again. Returns how many members there are.
    @discardableResult
    private func rememberMembersNow() async -> Int {
        let members = await self.network.members()
        guard !members.isEmpty else { return 0 }
        let known = members.filter { $0.state != .left }.map(\.description)
        let unmet = self.state.unmet(besides: members.map(\.description.id))
        do { try self.folder.remember(members: MembersFile.encode(known + unmet)) } catch {
            self.logger.warning("cannot remember the members", metadata: ["error": "\(error)"])
        }
        return members.count
    }
}

/// The members a node met, as it writes them down: enough to call on them again.
enum MembersFile {
    private static let version: UInt8 = 1

    static func encode(_ members: [MemberDescription]) -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.version)
        writer.write(UInt32(members.count))
        for member in members {
            writer.write(member.id)
            writer.write(member.boot.epoch)
            writer.write(member.boot.nonce)
            writer.write(member.endpoint)
            writer.write(text: member.name)
        }
        writer.write(sipHash24(writer.bytes, key: (0, 0)))
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(WireError) -> [MemberDescription] {
        guard bytes.count > 8 else { throw WireError(.truncated, at: bytes.count) }
        let body = Array(bytes.dropLast(8))
        var checksum = WireWriter()
        checksum.write(sipHash24(body, key: (0, 0)))
        guard checksum.bytes == Array(bytes.suffix(8)) else { throw WireError(.invalidValue, at: body.count) }
        var reader = WireReader(body.raw)
        guard try reader.read(UInt8.self) == self.version else { throw WireError(.unsupportedVersion, at: 0) }
        let count = Int(try reader.read(UInt32.self))
        var members: [MemberDescription] = []
        for _ in 0..<count {
            members.append(
                MemberDescription(
                    id: try reader.nodeID(), boot: Boot(epoch: try reader.read(), nonce: try reader.read()),
                    endpoint: try reader.endpoint(), name: try reader.text(limit: 512)))
        }
        try reader.end()
        return members
    }
}
