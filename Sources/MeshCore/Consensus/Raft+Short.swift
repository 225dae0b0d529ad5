/// A replica whose disk holds less than it acknowledged: by its watermark, or by what a leader knows.
///
/// Raft assumes that what was fsynced stays. Where it did not, a committed entry may have one holder less than its
/// leader counted, and a vote may be forgotten. So nothing that a short replica acknowledges counts until it has caught
/// up, and it votes only when every other voter was heard after the loss (`VoteRequest.vouchedLife`): whatever was
/// committed with its help is then held by one of those, and none of them is ahead of the candidate.
extension Raft {
    /// A leader knows of `index` acknowledged in this term.
    mutating func noteAcknowledged(_ index: LogIndex, into effects: inout Effects) {
        guard index > self.log.last.index, index > (self.shortfall?.acknowledged ?? 0) else { return }
        self.shortfall = Shortfall(acknowledged: index)
        self.writeState(into: &effects)
    }

    /// The log reaches as far again as it once did, and as far as the leader has committed. While a snapshot comes in, that
    /// is further than this replica has heard.
    mutating func noteCaughtUp(into effects: inout Effects) {
        guard let shortfall = self.shortfall, !shortfall.isCaughtUp, !self.isInstalling, self.leader != nil,
            self.leader != self.id, self.log.durable >= max(shortfall.acknowledged, self.commit), self.commit > 0
        else { return }
        self.shortfall?.isCaughtUp = true
        if shortfall.hasVoted { self.shortfall = nil }
        self.writeState(into: &effects)
    }
}
