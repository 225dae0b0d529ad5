// What `meshnode drain` shows. The names are those of the JSON, which is snake_case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

package import MeshCore

package struct DrainView: Codable, Sendable {
    package var id: String
    package var name: String
    /// `active`, `draining`, `drained`, `leaving` or `evicted`.
    package var state: String
    /// Why it is drained or was evicted.
    package var reason: String
    /// Partitions that it leads.
    package var leads: Int
    /// Partitions with a replica on it.
    package var replicas: Int
    /// Replicas among them that stay, since no other member could take them.
    package var kept: Int

    package init(id: String, name: String, state: String, reason: String, leads: Int, replicas: Int, kept: Int) {
        self.id = id
        self.name = name
        self.state = state
        self.reason = reason
        self.leads = leads
        self.replicas = replicas
        self.kept = kept
    }

    package init(_ progress: DrainProgress, id: NodeID, name: String) {
        let (state, reason) =
            switch progress.standing {
            case .active: ("active", "")
            case .draining(let reason): (progress.isSettled ? "drained" : "draining", reason)
            case .leaving: ("leaving", "")
            case .evicted(let reason): ("evicted", reason)
            }
        self.init(
            id: id.description, name: name, state: state, reason: reason, leads: progress.leads,
            replicas: progress.replicas, kept: progress.isSettled ? progress.wanted : 0)
    }
}
