package import MeshCore

/// What a run of the membership simulator is a function of.
package struct Scenario: Sendable {
    package enum Profile: String, CaseIterable, Sendable {
        case lan, local, wan

        package var configuration: Membership.Configuration {
            switch self {
            case .lan: .lan
            case .local: .local
            case .wan: .wan
            }
        }
        var link: LinkModel {
            switch self {
            case .lan: .lan
            case .local: .local
            case .wan: .wan
            }
        }
    }

    package enum Faults: Hashable, Sendable {
        case only(Set<FaultKind>)
        /// Each kind with probability one half.
        case swarm
    }

    package enum Start: String, CaseIterable, Hashable, Sendable {
        /// The first host makes the mesh, the others join through the seeds in the first seconds.
        case joining
        /// Everybody knows everybody before time begins, told by real push/pull frames; only the latecomers join.
        case converged
    }

    /// Hosts that others join through.
    package static let seedHosts = 3
    package static let membersMax = 20_000
    package static let capabilitiesMax = 16

    package var members = 32
    package var seed: UInt64 = 1
    package var duration = Duration.seconds(300)
    package var profile = Profile.lan
    package var start = Start.joining
    package var faults = Faults.only([])
    package var lifeguard = true
    /// Whether hosts report that a reconnection was refused.
    package var hardEvidence = true
    package var loss = Share.none
    /// Members stopped now and then.
    package var pausedMembers = 0
    /// Half of the members cut off from the other half for that long.
    package var partition: Duration?
    /// Processes killed for good.
    package var crashes = 0
    /// Dynamic fields that each member advertises.
    package var capabilities = 2
    package var mutation: Mutation?

    package init() {}

    package var configuration: Membership.Configuration {
        var configuration = self.profile.configuration
        configuration.lifeguard = self.lifeguard
        self.mutation?.spoil(&configuration)
        return configuration
    }

    /// Faults begin when a healthy mesh must have formed.
    package var warmUntil: VirtualTime {
        .zero + (self.start == .converged ? .seconds(1) : self.profile.configuration.probeInterval * 20)
    }

    /// The quiet at the end: two push/pull intervals, the promise for a healed partition, after which all must agree.
    package var healAt: VirtualTime {
        max(self.warmUntil, .zero + (self.duration - self.profile.configuration.pushPullInterval * 2))
    }

    package static func durationMin(_ profile: Profile, start: Start) -> Duration {
        var scenario = Scenario()
        scenario.profile = profile
        scenario.start = start
        return (scenario.warmUntil - .zero) + profile.configuration.pushPullInterval * 2 + .seconds(1)
    }
}
