/// Words to a requirement, by recursive descent:
///
///     any        = all { "||" all }
///     all        = unary { "&&" unary }
///     unary      = "!" unary | "(" any ")" | "has" "(" subject ")" | "model" "(" text ")" | condition
///     condition  = subject relation value | subject "in" "[" value { "," value } "]"
///     subject    = name | "label" "(" text ")" | "capability" "(" text ")"
///     value      = text | number with its unit
struct RequirementParser {
    private static let words = ["has", "model", "label", "capability"]

    private let lexer: RequirementLexer
    private let tokens: [RequirementToken]
    private var position = 0
    private var depth = 0

    init(_ text: String) throws(RequirementError) {
        self.lexer = RequirementLexer(text)
        self.tokens = try RequirementLexer.tokens(of: text)
    }

    mutating func requirement() throws(RequirementError) -> Requirement {
        let requirement = try self.any()
        switch self.token.kind {
        case .end: return requirement
        case .close: throw self.unexpected("this parenthesis closes nothing", hint: "remove it")
        default: throw self.unexpected("&& or || is missing before \(self.shown)", hint: self.spelledOut)
        }
    }

    private mutating func any() throws(RequirementError) -> Requirement {
        var parts = [try self.all()]
        while self.take(.or) { parts.append(try self.all()) }
        return .disjunction(parts)
    }

    private mutating func all() throws(RequirementError) -> Requirement {
        var parts = [try self.unary()]
        while self.take(.and) { parts.append(try self.unary()) }
        return .conjunction(parts)
    }

    private mutating func unary() throws(RequirementError) -> Requirement {
        let start = self.token.range
        switch self.token.kind {
        case .not:
            var isNegated = false
            while self.take(.not) { isNegated.toggle() }
            // What stands in parentheses counts for itself; so text and its canonical form are equally deep.
            let inner =
                self.token.kind == .open
                ? try self.unary()
                : try self.nested(at: start) { parser throws(RequirementError) in try parser.unary() }
            return isNegated ? inner.negated : inner
        case .open:
            self.position += 1
            return try self.nested(at: start) { parser throws(RequirementError) in
                let inner = try parser.any()
                guard parser.take(.close) else {
                    throw parser.unexpected("a ) is missing before \(parser.shown)", hint: parser.spelledOut)
                }
                return inner
            }
        case .name("has"):
            return .isAdvertised(try self.argument { parser throws(RequirementError) in try parser.subject() })
        case .name("model"):
            return .serves(
                model: try self.argument { parser throws(RequirementError) in try parser.quotedText("a model") })
        default: return try self.condition()
        }
    }

    private mutating func condition() throws(RequirementError) -> Requirement {
        let subject = try self.subject()
        if self.take(.name("in")) { return .isOneOf(subject, try self.values(for: subject)) }
        guard case .relation(let relation) = self.token.kind else {
            throw self.unexpected(
                "a comparison is missing after \(subject)",
                hint: "write \(subject) == …, or has(\(subject)) to ask whether it is advertised at all")
        }
        let place = self.token.range
        self.position += 1
        let value = try self.value(for: subject)
        if case .text = value, relation != .equal, relation != .notEqual {
            throw self.lexer.error(
                .wrongKind, "texts have no order, so \(relation.rawValue) compares nothing", hint: "write == or !=",
                at: place)
        }
        return relation == .notEqual
            ? .not(.comparison(subject, .equal, value)) : .comparison(subject, relation, value)
    }

    private mutating func subject() throws(RequirementError) -> Subject {
        guard case .name(let name) = self.token.kind else {
            throw self.unexpected("a name is missing before \(self.shown)", hint: self.mendOfMissingName)
        }
        switch name {
        case "label":
            return .label(try self.argument { parser throws(RequirementError) in try parser.quotedText("a label") })
        case "capability":
            let key = try self.argument { parser throws(RequirementError) in try parser.quotedText("a capability") }
            switch Subject(name: key) {
            case .some(.capability(key)), .some(.device): return Subject(name: key) ?? .capability(key)
            default: return .capability(key)
            }
        default:
            guard let subject = Subject(name: name) else { throw self.unknown(name) }
            self.position += 1
            return subject
        }
    }

    private mutating func values(for subject: Subject) throws(RequirementError) -> [Requirement.Value] {
        guard self.take(.openList) else {
            throw self.unexpected("a list is missing before \(self.shown)", hint: "write \(subject) in [\"…\", \"…\"]")
        }
        var values: [Requirement.Value] = []
        repeat { values.append(try self.value(for: subject)) } while self.take(.comma)
        guard self.take(.closeList) else { throw self.unexpected("a ] is missing before \(self.shown)") }
        return values
    }

    // MARK: Parts

    private mutating func argument<Value>(
        _ read: (inout Self) throws(RequirementError) -> Value
    ) throws(RequirementError) -> Value {
        guard case .name(let function) = self.token.kind else { preconditionFailure("not a call: \(self.token)") }
        self.position += 1
        guard self.take(.open) else {
            throw self.unexpected(
                "a ( is missing after \(function)",
                hint: "write \(function)(\(function == "has" ? "gpu.model" : "\"…\""))")
        }
        let value = try read(&self)
        guard self.take(.close) else { throw self.unexpected("a ) is missing before \(self.shown)") }
        return value
    }

    private mutating func quotedText(_ what: String) throws(RequirementError) -> String {
        guard case .text(let text) = self.token.kind else {
            throw self.unexpected(
                "the name of \(what) is missing before \(self.shown)", hint: "write it in double quotes")
        }
        guard !text.isEmpty else { throw self.unexpected("the name of \(what) is empty") }
        self.position += 1
        return text
    }

    private mutating func nested(
        at place: Range<Int>, _ read: (inout Self) throws(RequirementError) -> Requirement
    ) throws(RequirementError) -> Requirement {
        self.depth += 1
        guard self.depth <= Requirement.depthMax else {
            throw self.lexer.error(.tooDeep, "nested deeper than \(Requirement.depthMax)", at: place)
        }
        defer { self.depth -= 1 }
        return try read(&self)
    }

    private var token: RequirementToken { self.tokens[self.position] }

    private mutating func take(_ kind: RequirementToken.Kind) -> Bool {
        guard self.token.kind == kind else { return false }
        self.position += 1
        return true
    }
}

extension RequirementParser {
    private mutating func value(for subject: Subject) throws(RequirementError) -> Requirement.Value {
        let token = self.token
        let value: Requirement.Value
        switch (token.kind, subject.kind) {
        case (.text(let text), .text), (.text(let text), .open): value = .text(text)
        case (.text(let text), .version):
            guard let version = DottedVersion(text) else {
                throw self.wrongKind(
                    "\(subject) is a version, such as 12.4", hint: "write numbers with dots between them")
            }
            value = .version(version)
        case (.number(let text), .version):
            guard let version = DottedVersion(text) else {
                throw self.wrongKind(
                    "\(subject) is a version, such as 12.4", hint: "write numbers with dots between them")
            }
            value = .version(version)
        case (.number(let text), .open): value = .quantity(try self.quantity(text, of: nil))
        case (.number(let text), .quantity(let unit)):
            let quantity = try self.quantity(text, of: unit)
            guard quantity.unit == unit else {
                let (kind, example) = unit.explained
                throw self.wrongKind("\(subject) is \(kind), and \(text) is none", hint: "write it such as \(example)")
            }
            value = .quantity(quantity)
        case (.text, .quantity(let unit)):
            let (kind, example) = unit.explained
            throw self.wrongKind(
                "\(subject) is \(kind), not a text", hint: "write it without quotes, such as \(example)")
        case (.number(let text), .text):
            throw self.wrongKind("\(subject) is a text", hint: "write \"\(text)\" in quotes")
        default: throw self.unexpected("a value is missing before \(self.shown)", hint: self.mendOfMissingValue)
        }
        self.position += 1
        return value
    }

    private func quantity(_ text: String, of unit: Quantity.Unit?) throws(RequirementError) -> Quantity {
        func fail(_ message: String, hint: String = "") -> RequirementError {
            self.lexer.error(.invalidNumber, message, hint: hint, at: self.token.range)
        }
        do { return try Quantity(text) } catch {
            switch error {
            case .notANumber: throw fail("\(text) is not a number", hint: "write it such as 24GiB, 12.5% or 1.5")
            case .unknownUnit(let suffix):
                let known = Quantity.suffixes(of: unit)
                let guess =
                    known.first { $0.lowercased() == suffix.lowercased() } ?? nearest(to: suffix, among: known)
                let list =
                    known.isEmpty ? "write it such as 8 or 1.5" : "units here are \(known.joined(separator: " "))"
                throw fail("\(suffix) is no unit", hint: guess.map { "did you mean '\($0)'?" } ?? list)
            case .notExact: throw fail("\(text) is not exact", hint: "use at most six decimals, and whole bytes")
            case .tooLarge: throw fail("\(text) is too large")
            }
        }
    }

    // MARK: What is wrong

    fileprivate func tooLong(_ count: Int) -> RequirementError {
        self.lexer.error(.tooLong, "written out it has \(count) bytes of at most \(Requirement.bytesMax)", at: 0..<1)
    }

    private func unexpected(_ message: String, hint: String = "") -> RequirementError {
        self.lexer.error(.unexpected, message, hint: hint, at: self.token.range)
    }

    private func wrongKind(_ message: String, hint: String) -> RequirementError {
        self.lexer.error(.wrongKind, message, hint: hint, at: self.token.range)
    }

    private func unknown(_ name: String) -> RequirementError {
        let hint: String
        if let spelled = Self.operatorWords[name.lowercased()] {
            hint = "write \(spelled)"
        } else if let guess = nearest(to: name, among: Subject.names + Self.words) {
            hint = "did you mean '\(guess)'?"
        } else {
            hint =
                "a node's own are capability(\"\(name)\") and label(\"\(name)\"); known: \(Subject.names.joined(separator: ", "))"
        }
        return self.lexer.error(.unknownName, "unknown name '\(name.prefix(64))'", hint: hint, at: self.token.range)
    }

    private static let operatorWords = ["and": "&&", "or": "||", "not": "!"]

    private var spelledOut: String {
        guard case .name(let name) = self.token.kind, let word = Self.operatorWords[name.lowercased()] else {
            return ""
        }
        return "write \(word)"
    }

    private var mendOfMissingName: String {
        switch self.token.kind {
        case .text, .number: "the name stands on the left, the value on the right"
        default: "a condition is such as gpu.memory.free >= 24GiB"
        }
    }

    private var mendOfMissingValue: String {
        switch self.token.kind {
        case .name(let name): "texts stand in double quotes: \"\(name.prefix(64))\""
        default: ""
        }
    }

    /// The word at hand, for messages.
    private var shown: String {
        switch self.token.kind {
        case .name(let name): "'\(name.prefix(64))'"
        case .text(let text): quoted(String(text.prefix(64)))
        case .number(let text): text
        case .relation(let relation): relation.rawValue
        case .and: "&&"
        case .or: "||"
        case .not: "!"
        case .open: "("
        case .close: ")"
        case .openList: "["
        case .closeList: "]"
        case .comma: "a comma"
        case .end: "the end"
        }
    }
}

extension Requirement {
    package init(parsing text: String) throws(RequirementError) {
        var parser = try RequirementParser(text)
        self = try parser.requirement()
        // It travels in its canonical form, where every space and parenthesis is written.
        let count = self.description.utf8.count
        guard count <= Self.bytesMax else { throw parser.tooLong(count) }
    }
}
