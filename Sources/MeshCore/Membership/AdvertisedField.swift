/// Names of the dynamic fields that every node advertises of itself, each unless it is zero.
package enum AdvertisedField {
    package static let actors = "mesh.actors"
    package static let mailboxDepth = "mesh.mailbox_depth"
    package static let definitions = "mesh.definitions"
    /// 1 while the node is about to leave the mesh and gives away what it has.
    package static let leaving = "mesh.leaving"
    package static let prefix = "mesh."
}
