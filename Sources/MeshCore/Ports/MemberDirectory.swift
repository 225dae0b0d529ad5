/// Who is in the mesh, as placement and the doors see it. Cheap to ask: a snapshot, never a wait.
package protocol MemberDirectory: Sendable {
    var localID: NodeID { get }
    /// Members that can own a path: alive or suspect, this node included, ordered by id.
    var placeable: [NodeID] { get }
    /// A member's human-readable name, if it is known.
    func name(of node: NodeID) -> String?
}
