package import MeshCore

/// Finds hosts for the activations of the leaders on this node.
///
/// An actor without requirements runs where its leader is. For others the members are filtered and scored, and the best is asked;
/// one that refuses, or says nothing, is passed over for the next. It is a value; leaders ask again until they hear
/// something, so nothing here has to wait.
package struct ActivationPlacer: Sendable {
    package typealias Key = Residences.Key

    package enum Input: Sendable {
        case ask(PlacementQuery, ActorPlacement, GroupID)
        /// A host has heard the question.
        case starting(ActivationID, Key, from: NodeID)
        case placed(ActivationID, PartitionRequest.Placed, Key, from: NodeID)
        /// Of some it is known that nothing may begin there.
        case members([MeshMember], obstacles: [NodeID: Candidate.Obstacle])
    }

    package enum Effect: Hashable, Sendable {
        case ask(PlacementQuery, GroupID, at: NodeID)
        case tell(ActivationID, PartitionRequest.Placed, GroupID)
        /// What ran there runs no more.
        case lost(Host)
    }

    private struct Question: Sendable {
        var query: PlacementQuery
        var placement: ActorPlacement
        var asked: NodeID?
        /// The one that was asked has said that it is at it.
        var isHeard = false
        /// Members that will not have it, and why not.
        var refusals: [NodeID: String] = [:]
        var unstartable: String?
        var since: Instant
    }

    /// A program that cannot be started at so many members will hardly start at the others.
    private static let startsMax = 3
    /// Nobody asks any more.
    private static let forgottenAfter = Duration.seconds(60)

    private let local: NodeID
    private var members: [MeshMember] = []
    private var obstacles: [NodeID: Candidate.Obstacle] = [:]
    /// Boots of members that are not dead.
    private var living: [NodeID: UInt64] = [:]
    private var questions: [Key: Question] = [:]
    /// Activations that were placed on a member since it told its load last.
    private var granted: [NodeID: Int] = [:]

    package init(local: NodeID) { self.local = local }

    package mutating func step(_ input: Input, at now: Instant, into effects: inout [Effect]) {
        switch input {
        case .ask(let query, let placement, let group):
            let key = Key(group: group, path: query.path)
            var question = Question(query: query, placement: placement, since: now)
            if let before = self.questions[key], let asked = before.asked {
                question.refusals = before.refusals
                question.unstartable = before.unstartable
                // There is nobody else than this node for an actor without requirements.
                if before.isHeard || placement.isEmpty {
                    question.asked = asked
                } else {
                    question.refusals[asked] = "it does not answer"
                }
            }
            self.advance(question, key, into: &effects)
        case .starting(let id, let key, let node):
            guard let question = self.questions[key], question.query.id == id, question.asked == node else { return }
            self.questions[key]?.isHeard = true
        case .placed(let id, let placed, let key, let node):
            self.placed(id, placed, key, from: node, into: &effects)
        case .members(let members, let obstacles):
            self.take(members, obstacles, at: now, into: &effects)
        }
    }

    // MARK: Questions

    /// Asks the member that was asked before, or the best that has not refused.
    private mutating func advance(_ question: Question, _ key: Key, into effects: inout [Effect]) {
        var question = question
        guard let node = question.asked ?? self.best(for: question) else {
            self.questions[key] = nil
            return effects.append(.tell(question.query.id, self.refusal(of: question), key.group))
        }
        question.asked = node
        self.questions[key] = question
        effects.append(.ask(question.query, key.group, at: node))
    }

    private func best(for question: Question) -> NodeID? {
        guard !question.placement.isEmpty else {
            return question.refusals[self.local] == nil ? self.local : nil
        }
        guard question.unstartable == nil || question.refusals.count < Self.startsMax else { return nil }
        let choice = self.choice(for: question.query.path, question.placement, refusals: question.refusals)
        return self.stays(question.query.holder, choice)?.node ?? choice.chosen?.node
    }

    /// Who has the actor keeps it for as long as he fulfils what it requires, whatever the others score.
    private func stays(_ holder: Host?, _ choice: HostChoice) -> Host? {
        guard let holder, self.living[holder.node] == holder.boot,
            case .fits? = choice.judgements.first(where: { $0.node == holder.node })?.finding
        else { return nil }
        return holder
    }

    private func refusal(of question: Question) -> PartitionRequest.Placed {
        if let reason = question.unstartable { return .unstartable(reason) }
        guard !question.placement.isEmpty else {
            return .nowhere(missing: "its leader's node will not have it: \(question.refusals[self.local] ?? "")")
        }
        let choice = self.choice(for: question.query.path, question.placement, refusals: question.refusals)
        return .nowhere(missing: choice.missing)
    }

    private mutating func placed(
        _ id: ActivationID, _ placed: PartitionRequest.Placed, _ key: Key, from node: NodeID,
        into effects: inout [Effect]
    ) {
        guard var question = self.questions[key], question.query.id == id, question.asked == node else { return }
        switch placed {
        case .at(let host, _):
            guard host.node == node else { return }
            self.questions[key] = nil
            self.granted[node, default: 0] += 1
            effects.append(.tell(id, .at(host, because: self.reason(toLeave: question, for: host)), key.group))
            return
        case .nowhere(let reason): question.refusals[node] = reason
        case .unstartable(let reason):
            question.refusals[node] = "it cannot be started there: \(reason)"
            question.unstartable = question.unstartable ?? reason
        }
        question.asked = nil
        question.isHeard = false
        self.advance(question, key, into: &effects)
    }

    /// Why it does not stay with its holder.
    private func reason(toLeave question: Question, for host: Host) -> String {
        guard let holder = question.query.holder, holder != host else { return "" }
        guard holder.node != host.node else { return "" }
        let choice = self.choice(for: question.query.path, question.placement, refusals: question.refusals)
        switch choice.judgements.first(where: { $0.node == holder.node })?.finding {
        case .barred(let obstacle)?: return "\(obstacle)"
        case .lacks(let verdict)?: return verdict.explanation
        case .fits?: return "it was started anew"
        case nil: return "it is no member any more"
        }
    }

    // MARK: Members

    /// What is thought of every member as a host of this actor.
    package func choice(
        for path: ActorPath, _ placement: ActorPlacement, refusals: [NodeID: String] = [:]
    ) -> HostChoice {
        let zone = self.members.first { $0.id == self.local }?.zone ?? ""
        // Without requirements nobody else is considered.
        let considered = placement.isEmpty ? self.members.filter { $0.id == self.local } : self.members
        let candidates = considered.map { member in
            Candidate(
                id: member.id, advertising: member.facts(isLocal: member.id == self.local),
                granted: self.granted[member.id] ?? 0,
                obstacle: member.obstacle ?? self.obstacles[member.id]
                    ?? refusals[member.id].map { .disowned($0) })
        }
        return HostChoice(
            for: path, requires: placement.requires, among: candidates,
            by: .standard(zone: zone, prefers: placement.prefers))
    }

    private mutating func take(
        _ members: [MeshMember], _ obstacles: [NodeID: Candidate.Obstacle], at now: Instant,
        into effects: inout [Effect]
    ) {
        let told = Dictionary(self.members.map { ($0.id, $0.capabilities) }) { first, _ in first }
        for member in members where told[member.id] != member.capabilities { self.granted[member.id] = nil }
        self.members = members
        self.obstacles = obstacles
        let before = self.living
        self.living = Dictionary(members.filter { !$0.isDead }.map { ($0.id, $0.boot) }) { first, _ in first }
        let lost = before.filter { self.living[$0.key] != $0.value }.map { Host(node: $0.key, boot: $0.value) }
            .sorted { $0.node < $1.node }
        effects += lost.map { .lost($0) }
        self.questions = self.questions.filter { $0.value.since + Self.forgottenAfter > now }
        let stranded = self.questions.filter { question in lost.contains { $0.node == question.value.asked } }
        for (key, question) in stranded.sorted(by: { ($0.key.group, $0.key.path) < ($1.key.group, $1.key.path) }) {
            var question = question
            question.asked = nil
            question.isHeard = false
            self.advance(question, key, into: &effects)
        }
    }
}

extension MeshMember {
    fileprivate var obstacle: Candidate.Obstacle? {
        switch self.health {
        case .alive: nil
        case .suspect: .suspect
        case .dead: .dead
        }
    }
}
