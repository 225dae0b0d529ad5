package import MeshCore

/// A member as gossip sees it: what the leader of the meta group plans with, and leaders of partitions choose hosts by.
package struct MeshMember: Hashable, Sendable {
    package var id: NodeID
    package var name: String
    package var endpoint: Endpoint
    package var zone: String
    package var health: PlacementView.Member.Health
    /// Which life of it this is.
    package var boot: UInt64
    // What it says of itself, for placing activations.
    package var version: String
    package var labels: [Label]
    package var capabilities: [Label]
    package var roundTrip: Duration?
    /// It says that it is about to leave for good.
    package var isLeaving: Bool

    package init(
        id: NodeID, name: String, endpoint: Endpoint, zone: String = "", health: PlacementView.Member.Health,
        boot: UInt64 = 0, version: String = "", labels: [Label] = [], capabilities: [Label] = [],
        roundTrip: Duration? = nil, isLeaving: Bool = false
    ) {
        self.id = id
        self.name = name
        self.endpoint = endpoint
        self.zone = zone
        self.health = health
        self.boot = boot
        self.version = version
        self.labels = labels
        self.capabilities = capabilities
        self.roundTrip = roundTrip
        self.isLeaving = isLeaving
    }

    var isAlive: Bool { if case .alive = self.health { true } else { false } }
    var isDead: Bool { if case .dead = self.health { true } else { false } }

    /// - Parameter isLocal: this node is no way from itself, and it does not measure that.
    func facts(isLocal: Bool) -> MemberFacts {
        MemberFacts(
            name: self.name, zone: self.zone, version: self.version, labels: self.labels,
            capabilities: self.capabilities, roundTrip: isLocal ? .zero : self.roundTrip)
    }
}

extension MeshMember {
    /// The membership's clock and the runtime's begin elsewhere.
    package init(_ member: Member, at now: Instant) {
        let since = MonotonicClock.now + .nanoseconds(-(now - member.since).nanoseconds)
        let health: PlacementView.Member.Health =
            switch member.state {
            case .alive: .alive(since: since)
            case .suspect: .suspect
            case .dead, .left: .dead(since: since)
            }
        self.init(
            id: member.description.id, name: member.description.name, endpoint: member.description.endpoint,
            zone: member.description.zone, health: health, boot: member.description.boot.epoch,
            version: member.description.version, labels: member.description.tags, capabilities: member.capabilities,
            roundTrip: member.roundTrip,
            isLeaving: member.capabilities.contains { $0.key == AdvertisedField.leaving })
    }
}
