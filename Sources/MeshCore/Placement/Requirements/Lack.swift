/// Why a member does not fulfil a requirement: "gpu.memory.free is 11.2GiB, at least 24GiB needed".
package indirect enum Lack: Hashable, Sendable {
    /// What the member advertises instead.
    package struct Found: Hashable, Sendable {
        var text: String
        /// If it is an amount.
        var quantity: Quantity?

        init(_ found: MemberFacts.Found) {
            switch found {
            case .text(let text):
                self.text = text
                self.quantity = try? Quantity(text)
            case .quantity(let quantity):
                self.text = quantity.description
                self.quantity = quantity
            }
        }
    }

    /// A single condition that is false, or true where `wanted` is false. `found` is nil if nothing is advertised.
    case unmet(Requirement, wanted: Bool, found: Found?)
    /// Alternatives, each with what it lacks.
    case noneOf([[Lack]])

    /// How far an amount is from the one that is needed; nil for what has no distance.
    fileprivate var distance: UInt64? {
        guard case .unmet(.comparison(_, _, .quantity(let wanted)), _, let found?) = self,
            let quantity = found.quantity, quantity.unit == wanted.unit
        else { return nil }
        return (quantity.steps - wanted.steps).magnitude
    }
}

extension Verdict {
    /// Fewer things missing, or the same ones by less.
    func isNearer(than other: Verdict) -> Bool {
        guard self.lacks.count == other.lacks.count else {
            return self.lacks.count < other.lacks.count
        }
        return self.lacks.map { $0.distance ?? .max }
            .lexicographicallyPrecedes(other.lacks.map { $0.distance ?? .max })
    }

    /// For a person: everything that is missing, cut off where it gets too long.
    package var explanation: String {
        let text = self.lacks.map(\.description).joined(separator: "; ")
        return text.utf8.count <= Self.explanationMax ? text : String(text.prefix(Self.explanationMax)) + "…"
    }

    private static let explanationMax = 512
}

extension Lack: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noneOf(let alternatives):
            return "neither: "
                + alternatives.map { $0.map(\.description).joined(separator: " and ") }
                .joined(separator: "; nor: ")
        case .unmet(let condition, let wanted, let found): return Self.sentence(condition, wanted: wanted, found: found)
        }
    }

    private static func sentence(_ condition: Requirement, wanted: Bool, found: Found?) -> String {
        switch condition {
        case .comparison(let subject, let relation, let value):
            let needed = "\(wanted ? relation.words : "not " + relation.words)\(value.shown) needed"
            return "\(subject) is \(Self.shown(found, beside: value)), \(needed)"
        case .isOneOf(let subject, let values):
            let list = values.map(\.shown).joined(separator: ", ")
            return
                "\(subject) is \(Self.shown(found, beside: values.first)), \(wanted ? "one" : "none") of \(list) needed"
        case .isAdvertised(let subject): return "\(subject) is \(wanted ? "not " : "")advertised"
        case .serves(let model):
            let others = found.map { ", only \(quoted($0.text))" } ?? ""
            return wanted ? "model \(quoted(model)) is not served\(others)" : "model \(quoted(model)) is served"
        case .not, .all, .any: preconditionFailure("a lack is of one condition, not of \(condition)")
        }
    }

    private static func shown(_ found: Found?, beside value: Requirement.Value?) -> String {
        guard let found else { return "not advertised" }
        if case .quantity(let wanted) = value {
            if let quantity = found.quantity, quantity.unit == wanted.unit { return quantity.rounded }
            return "\(quoted(found.text)), which is not \(wanted.unit.explained.kind)"
        }
        return quoted(found.text)
    }
}

extension Requirement.Relation {
    fileprivate var words: String {
        switch self {
        case .equal: ""
        case .notEqual: "other than "
        case .less: "less than "
        case .lessOrEqual: "at most "
        case .greater: "more than "
        case .greaterOrEqual: "at least "
        }
    }
}

extension Requirement.Value {
    /// In a sentence.
    fileprivate var shown: String {
        switch self {
        case .text(let text): quoted(text)
        case .quantity(let quantity): quantity.description
        case .version(let version): version.description
        }
    }
}
