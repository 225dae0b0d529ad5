package import MeshCore

/// The definitions of the mesh, as this node knows them.
///
/// Spread by gossip today; the meta group takes this place later.
package protocol DefinitionRegistry: Sendable {
    /// Who answers at a path. Cheap: it is asked for every message.
    func resolve(_ path: ActorPath) -> AppliedDefinition?
    /// Live definitions, by name.
    var all: [AppliedDefinition] { get }
    /// All or none. Returns once they are durable here and the members that answer in time know them.
    func apply(
        _ definitions: [ActorDefinition]
    ) async throws(MeshError) -> [(applied: AppliedDefinition, change: DefinitionTable.Change)]
    func delete(_ name: String) async throws(MeshError)
}
