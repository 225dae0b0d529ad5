internal import MeshCore

/// A bug put in on purpose, to prove that the checks find it. For tests only; no command line reaches it.
package enum Mutation: Hashable, Sendable {
    /// The network drops every datagram to and from this host and tells nobody.
    case unreportedCut(Int)
    /// A host starts again without raising its boot epoch.
    case forgottenEpoch
    /// User events reach the application twice.
    case repeatedEvents
    /// Rumours are told to nobody.
    case silentGossip
    /// Suspicions never end.
    case endlessSuspicion
    /// Streams corrupt a byte of every frame; datagrams too.
    case corruption
    /// A host's driver forgets to call the member list when it asks to be woken.
    case lostWakes(Int)

    func spoil(_ configuration: inout Membership.Configuration) {
        switch self {
        case .silentGossip: configuration.retransmitMultiplier = 0
        case .endlessSuspicion: configuration.suspicionMultiplier = 10_000
        default: break
        }
    }
}
