extension Raft: CustomStringConvertible {
    /// For people who look for what is wrong.
    package var description: String {
        var text = "\(self.id) \(self.role) in term \(self.term), log \(self.log.base)...\(self.log.last)"
        text += " durable \(self.log.durable), commit \(self.commit), applied \(self.applied)"
        if let shortfall = self.shortfall {
            text += ", short of \(shortfall.acknowledged)\(shortfall.isCaughtUp ? " (caught up)" : "")"
        }
        if let install = self.install { text += ", installing \(install.position)" }
        if self.isAsleep { text += ", asleep" }
        guard let leadership = self.leadership else { return text }
        text +=
            ", voters \(self.replicas.voters), learners \(self.replicas.learners), from \(self.history.latest.index)"
        for follower in leadership.followers {
            text += "; \(follower.id): \(follower.mode.name) match \(follower.match) next \(follower.next)"
            text += " applied \(follower.applied) in flight \(follower.inFlight.count)"
            if follower.isProbing { text += " probing" }
            if follower.isLoading { text += " loading" }
            if follower.isShort { text += " short" }
            if follower.asleepSince != nil { text += " asleep" }
        }
        if leadership.transfer != nil { text += "; handing over" }
        return text
    }
}

extension Progress.Mode {
    fileprivate var name: String {
        switch self {
        case .probe: "probe"
        case .replicate: "replicate"
        case .snapshot: "snapshot"
        }
    }
}
