/// Whether a member fulfils a requirement today, and if not, what is missing.
package struct Verdict: Hashable, Sendable {
    /// Empty if it does.
    package var lacks: [Lack]
    /// The GPU that fulfils what was said of one, or that comes nearest to it.
    package var device: Device?

    package var qualifies: Bool { self.lacks.isEmpty }
}

extension Requirement {
    /// With several GPUs, one of them must make the whole requirement true.
    package func evaluate(_ facts: MemberFacts) -> Verdict {
        guard self.speaksOfDevice, !facts.devices.isEmpty else {
            return Verdict(lacks: self.lacks(of: facts, device: nil, wanted: true), device: nil)
        }
        var best: Verdict?
        for device in facts.devices {
            let verdict = Verdict(
                lacks: self.lacks(of: facts, device: device, wanted: true), device: device)
            if verdict.qualifies { return verdict }
            if best.map({ verdict.isNearer(than: $0) }) ?? true { best = verdict }
        }
        return best ?? Verdict(lacks: [], device: nil)
    }

    /// What keeps it from being true, or from being false where that is wanted: a negation turns what is wanted of what it
    /// negates, so the reasons are always those of single conditions.
    private func lacks(of facts: MemberFacts, device: Device?, wanted: Bool) -> [Lack] {
        switch self {
        case .not(let inner): return inner.lacks(of: facts, device: device, wanted: !wanted)
        case .all(let parts) where wanted, .any(let parts) where !wanted:
            return parts.flatMap { $0.lacks(of: facts, device: device, wanted: wanted) }
        case .all(let parts), .any(let parts):
            let alternatives = parts.map { $0.lacks(of: facts, device: device, wanted: wanted) }
            return alternatives.contains { $0.isEmpty } ? [] : [.noneOf(alternatives)]
        case .comparison(let subject, let relation, let value):
            let found = facts.value(of: subject, device: device)
            let holds = found.map { value.compare($0, relation) } ?? false
            return holds == wanted ? [] : [.unmet(self, wanted: wanted, found: found.map(Lack.Found.init))]
        case .isOneOf(let subject, let values):
            let found = facts.value(of: subject, device: device)
            let holds = found.map { found in values.contains { $0.compare(found, .equal) } } ?? false
            return holds == wanted ? [] : [.unmet(self, wanted: wanted, found: found.map(Lack.Found.init))]
        case .isAdvertised(let subject):
            let found = facts.value(of: subject, device: device)
            return (found != nil) == wanted ? [] : [.unmet(self, wanted: wanted, found: found.map(Lack.Found.init))]
        case .serves(let model):
            guard facts.serves(model: model) != wanted else { return [] }
            let found = facts.value(of: .capability("model"), device: nil)
            return [.unmet(self, wanted: wanted, found: found.map(Lack.Found.init))]
        }
    }
}

extension Requirement.Value {
    /// What cannot be read as this kind of value fulfils nothing.
    fileprivate func compare(_ found: MemberFacts.Found, _ relation: Requirement.Relation) -> Bool {
        switch (self, found) {
        case (.text(let text), .text(let found)): return relation.holds(found, text)
        case (.quantity(let quantity), .quantity(let found)):
            return found.unit == quantity.unit && relation.holds(found.steps, quantity.steps)
        case (.quantity(let quantity), .text(let text)):
            guard let found = try? Quantity(text), found.unit == quantity.unit else { return false }
            return relation.holds(found.steps, quantity.steps)
        case (.version(let version), .text(let text)):
            guard let found = DottedVersion(text) else { return false }
            return relation.holds(found, version)
        case (.text, .quantity), (.version, .quantity): return false
        }
    }
}
