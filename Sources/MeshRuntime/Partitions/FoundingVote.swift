package import MeshCore

/// Which node of a mesh of equals begins its groups: at most one, for two foundings would be two meshes under one name.
///
/// Every node gives its word once, on its disk, to one node. Who has the word of as many as the token names, its own
/// included, founds: two could only do so if twice as many nodes had given their word. Only who sees nobody with a lower
/// id asks, so among nodes that see each other one asks and the others answer.
package struct FoundingVote: Sendable {
    package enum Input: Sendable {
        /// Now and then: who is here and alive, this node included.
        case look([NodeID])
        /// An operator wants this node to found, with the word of all these.
        case wish([NodeID])
        case asked(by: NodeID)
        /// The word is on the disk.
        case kept(NodeID)
        case answered(FoundingAnswer, by: NodeID)
        /// Groups are here, or somebody knows of some.
        case founded
    }

    package enum Effect: Hashable, Sendable {
        case keep(NodeID)
        case ask(NodeID)
        case answer(FoundingAnswer, to: NodeID)
        case found
    }

    /// Why there is no founding yet.
    package enum Obstacle: Hashable, Sendable {
        /// Nobody said how many nodes make the mesh.
        case nobodyAsked
        case tooFew(here: Int, of: Int)
        /// This node's word went to another, which has not founded.
        case promised(to: NodeID)
        /// Another member's word went elsewhere.
        case refused(by: NodeID, for: NodeID)
        /// For their word, or for the one of them that founds.
        case waiting(for: [NodeID])
        /// All have given their word; the groups begin.
        case beginning

        /// Asking again does not help.
        package var isFinal: Bool {
            switch self {
            case .promised, .refused: true
            case .nobodyAsked, .tooFew, .waiting, .beginning: false
            }
        }
    }

    private let local: NodeID
    /// How many nodes make the mesh, as its token says.
    private let founders: Int?
    /// Whom this node's word went to: on the disk, or on its way there.
    private var promise: NodeID?
    private var isKept: Bool
    private var isFounded = false
    package private(set) var isChosen = false
    private var wished: [NodeID]?
    private var alive: [NodeID] = []
    private var granted: Set<NodeID> = []
    private var refusals: [NodeID: NodeID] = [:]

    package init(local: NodeID, founders: Int?, promise: NodeID? = nil) {
        self.local = local
        self.founders = founders
        self.promise = promise
        self.isKept = promise != nil
    }

    package mutating func step(_ input: Input, into effects: inout [Effect]) {
        switch input {
        case .look(let alive):
            self.alive = alive.sorted()
            self.advance(into: &effects)
        case .wish(let voters):
            self.wished = voters.filter { $0 != self.local }
            self.refusals = [:]
            self.advance(into: &effects)
        case .asked(let node): self.asked(by: node, into: &effects)
        case .kept(let node):
            guard self.promise == node else { return }
            self.isKept = true
            if node == self.local { self.advance(into: &effects) } else { effects.append(.answer(.promised, to: node)) }
        case .answered(.promised, let node):
            self.granted.insert(node)
            self.refusals[node] = nil
            self.advance(into: &effects)
        case .answered(.promisedTo(let other), let node): self.refusals[node] = other
        case .answered(.founded, _), .founded: self.isFounded = true
        }
    }

    private mutating func asked(by node: NodeID, into effects: inout [Effect]) {
        guard !self.isFounded, !self.isChosen else { return effects.append(.answer(.founded, to: node)) }
        switch self.promise {
        case nil: self.give(word: node, into: &effects)
        case node?: if self.isKept { effects.append(.answer(.promised, to: node)) }
        case let other?: effects.append(.answer(.promisedTo(other), to: node))
        }
    }

    private mutating func give(word node: NodeID, into effects: inout [Effect]) {
        self.promise = node
        self.isKept = false
        effects.append(.keep(node))
    }

    /// Whom to ask, and how many of them must agree; nil if it is not this node's turn.
    private var electorate: (nodes: [NodeID], count: Int)? {
        if let wished = self.wished { return (wished, wished.count) }
        // Once its word went to itself nobody else can have it: another with a lower id must not end the attempt.
        guard let founders = self.founders, self.alive.count >= founders,
            self.promise == self.local || (self.promise == nil && self.alive.first == self.local)
        else { return nil }
        return (self.alive.filter { $0 != self.local }, founders - 1)
    }

    private mutating func advance(into effects: inout [Effect]) {
        guard !self.isFounded, !self.isChosen, let (nodes, count) = self.electorate else { return }
        guard let promise = self.promise else { return self.give(word: self.local, into: &effects) }
        guard promise == self.local, self.isKept else { return }
        let words = self.wished == nil ? self.granted.count : nodes.count { self.granted.contains($0) }
        guard words >= count else {
            effects += nodes.filter { !self.granted.contains($0) }.map { .ask($0) }
            return
        }
        self.isChosen = true
        effects.append(.found)
    }

    /// Nil if there is a founding.
    package var obstacle: Obstacle? {
        guard !self.isFounded else { return nil }
        if self.isChosen { return .beginning }
        if let promise = self.promise, promise != self.local { return .promised(to: promise) }
        if let (node, other) = self.refusals.min(by: { $0.key < $1.key }) { return .refused(by: node, for: other) }
        if let (nodes, _) = self.electorate { return .waiting(for: nodes.filter { !self.granted.contains($0) }) }
        guard let founders = self.founders else { return .nobodyAsked }
        if self.alive.count < founders { return .tooFew(here: self.alive.count, of: founders) }
        return self.alive.first.map { .waiting(for: [$0]) }
    }
}
