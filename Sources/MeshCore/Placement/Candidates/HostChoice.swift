/// Where an activation goes, and what was thought of every member: what `explain` shows.
package struct HostChoice: Hashable, Sendable {
    package struct Judgement: Hashable, Sendable {
        package enum Finding: Hashable, Sendable {
            case fits(Score, device: Device?)
            case lacks(Verdict)
            case barred(Candidate.Obstacle)
        }

        package var node: NodeID
        package var name: String
        package var finding: Finding
    }

    /// The chosen one first if there is one, then those that fit by score, those that lack something with the nearest
    /// first, and those that nothing may be placed on.
    package var judgements: [Judgement]

    /// The member, and the GPU there if the requirement speaks of one; nil if nobody qualifies.
    package var chosen: (node: NodeID, device: Device?)? {
        guard case .fits(_, let device)? = self.judgements.first?.finding else { return nil }
        return (self.judgements[0].node, device)
    }

    /// Filters, then scores. Of members with one score the order is as good as drawn, but for one `actor` always the
    /// same, so that actors spread and every leader would choose alike.
    package init(
        for actor: ActorPath, requires requirement: Requirement?, among candidates: [Candidate], by scoring: Scoring
    ) {
        let seed = sipHash24(actor.description.utf8, key: (0x706C_6163_656D_656E, 0x74))
        var fitting: [(score: Int, draw: UInt64, judgement: Judgement)] = []
        var lacking: [(verdict: Verdict, judgement: Judgement)] = []
        var barred: [Judgement] = []
        for candidate in candidates.sorted(by: { $0.id < $1.id }) {
            func judgement(_ finding: Judgement.Finding) -> Judgement {
                Judgement(node: candidate.id, name: candidate.facts.name, finding: finding)
            }
            if let obstacle = candidate.obstacle {
                barred.append(judgement(.barred(obstacle)))
                continue
            }
            let verdict = requirement?.evaluate(candidate.facts) ?? Verdict(lacks: [], device: nil)
            guard verdict.qualifies else {
                lacking.append((verdict, judgement(.lacks(verdict))))
                continue
            }
            let score = scoring.score(candidate)
            let draw = sipHash24(words: candidate.id.high, candidate.id.low, key: (seed, 0))
            fitting.append((score.total, draw, judgement(.fits(score, device: verdict.device))))
        }
        fitting.sort {
            ($1.score, $0.draw, $0.judgement.node) < ($0.score, $1.draw, $1.judgement.node)
        }
        lacking.sort {
            $0.verdict.isNearer(than: $1.verdict)
                || (!$1.verdict.isNearer(than: $0.verdict) && $0.judgement.node < $1.judgement.node)
        }
        self.judgements = fitting.map(\.judgement) + lacking.map(\.judgement) + barred
    }

    /// What a sender is told whose message found no host before its deadline; empty if there is one.
    package var missing: String {
        guard self.chosen == nil else { return "" }
        guard !self.judgements.isEmpty else { return "there is no member" }
        let reasons = self.judgements.prefix(Self.reasonsMax).map { judgement in
            let name = judgement.name.isEmpty ? judgement.node.short : judgement.name
            switch judgement.finding {
            case .lacks(let verdict): return "\(name): \(verdict.explanation)"
            case .barred(let obstacle): return "\(name): \(obstacle)"
            case .fits: preconditionFailure("\(name) fits and was not chosen")
            }
        }
        let rest = self.judgements.count - reasons.count
        return "no member qualifies. " + reasons.joined(separator: ". ") + (rest > 0 ? ". \(rest) more likewise" : "")
    }

    private static let reasonsMax = 3
}
