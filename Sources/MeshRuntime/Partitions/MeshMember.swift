package import MeshCore

/// A member as gossip sees it: what the leader of the meta group plans with.
package struct MeshMember: Hashable, Sendable {
    package var id: NodeID
    package var name: String
    package var endpoint: Endpoint
    package var zone: String
    package var health: PlacementView.Member.Health

    package init(
        id: NodeID, name: String, endpoint: Endpoint, zone: String = "", health: PlacementView.Member.Health
    ) {
        self.id = id
        self.name = name
        self.endpoint = endpoint
        self.zone = zone
        self.health = health
    }

    var isAlive: Bool { if case .alive = self.health { true } else { false } }
}
