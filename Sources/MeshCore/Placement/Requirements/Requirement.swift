/// What an actor asks of the member that hosts it: `gpu.memory.free >= 24GiB && model("llama-3.1-8b")`.
///
/// Made by parsing, so names and kinds are right and it is never deep; evaluating cannot fail. What a member does not
/// advertise equals nothing and compares with nothing: every condition on it is false, and its negation true.
package indirect enum Requirement: Hashable, Sendable {
    package enum Relation: String, Sendable, CaseIterable {
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="

        /// Whether a value that stands so to another fulfils it.
        func holds<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
            switch self {
            case .equal: left == right
            case .notEqual: left != right
            case .less: left < right
            case .lessOrEqual: left <= right
            case .greater: left > right
            case .greaterOrEqual: left >= right
            }
        }
    }

    package enum Value: Hashable, Sendable {
        case text(String)
        case quantity(Quantity)
        case version(DottedVersion)
    }

    /// Never with `notEqual`: that is the negation of `equal`.
    case comparison(Subject, Relation, Value)
    case isOneOf(Subject, [Value])
    case isAdvertised(Subject)
    /// A model that the member serves.
    case serves(model: String)
    case not(Requirement)
    /// Two or more, none of which is itself `all`.
    case all([Requirement])
    /// Two or more, none of which is itself `any`.
    case any([Requirement])

    /// Longer text is refused.
    package static let bytesMax = 2048
    /// Parentheses and negations within each other.
    package static let depthMax = 32

    static func conjunction(_ parts: [Requirement]) -> Requirement {
        let flat = parts.flatMap { if case .all(let inner) = $0 { inner } else { [$0] } }
        return flat.count == 1 ? flat[0] : .all(flat)
    }

    static func disjunction(_ parts: [Requirement]) -> Requirement {
        let flat = parts.flatMap { if case .any(let inner) = $0 { inner } else { [$0] } }
        return flat.count == 1 ? flat[0] : .any(flat)
    }

    var negated: Requirement {
        if case .not(let inner) = self { inner } else { .not(self) }
    }

    /// Whether it speaks of a GPU without saying which.
    var speaksOfDevice: Bool {
        switch self {
        case .comparison(let subject, _, _), .isOneOf(let subject, _), .isAdvertised(let subject):
            if case .device = subject { true } else { false }
        case .serves: false
        case .not(let inner): inner.speaksOfDevice
        case .all(let parts), .any(let parts): parts.contains { $0.speaksOfDevice }
        }
    }
}

extension Requirement: CustomStringConvertible {
    /// Canonical text: parsed, it gives the same requirement; equal requirements have equal text.
    package var description: String {
        switch self {
        case .comparison(let subject, let relation, let value): "\(subject) \(relation.rawValue) \(value)"
        case .isOneOf(let subject, let values):
            "\(subject) in [\(values.map(\.description).joined(separator: ", "))]"
        case .isAdvertised(let subject): "has(\(subject))"
        case .serves(let model): "model(\(quoted(model)))"
        case .not(.comparison(let subject, .equal, let value)): "\(subject) != \(value)"
        case .not(let inner): inner.isCall ? "!\(inner)" : "!(\(inner))"
        case .all(let parts):
            parts.map { if case .any = $0 { "(\($0))" } else { $0.description } }.joined(separator: " && ")
        case .any(let parts): parts.map(\.description).joined(separator: " || ")
        }
    }

    private var isCall: Bool {
        switch self {
        case .isAdvertised, .serves: true
        default: false
        }
    }
}

extension Requirement.Value: CustomStringConvertible {
    package var description: String {
        switch self {
        case .text(let text): quoted(text)
        case .quantity(let quantity): quantity.description
        case .version(let version): quoted(version.description)
        }
    }
}

/// As a text is written in a requirement. Texts of members can hold anything, and what is shown must not move a cursor.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        if scalar == "\"" || scalar == "\\" { result.unicodeScalars.append("\\") }
        result.unicodeScalars.append(isControl(scalar) ? "\u{FFFD}" : scalar)
    }
    return result + "\""
}

/// Also what turns the direction of writing, and what ends a line.
func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
}
