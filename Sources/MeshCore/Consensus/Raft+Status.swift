/// How far a follower is, as its leader knows it.
package struct FollowerStatus: Hashable, Sendable {
    package var id: ReplicaID
    /// Its log is durable and like the leader's up to here.
    package var match: LogIndex
    package var applied: LogIndex
    package var heardAt: Instant
    /// Lacks what it once acknowledged.
    package var isShort: Bool
    /// Is sent a snapshot.
    package var isInstalling: Bool
    package var isAsleep: Bool
}

extension Raft {
    /// In ascending order of id; empty unless this replica leads.
    package var followers: [FollowerStatus] {
        (self.leadership?.followers ?? []).map { progress in
            let isInstalling = if case .snapshot = progress.mode { true } else { false }
            return FollowerStatus(
                id: progress.id, match: progress.match, applied: progress.applied, heardAt: progress.heardAt,
                isShort: progress.isShort, isInstalling: isInstalling, isAsleep: progress.asleepSince != nil)
        }
    }

    /// Leads, and has applied a no-op of its own term.
    package var isReady: Bool { self.leadership?.isReady ?? false }

    /// A learner that lacks so little that its promotion would be let through.
    package func hasCaughtUp(_ learner: ReplicaID) -> Bool {
        guard let progress = self.leadership?.followers.first(where: { $0.id == learner }) else { return false }
        return !progress.isShort && progress.match > 0
            && progress.match + self.settings.promotionGapMax >= self.log.last.index
    }
}
