internal import MeshCore

/// A bug put in on purpose, to prove that the checks find it. For tests only; no command line reaches it.
package enum Mutation: Hashable, Sendable {
    /// The network drops all that goes to and from this host, and the truth knows of no fault.
    case unreportedCut(Int)
    /// A host starts again without raising its boot epoch.
    case forgottenEpoch
    /// User events reach the application twice.
    case repeatedEvents
    /// Suspicions never end.
    case endlessSuspicion
    /// The last byte of every datagram is inverted and another appended.
    case corruption

    func spoil(_ configuration: inout Membership.Configuration) {
        switch self {
        case .endlessSuspicion: configuration.suspicionMultiplier = 10_000
        default: break
        }
    }
}
