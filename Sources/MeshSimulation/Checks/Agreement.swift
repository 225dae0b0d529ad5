internal import MeshCore

/// All live nodes agree, and what they agree on is so: the running nodes are alive in their present boot, with the
/// incarnation, address, tags and capabilities that each gives itself, and nobody else is.
///
/// Asked at the end of every run, when all faults have been healed for two push/pull intervals, and two push/pull
/// intervals after a partition healed if nothing else happened meanwhile.
enum Agreement {
    static func violation(in simulation: borrowing MembershipSimulation, check name: String) -> Violation? {
        let running = simulation.truth.runningHosts.filter { simulation.hosts[$0].process?.pausedUntil == nil }
        var own: [NodeID: Member] = [:]
        var hash: UInt64?
        let isLarge = running.count > 256
        for host in running {
            guard let membership = simulation.hosts[host].process?.membership else { continue }
            own[membership.local.id] = membership.member(membership.local.id)
        }
        for host in running {
            guard let membership = simulation.hosts[host].process?.membership else { continue }
            // In a large mesh the state hash stands for the members once one node has been compared.
            let isFirst = hash == nil
            let agrees = hash.map { $0 == membership.stateHash } ?? true
            hash = hash ?? membership.stateHash
            if isLarge, !isFirst, agrees { continue }
            var alive = 0
            for member in membership.members {
                guard let actual = own[member.description.id] else {
                    guard member.state == .dead || member.state == .left else {
                        return violation(name, simulation, host, member, "which does not run")
                    }
                    continue
                }
                if let difference = difference(between: member, and: actual) {
                    return violation(name, simulation, host, member, difference)
                }
                alive += 1
            }
            guard alive == own.count else {
                let missing = running.filter { other in
                    guard let id = simulation.truth.running[other] else { return false }
                    return membership.member(id) == nil
                }
                return Violation(
                    name, at: simulation.now, host: host,
                    "knows \(alive) of \(own.count) running nodes; does not know hosts "
                        + missing.prefix(8).map(String.init).joined(separator: ", "))
            }
            guard agrees else {
                return Violation(name, at: simulation.now, host: host, "has the same members and another state hash")
            }
        }
        return nil
    }

    private static func difference(between belief: Member, and actual: Member) -> String? {
        if belief.state != .alive { return "which runs" }
        let (seen, own) = (belief.description, actual.description)
        if seen.boot != own.boot { return "but its boot is \(own.boot.epoch)" }
        if belief.incarnation != actual.incarnation { return "but its incarnation is \(actual.incarnation)" }
        if seen.endpoint != own.endpoint { return "at \(seen.endpoint) and not at \(own.endpoint)" }
        if seen.tags != own.tags || seen.name != own.name || seen.zone != own.zone || seen.version != own.version {
            return "but its tags are \(own.tags) and not \(seen.tags)"
        }
        if belief.capabilities != actual.capabilities {
            return "but its capabilities are \(actual.capabilities) and not \(belief.capabilities)"
        }
        return nil
    }

    private static func violation(
        _ name: String, _ simulation: borrowing MembershipSimulation, _ host: Int, _ member: Member, _ text: String
    ) -> Violation {
        let about =
            simulation.truth.lives[member.description.id].map { "host \($0.host)" } ?? member.description.id.short
        return Violation(
            name, at: simulation.now, host: host,
            "believes \(about) \(member.state) (\(member.description.boot.epoch).\(member.incarnation)), \(text)")
    }
}
