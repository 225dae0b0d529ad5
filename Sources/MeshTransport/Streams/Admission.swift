package import MeshCore

/// Who is let into the mesh once its key is proven. Today whoever holds the token; later the meta group decides.
package protocol Admission: Sendable {
    func admits(_ node: NodeID, boot: Boot) -> Bool
}

/// Everyone with a valid token is admitted by the node it joins.
package struct OpenAdmission: Admission {
    package init() {}
    package func admits(_ node: NodeID, boot: Boot) -> Bool { true }
}
