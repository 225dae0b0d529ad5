/// One reason to place an activation on one member rather than on another.
///
/// Whatever else will count (a model already loaded, the same prefix as before) is another criterion.
package protocol PlacementCriterion: Sendable {
    /// For people, such as `load`.
    var name: String { get }
    func mark(_ candidate: Candidate) -> PlacementMark
}

/// What a criterion makes of a member.
package struct PlacementMark: Hashable, Sendable {
    package static let pointsMax = 1000

    /// 0 to `pointsMax`.
    package var points: Int
    package var because: String

    package init(_ points: Int, because: String) {
        self.points = min(max(points, 0), Self.pointsMax)
        self.because = because
    }
}

/// Criteria and how much each counts.
package struct Scoring: Sendable {
    package struct Weighted: Sendable {
        package var weight: Int
        package var criterion: any PlacementCriterion

        package init(weight: Int, _ criterion: any PlacementCriterion) {
            self.weight = weight
            self.criterion = criterion
        }
    }

    package var criteria: [Weighted]

    package init(_ criteria: [Weighted]) { self.criteria = criteria }

    /// What counts for every actor, seen from a leader in `zone`, and what its definition prefers.
    package static func standard(zone: String, prefers: [ActorPlacement.Preference] = []) -> Scoring {
        Scoring(
            [
                Weighted(weight: 100, LeastLoad()), Weighted(weight: 50, ShortRoundTrip()),
                Weighted(weight: 20, SameZone(zone: zone)),
            ] + prefers.map { Weighted(weight: $0.weight, Preferred(requirement: $0.when)) })
    }

    package func score(_ candidate: Candidate) -> Score {
        Score(
            parts: self.criteria.map { weighted in
                Score.Part(
                    criterion: weighted.criterion.name, weight: weighted.weight,
                    mark: weighted.criterion.mark(candidate))
            })
    }
}

/// A member's points with their reasons.
package struct Score: Hashable, Sendable {
    package struct Part: Hashable, Sendable {
        package var criterion: String
        package var weight: Int
        package var mark: PlacementMark

        package var points: Int { self.weight * self.mark.points }
    }

    package var parts: [Part]

    package var total: Int { self.parts.reduce(0) { $0 + $1.points } }
}

// MARK: Criteria

/// Full points at 0, half of them at `half`, none at infinity: the first steps count most.
private func falling(_ value: Int, half: Int) -> Int {
    let value = min(max(value, 0), 1 << 40)
    return PlacementMark.pointsMax * half / (half + value)
}

/// Little to do for its processors. A waiting message counts as much as a live activation: one asks for time now, the other
/// will again.
package struct LeastLoad: PlacementCriterion {
    /// At so many per processor half of the points are gone.
    private static let half = 50

    package init() {}

    package var name: String { "load" }

    package func mark(_ candidate: Candidate) -> PlacementMark {
        let load = candidate.load
        let busy = min(load.actors, 1 << 30) + min(load.waiting, 1 << 30) + min(load.granted, 1 << 30)
        let granted = load.granted == 0 ? "" : " and \(load.granted) on the way"
        return PlacementMark(
            falling(busy * 100, half: Self.half * load.cores),
            because: "\(load.actors) actors, \(load.waiting) waiting messages\(granted)")
    }
}

/// Near to the leader, which every turn commits through.
package struct ShortRoundTrip: PlacementCriterion {
    private static let halfMicroseconds = 2_000

    package init() {}

    package var name: String { "round trip" }

    package func mark(_ candidate: Candidate) -> PlacementMark {
        guard let roundTrip = candidate.facts.roundTrip else {
            return PlacementMark(PlacementMark.pointsMax / 2, because: "not measured yet")
        }
        return PlacementMark(
            falling(Int(roundTrip.nanoseconds / 1000), half: Self.halfMicroseconds),
            because: Quantity(nanoseconds: max(roundTrip.nanoseconds, 0)).rounded)
    }
}

/// In the zone of the leader.
package struct SameZone: PlacementCriterion {
    private let zone: String

    package init(zone: String) { self.zone = zone }

    package var name: String { "zone" }

    package func mark(_ candidate: Candidate) -> PlacementMark {
        let zone = candidate.facts.zone
        let isSame = zone == self.zone
        return PlacementMark(
            isSame ? PlacementMark.pointsMax : 0,
            because: zone.isEmpty ? "no zone" : isSame ? "same zone" : "in \(quoted(zone))")
    }
}

/// A preference of the definition: all points or none.
package struct Preferred: PlacementCriterion {
    private let requirement: Requirement

    package init(requirement: Requirement) { self.requirement = requirement }

    package var name: String { "prefers \(self.requirement)" }

    package func mark(_ candidate: Candidate) -> PlacementMark {
        let verdict = self.requirement.evaluate(candidate.facts)
        return verdict.qualifies
            ? PlacementMark(PlacementMark.pointsMax, because: "fulfilled")
            : PlacementMark(0, because: verdict.explanation)
    }
}
