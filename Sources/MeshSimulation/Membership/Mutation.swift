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
    /// Whatever a host says of itself, it says with incarnation 0: it cannot refute.
    case lostRefutations

    func spoil(_ configuration: inout Membership.Configuration) {
        switch self {
        case .endlessSuspicion: configuration.suspicionMultiplier = 10_000
        default: break
        }
    }

    /// What becomes of a packet or frame on its way out.
    func spoil(_ bytes: ArraySlice<UInt8>, saidBy speaker: NodeID) -> ArraySlice<UInt8> {
        guard self == .lostRefutations else { return bytes }
        var pattern = WireWriter()
        pattern.write(MessageKind.alive)
        pattern.write(speaker)
        var spoiled = Array(bytes)
        // Behind kind and id stands the boot, 16 bytes, and then the incarnation.
        let incarnation = pattern.count + 16
        var start = 0
        while start + incarnation + 4 <= spoiled.count {
            if spoiled[start...].starts(with: pattern.bytes) {
                for index in start + incarnation..<start + incarnation + 4 { spoiled[index] = 0 }
            }
            start += 1
        }
        return spoiled[...]
    }
}
