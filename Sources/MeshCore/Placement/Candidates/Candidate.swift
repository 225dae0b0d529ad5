/// A member as a host of an activation, as the leader that places it sees the member now.
package struct Candidate: Sendable {
    /// Why nothing may begin there, whatever it advertises.
    package enum Obstacle: Hashable, Sendable {
        case suspect, dead, left, draining
        /// Not admitted to the mesh, or no longer.
        case notAdmitted
        /// It gave back the grant of this actor, and said why.
        case disowned(String)
    }

    package struct Load: Hashable, Sendable {
        /// Live activations and waiting messages, as the member told last.
        package var actors: Int
        package var waiting: Int
        /// Activations that this leader placed there since: what was told does not count them yet, and without them
        /// everything would go to whoever was idle a moment ago.
        package var granted: Int
        /// Processors in hundredths.
        package var cores: Int

        package init(actors: Int = 0, waiting: Int = 0, granted: Int = 0, cores: Int = 100) {
            (self.actors, self.waiting, self.granted) = (actors, waiting, granted)
            self.cores = min(max(cores, 1), 1_000_000)
        }
    }

    package var id: NodeID
    package var facts: MemberFacts
    package var load: Load
    package var obstacle: Obstacle?

    package init(id: NodeID, facts: MemberFacts, load: Load = Load(), obstacle: Obstacle? = nil) {
        self.id = id
        self.facts = facts
        self.load = load
        self.obstacle = obstacle
    }

    package init(_ member: Member, granted: Int = 0, obstacle: Obstacle? = nil) {
        let state: Obstacle? =
            switch member.state {
            case .alive: nil
            case .suspect: .suspect
            case .dead: .dead
            case .left: .left
            }
        self.init(
            id: member.description.id, advertising: MemberFacts(member), granted: granted, obstacle: state ?? obstacle)
    }

    /// With the load that it tells.
    package init(id: NodeID, advertising facts: MemberFacts, granted: Int = 0, obstacle: Obstacle? = nil) {
        // What is zero is not advertised, and what is no number counts as little.
        func number(_ key: String) -> Int { facts.capabilities[key].flatMap { Int($0) }.map { max($0, 0) } ?? 0 }
        let cores = facts.capabilities["cpu.cores"].flatMap { try? Quantity($0) }.map { Int($0.steps / 10_000) }
        self.init(
            id: id, facts: facts,
            load: Load(
                actors: number(AdvertisedField.actors), waiting: number(AdvertisedField.mailboxDepth), granted: granted,
                cores: cores ?? 100), obstacle: obstacle)
    }
}

extension Candidate.Obstacle: CustomStringConvertible {
    package var description: String {
        switch self {
        case .suspect: "it is suspected to be dead"
        case .dead: "it is dead"
        case .left: "it has left"
        case .draining: "it is being drained"
        case .notAdmitted: "it is not admitted to the mesh"
        case .disowned(let reason): "it gave the actor back: \(reason)"
        }
    }
}

/// What an actor's definition says of its place.
package struct ActorPlacement: Hashable, Sendable {
    package struct Preference: Hashable, Sendable {
        package static let weights = 1...1000

        /// Against 100 for an idle member and 50 for a near one.
        package var weight: Int
        package var when: Requirement

        package init(weight: Int, when: Requirement) {
            self.weight = weight
            self.when = when
        }
    }

    package static let preferencesMax = 16

    package var requires: Requirement?
    package var prefers: [Preference]

    package init(requires: Requirement? = nil, prefers: [Preference] = []) {
        self.requires = requires
        self.prefers = prefers
    }

    package var isEmpty: Bool { self.requires == nil && self.prefers.isEmpty }
}
