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

    private var leaders: [Term: ReplicaID] = [:]
    private var ballots: [Ballot: ReplicaID] = [:]
    private var questions: [Question: (request: VoteRequest, voter: ReplicaID)] = [:]
    private var terms: [ReplicaID: Term] = [:]

    mutating func asked(_ request: VoteRequest, _ message: RaftMessage) {
        guard !request.isPreVote else { return }
        let question = Question(candidate: message.from, round: request.round, node: message.to.node)
        self.questions[question] = (request, message.to)
    }

    func request(_ response: VoteResponse, of candidate: ReplicaID) -> VoteRequest? {
        self.questions.first { $0.key.candidate == candidate && $0.key.round == response.round }?.value.request
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

    mutating func sent(_ message: RaftMessage) -> String? {
        let known = self.terms[message.from] ?? 0
        self.terms[message.from] = max(known, message.term)
        // What was held for a write may go out after a later term's first message.
        return nil
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
