internal import MeshCore
internal import Synchronization

// Before there are groups: who begins them, or whether somebody has.
extension MetaService {
    /// A replica of any group is here, or was.
    var hasGroups: Bool {
        if self.driver.withLock({ $0 })?.inspect({ $0.hasGroups }) == true { return true }
        return self.surroundings.lanes.contains { $0.driver.inspect { $0.hasGroups } }
    }

    /// There is a founding, as far as this node knows. Once it is so it stays so.
    var isFounded: Bool {
        if self.state.withLock({ $0.isFounded }) { return true }
        guard self.hasGroups else { return false }
        self.noteFounding()
        return true
    }

    func noteFounding() {
        self.state.withLock { $0.isFounded = true }
        self.vote(.founded)
    }

    var isChosen: Bool { self.state.withLock { $0.vote.isChosen } }

    /// Why there are no partitions yet; nil if there are.
    var obstacle: FoundingVote.Obstacle? { self.isFounded ? nil : self.state.withLock { $0.vote.obstacle } }

    func told(_ obstacle: FoundingVote.Obstacle) -> (text: String, mend: String) {
        let names = self.state.withLock { state in
            Dictionary(state.members.map { ($0.id, $0.name) }) { first, _ in first }
        }
        return obstacle.told { names[$0] ?? "\($0)" }
    }

    /// Who waits to hear of a founding asks anybody, for whoever knows the leader of the meta group says so.
    func seekFounding() {
        let (alive, other) = self.state.withLock { state in
            let alive = state.members.filter(\.isAlive).map(\.id)
            return (alive, alive.filter { $0 != self.local }.randomElement())
        }
        if let other { self.send(.report([]), to: other) }
        self.vote(.look(alive))
    }

    /// An operator wants this node to found: with the word of every member, and not without one that cannot be asked.
    func wish() throws(MeshError) {
        let others = self.state.withLock { $0.members.filter { $0.id != self.local } }
        let silent = others.filter { !$0.isAlive }.map(\.name).sorted()
        guard silent.isEmpty else {
            throw MeshError(
                .unavailable,
                "\(silent.joined(separator: ", ")) cannot be asked, and may hold the beginning of the mesh",
                hint: "start what is down and try again, or, if it is gone for good, use --force")
        }
        self.vote(.wish(others.map(\.id)))
    }

    func vote(_ input: FoundingVote.Input) {
        let effects = self.state.withLock { state in
            var effects: [FoundingVote.Effect] = []
            state.vote.step(input, into: &effects)
            return effects
        }
        for effect in effects {
            switch effect {
            case .keep(let node):
                Founding.keep(promise: node, in: self.storage) { [weak self] in self?.vote(.kept(node)) }
            case .ask(let node): self.send(.mayFound, to: node)
            case .answer(let answer, let node): self.send(.foundingAnswer(answer), to: node)
            case .found: self.chosen()
            }
        }
    }
}

extension FoundingVote.Obstacle {
    func told(_ name: (NodeID) -> String) -> (text: String, mend: String) {
        let force = "if it is gone for good, say 'meshnode init --force' on one node"
        switch self {
        case .nobodyAsked:
            return ("the mesh has no partitions yet, so it takes no messages", "say 'meshnode init' on one node, once")
        case .tooFew(let here, let founders):
            return (
                "the mesh begins when \(founders) nodes are here, as its token says; this one sees \(here)",
                "start the others"
            )
        case .promised(let node): return ("\(name(node)) is to begin the mesh, and has not", "start it; \(force)")
        case .refused(let node, let other):
            return ("\(name(node)) waits for \(name(other)) to begin the mesh", "start \(name(other)); \(force)")
        case .waiting(let nodes):
            return (
                "the mesh waits for \(nodes.map(name).joined(separator: ", ")) to agree on its beginning",
                "see that they run"
            )
        case .beginning: return ("the partitions of the mesh are being made", "wait a moment")
        }
    }
}

extension Shard {
    fileprivate var hasGroups: Bool { !self.groups.isEmpty || !self.absent.isEmpty }
}
