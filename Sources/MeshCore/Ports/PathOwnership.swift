/// Which node takes the messages of a path.
///
/// Today the first of the rendezvous ring over the placeable members; consensus takes this place later, and nothing
/// above should notice.
package protocol PathOwnership: Sendable {
    /// Nil while no member can own anything.
    func owner(of path: ActorPath) -> NodeID?
}
