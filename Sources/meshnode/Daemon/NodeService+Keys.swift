internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

/// Keys over the whole mesh. Each command asks every live member what it has, refuses what would cut one off, changes
/// this node's keyring, and tells the others, which tell those that are away when they are back.
extension NodeService {
    /// For one round of asking everybody.
    private static let roundMax = Duration.seconds(3)
    /// Members that a refusal names.
    private static let namesMax = 5

    private struct Holder {
        var id: NodeID
        var state: String
        var witness: KeyRotation.Witness
        var source: KeyHolderView.Source
    }

    func keys() async -> KeysView { self.view(of: await self.holders()) }

    /// A new key that everybody accepts and nobody uses yet; or the one that an earlier install began with.
    func installKey() async throws -> KeysView {
        try self.requireMesh()
        let spare = self.network.keyring.spare
        let installed: KeyID
        do { installed = if let spare { spare } else { try await self.network.install() } } catch {
            throw Self.failure(error)
        }
        return self.view(of: await self.holders(), after: installed)
    }

    func useKey(_ text: String, force: Bool) async throws -> KeysView {
        try self.requireMesh()
        let key = try self.key(text)
        if !force {
            let cut = KeyRotation.cutOff(byUsing: key, await self.holders().map(\.witness))
            guard cut.isEmpty else {
                throw MeshError(
                    .conflict, "key \(key) is not used: it has not reached \(Self.names(cut))",
                    hint:
                        "repeat 'meshnode keys install' until 'meshnode keys list' shows it everywhere; --force uses it "
                        + "all the same, and they hear nothing until the key reaches them over a stream")
            }
        }
        do { try await self.network.use(key: key) } catch { throw Self.failure(error) }
        return self.view(of: await self.holders(), after: key)
    }

    func removeKey(_ text: String, force: Bool) async throws -> KeysView {
        try self.requireMesh()
        let key = try self.key(text)
        let ring = self.network.keyring
        if !force, ring.contains(key), key != ring.primary {
            let cut = KeyRotation.cutOff(byRemoving: key, from: ring, await self.holders().map(\.witness))
            guard cut.isEmpty else {
                throw MeshError(
                    .conflict, "key \(key) stays: nothing else is known to reach \(Self.names(cut))",
                    hint:
                        "use another key first, and wait until they are back and have it ('meshnode keys list'); --force removes "
                        + "the key all the same, and they are shut out until they are given a new token")
            }
        }
        do { try await self.network.remove(key: key) } catch { throw Self.failure(error) }
        return self.view(of: await self.holders(), after: key)
    }

    // MARK: who has what

    /// Everyone but those that left; live members are asked, and told this node's keys by it.
    private func holders() async -> [Holder] {
        let members = await self.network.members().filter { $0.state != .left }
        let live = members.filter { $0.state == .alive || $0.state == .suspect }.map(\.description.id)
        var answers = await self.network.askKeys(
            of: live.filter { $0 != self.facts.id }, within: Self.roundMax)
        answers[self.facts.id] = KeySummary(self.network.keyring)
        let seen = await self.network.keysSeen()
        var holders = members.map { member in
            let id = member.description.id
            let field = member.capabilities.first { $0.key == KeySummary.field }.flatMap { KeySummary($0.value) }
            // What it said to this node itself, or what it told everybody: either shows what it has had.
            let keys = answers[id] ?? (member.state == .dead ? seen[id] ?? field : field ?? seen[id])
            return Holder(
                id: id, state: member.state.name,
                witness: .init(
                    name: member.description.name, presence: member.state == .dead ? .away : .alive, keys: keys),
                source: answers[id] != nil ? .answer : keys != nil ? .gossip : .none)
        }
        for unmet in self.state.unmet(besides: members.map(\.description.id)) where unmet.id != self.facts.id {
            holders.append(
                Holder(
                    id: unmet.id, state: "unmet",
                    witness: .init(name: unmet.name, presence: .away, keys: nil), source: .none))
        }
        return holders.sorted { ($0.witness.name, $0.id) < ($1.witness.name, $1.id) }
    }

    private func view(of holders: [Holder], after key: KeyID? = nil) -> KeysView {
        let ring = self.network.keyring
        let own = KeySummary(ring)
        let live = holders.filter { $0.witness.presence == .alive }.map(\.witness.keys)
        return KeysView(
            keys: ring.byUse.map { key in
                KeyView(
                    id: key.description, is_primary: key == ring.primary,
                    held_by: live.count { $0?.keys.contains(key) ?? false },
                    primary_at: live.count { $0?.primary == key })
            },
            members: holders.map { holder in
                let keys = holder.witness.keys
                return KeyHolderView(
                    id: holder.id.description, name: holder.witness.name, state: holder.state,
                    primary: keys?.primary.description, keys: keys?.keys.map(\.description), source: holder.source)
            },
            is_agreed: live.allSatisfy { $0 == own }, key: key?.description)
    }

    /// Says where a node stands that was away too long.
    func keyWarnings(of members: [Member]) -> [String] {
        let lockedOut = self.network.lockedOutBy
        guard !lockedOut.isEmpty else { return [] }
        let met = members.map { ($0.description.id, $0.description.name) }
        let unmet = self.state.unmet(besides: met.map(\.0)).map { ($0.id, $0.name) }
        let names = Dictionary(met + unmet) { first, _ in first }
        return [
            "\(lockedOut.map { names[$0] ?? $0.description }.joined(separator: ", ")): none of this node's keys is known "
                + "there, they were rotated out while it was away; put what 'meshnode token' prints there into "
                + "\(self.facts.tokenPlace) and send SIGHUP"
        ]
    }

    // MARK: refusals

    /// A node outside its mesh would change keys that nobody else has.
    private func requireMesh() throws {
        guard self.state.phase == .ready else {
            throw MeshError(
                .unavailable, "this node is \(self.state.phase.rawValue)", hint: "ask another member",
                retryAfter: .seconds(1))
        }
    }

    /// By id or by the beginning of it that only one has; removed ones too, since a removal may be repeated.
    private func key(_ text: String) throws -> KeyID {
        let known = self.network.keyring.entries.map(\.id)
        let present = self.network.keyring.keys
        if let id = KeyID(text.lowercased()), known.contains(id) { return id }
        let matches = text.isEmpty ? [] : present.filter { $0.description.hasPrefix(text.lowercased()) }
        guard let id = matches.first else {
            throw MeshError(
                .notFound, "there is no key '\(text.prefix(16))'", hint: "'meshnode keys list' shows them")
        }
        guard matches.count == 1 else {
            throw MeshError(.invalidArgument, "\(matches.count) keys begin with '\(text)'", hint: "give more of it")
        }
        return id
    }

    private static func failure(_ error: any Error) -> any Error {
        guard let error = error as? KeyringError else { return error }
        switch error {
        case .unknown: return MeshError(.notFound, error.description, hint: "'meshnode keys list' shows them")
        case .primary, .full, .nothingLeft: return MeshError(.conflict, error.description)
        case .exhausted:
            return MeshError(
                .conflict, error.description, hint: "no node of this version does so: make a new mesh without it")
        }
    }

    private static func names(_ witnesses: [KeyRotation.Witness]) -> String {
        let shown = witnesses.prefix(self.namesMax).map { witness in
            witness.presence == .away ? "\(witness.name) (away)" : witness.name
        }
        let rest = witnesses.count - shown.count
        return shown.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}
