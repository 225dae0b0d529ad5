internal import MeshCore

/// At most one leader per term (Election Safety); a replica votes once per term, never from a log that is not whole, and
/// never goes back to an earlier term, not over a restart either.
struct ElectionSafety: Sendable {
    static let name = "one leader per term"
    static let voteName = "one vote per term"
    static let termsName = "terms never go back"
    static let wholeName = "no vote from a log that is not whole"

    private struct Ballot: Hashable, Sendable {
        var voter: ReplicaID
        var term: Term
    }

    private struct Question: Hashable, Sendable {
        var candidate: ReplicaID
        var round: UInt64
        var node: NodeID
    }

    /// How the voter was when it was asked; its answer may wait for a write.
    private struct Asked: Sendable {
        var voter: ReplicaID
        var isWhole: Bool
    }

    private var leaders: [Term: ReplicaID] = [:]
    private var ballots: [Ballot: ReplicaID] = [:]
    private var questions: [Question: Asked] = [:]
    private var terms: [ReplicaID: Term] = [:]

    mutating func asked(_ request: VoteRequest, _ message: RaftMessage, of raft: Raft?, mayBeShort: Bool) {
        guard !request.isPreVote, let raft else { return }
        let question = Question(candidate: message.from, round: request.round, node: message.to.node)
        let isShort = mayBeShort && raft.shortfall != nil && request.vouchedLife == 0
        self.questions[question] = Asked(voter: message.to, isWhole: !isShort)
    }

    func isWhole(_ response: VoteResponse, _ message: RaftMessage) -> String? {
        let question = Question(candidate: message.to, round: response.round, node: message.from.node)
        guard self.questions[question]?.isWhole == false else { return nil }
        return "\(message.from) granted a vote in term \(response.term)"
    }

    /// A vote belongs to the replica that was asked, whoever answers.
    mutating func granted(_ response: VoteResponse, _ message: RaftMessage) -> String? {
        let question = Question(candidate: message.to, round: response.round, node: message.from.node)
        let voter = self.questions[question]?.voter ?? message.from
        let ballot = Ballot(voter: voter, term: response.term)
        if let other = self.ballots[ballot], other != message.to {
            return "voted for \(other) and for \(message.to) in term \(response.term)"
        }
        self.ballots[ballot] = message.to
        return nil
    }

    mutating func elected(_ id: ReplicaID, in term: Term) -> String? {
        if let other = self.leaders[term], other != id { return "\(other) and \(id) lead in term \(term)" }
        self.leaders[term] = id
        let ballot = Ballot(voter: id, term: term)
        if let other = self.ballots[ballot], other != id { return "\(id) leads in term \(term) and voted for \(other)" }
        self.ballots[ballot] = id
        return nil
    }

    mutating func sent(_ message: RaftMessage) {
        self.terms[message.from] = max(self.terms[message.from] ?? 0, message.term)
    }

    func started(_ id: ReplicaID, in term: Term) -> String? {
        guard let known = self.terms[id], known > term else { return nil }
        return "\(id) starts in term \(term) and has spoken in term \(known)"
    }
}

extension RaftMessage {
    /// The vote, if this grants one.
    var grant: VoteResponse? {
        guard case .voteResponse(let response) = self.body, response.isGranted, !response.isPreVote else { return nil }
        return response
    }
}
