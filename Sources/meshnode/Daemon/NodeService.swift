internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

/// What the doors of this node can ask: the network for members, the runtime for actors.
struct NodeService: NodeControl {
    /// What does not change while the daemon runs.
    struct Facts: Sendable {
        var cluster: ClusterID
        var id: NodeID
        var name: String
        var boot: Boot
        var address: Endpoint
        /// The data folder.
        var folder: String
        var started: Instant
        /// Where a reload looks for a new join token.
        var tokenPlace: String
    }

    let facts: Facts
    let network: MeshNetwork
    let runtime: Runtime
    let state: NodeState
    let disk: DiskGuard
    let gauges: NodeGauges
    let journal: EventJournal

    /// Without asking anybody: what a supervisor asks every few seconds.
    func phase() -> NodePhase { self.state.phase }

    // MARK: members

    func status() async -> StatusView {
        let now = Instant.now()
        let members = await self.network.members()
        let phase = self.state.phase
        let load = self.runtime.load
        var counts = MeshView.Counts()
        for member in members { counts.add(member.state) }
        let isDegraded = counts.suspect + counts.dead > 0
        let views = self.views(of: members, at: now)
        return StatusView(
            mesh: MeshView(
                id: self.facts.cluster.description, name: "mesh-" + self.facts.cluster.description.prefix(8),
                health: phase == .joining ? "joining" : isDegraded ? "degraded" : "healthy", members: counts),
            node: NodeView(
                id: self.facts.id.description, name: self.facts.name, state: phase.rawValue,
                version: Meshnode.version, address: self.facts.address.description, http: self.state.http,
                boot_epoch: self.facts.boot.epoch, uptime_s: (now - self.facts.started).inSeconds,
                local_health: Int(await self.network.localHealth()), actors: load.actors, mailbox_depth: load.depth,
                refused: self.network.refused, warnings: self.warnings(of: members)),
            members: views)
    }

    /// This node first, then by name and id.
    private func views(of members: [Member], at now: Instant) -> [MemberView] {
        members.map { MemberView($0, at: now) }.sorted {
            ($0.id != self.facts.id.description ? 1 : 0, $0.name, $0.id)
                < ($1.id != self.facts.id.description ? 1 : 0, $1.name, $1.id)
        }
    }

    func capabilities(of node: String?) async throws -> [CapabilitiesView] {
        if let node { return [CapabilitiesView(MemberView(try await self.member(node), at: .now()))] }
        return self.views(of: await self.network.members(), at: .now()).map(CapabilitiesView.init)
    }

    func measure() async { await self.gauges.measure(self) }

    func doctor() async -> DoctorView { await Doctor.examine(self) }

    func why(_ node: String) async throws -> WhyView {
        let now = Instant.now()
        let member = try await self.member(node)
        let name = { (id: NodeID) in self.network.name(of: id) ?? id.description }
        return WhyView(
            member: MemberView(member, at: now),
            changes: await self.network.why(member.description.id).map {
                WhyView.Change($0, at: now, name: name)
            })
    }

    /// By id, by name if only one has it, or by a prefix of the id of at least four digits that only one has.
    func member(_ text: String) async throws -> Member {
        let members = await self.network.members()
        if let member = members.first(where: { $0.description.id.description == text }) { return member }
        let named = members.filter { $0.description.name == text }
        // A node whose disk was wiped comes back under its name with another id; the old one is not meant.
        let candidates = named.count > 1 ? named.filter { $0.state == .alive || $0.state == .suspect } : named
        let matches =
            candidates.isEmpty && text.utf8.count >= 4
            ? members.filter { $0.description.id.description.hasPrefix(text) } : candidates
        guard let member = matches.first else {
            throw MeshError(.notFound, "no member is called '\(text)'", hint: "'meshnode members' lists them")
        }
        guard matches.count == 1 else {
            throw MeshError(
                .invalidArgument, "\(matches.count) members answer to '\(text)'", hint: "use the whole id of one")
        }
        return member
    }

    private func warnings(of members: [Member]) -> [String] {
        let blocked = members.filter { $0.isStreamOnly && $0.state != .left && $0.state != .dead }.map(\.description)
        let others =
            self.state.warnings + [self.disk.warning].compactMap(\.self)
            + blocked.map {
                "UDP to \($0.name) at \($0.endpoint) is blocked while its stream works; open UDP port "
                    + "\($0.endpoint.port) there and \(self.facts.address.port) here"
            } + self.keyWarnings(of: members) + Self.nameWarnings(of: members)
        // Last: of a mesh that is still small there is always something to be said.
        return others + self.runtime.warnings
    }

    /// Names are for people, and two of one name are taken for one.
    private static func nameWarnings(of members: [Member]) -> [String] {
        let live = members.filter { $0.state == .alive || $0.state == .suspect }.map(\.description)
        return Dictionary(grouping: live, by: \.name).filter { $0.value.count > 1 }.sorted { $0.key < $1.key }.map {
            let places = $0.value.map { "\($0.id.short) at \($0.endpoint)" }.sorted().joined(separator: ", ")
            return "\($0.value.count) members are named \($0.key) (\(places)); give each a name of its own with --name"
        }
    }

    // MARK: messages and definitions

    func actors(prefix: String) async throws -> ActorsView { try await self.runtime.actors(prefix: prefix) }

    func send(_ message: OutgoingMessage) async throws -> MessageReceipt {
        try self.requireReady()
        return try await self.runtime.send(message)
    }

    func call(_ message: OutgoingMessage) async throws -> MessageReply {
        try self.requireReady()
        return try await self.runtime.call(message)
    }

    /// A node that does not yet know the others would take messages that belong to them.
    func requireReady() throws {
        switch self.state.phase {
        case .ready: return
        case .joining:
            throw MeshError(
                .unavailable, "this node has not joined its mesh yet", hint: "try again, or ask another member",
                retryAfter: .seconds(1))
        case .leaving:
            throw MeshError(.unavailable, "this node is leaving", hint: "ask another member", retryAfter: .seconds(1))
        }
    }

    func found(isForced: Bool) async throws {
        try self.requireReady()
        // It matters who can be asked now, and not a second ago.
        self.runtime.membersChanged(await self.network.members().map { MeshMember($0, at: .now()) })
        try await self.runtime.found(isForced: isForced)
    }

    func partitions() async -> PartitionsView { await self.runtime.partitionsView() }
    func verifyPartitions() async -> VerificationView { await self.runtime.verifyPartitions() }
    func explain(_ path: ActorPath) async -> ExplainView { await self.runtime.explain(path) }

    func deadLetters(_ page: DeadLetterPage) async throws -> DeadLettersView {
        try await self.runtime.deadLetters(page)
    }
    func deadLetter(_ id: DeadLetterID) async throws -> (letter: DeadLetterView, body: [UInt8]) {
        try await self.runtime.deadLetter(id)
    }
    func act(_ action: DeadLetterAction, on selection: DeadLetterSelection) async throws -> DeadLetterResultView {
        try self.requireReady()
        return try await self.runtime.act(action, on: selection)
    }

    func definitions() async -> [DefinitionView] { self.runtime.definitions() }

    func apply(_ definitions: [ActorDefinition]) async throws -> [DefinitionView] {
        try self.requireReady()
        return try await self.runtime.apply(definitions)
    }

    func delete(definition name: String) async throws {
        try self.requireReady()
        try await self.runtime.delete(definition: name)
    }

    // MARK: events and the end

    func raise(event name: String, payload: [UInt8]) async throws {
        try self.requireReady()
        try self.network.raise(event: name, payload: payload)
    }

    func logs(of node: String?, _ query: LogQuery) async throws -> LogsView {
        guard let node else { return try await self.runtime.logs(of: self.facts.id, query) }
        return try await self.runtime.logs(of: try await self.member(node).description.id, query)
    }
}

extension MeshView.Counts {
    fileprivate mutating func add(_ state: MemberState) {
        switch state {
        case .alive: self.alive += 1
        case .suspect: self.suspect += 1
        case .dead: self.dead += 1
        case .left: self.left += 1
        }
    }
}
