internal import MeshCore

// `spec.retry`: what becomes of messages whose turn failed (docs/exec.md).

extension DefinitionReader {
    static func retry(_ document: Document) throws(DocumentError) -> RetryPolicy {
        guard case .sequence(let elements) = document.content, 1...RetryPolicy.rulesMax ~= elements.count else {
            throw DocumentError(
                "spec.retry is a list of 1 to \(RetryPolicy.rulesMax) rules", at: document.place,
                hint: "a rule is such as {errors: [timeout], backoff: exponential, first: 1s, attempts: 8}")
        }
        var policy = RetryPolicy([])
        for element in elements { policy.rules.append(try self.rule(element)) }
        return policy
    }

    private static func rule(_ document: Document) throws(DocumentError) -> RetryPolicy.Rule {
        let rule = try document.fields(
            of: "a rule of retry", known: ["errors", "backoff", "first", "factor", "max", "jitter", "attempts"])
        let kind = try rule.required("backoff")
        let name = try kind.string("backoff")
        let accepted = ["constant": ["first"], "linear": ["first", "max"], "exponential": ["first", "factor", "max"]]
        guard name == "never" || accepted[name] != nil else {
            throw DocumentError(
                "unknown backoff '\(name.prefix(64))'", at: kind.place,
                hint: "known: constant, linear, exponential, never")
        }
        let fitting = ["errors", "backoff"] + (accepted[name].map { $0 + ["jitter", "attempts"] } ?? [])
        for field in rule.fields where !fitting.contains(field.key) {
            throw DocumentError("the backoff \(name) has no \(field.key)", at: field.place)
        }
        let backoff = try self.backoff(name, rule)
        return RetryPolicy.Rule(
            try rule.optional("errors").map(self.failures) ?? [],
            attemptsMax: name == "never"
                ? 1 : try rule.optional("attempts")?.integer("retry.attempts", in: RetryPolicy.attempts) ?? 5,
            backoff: backoff)
    }

    private static func failures(_ document: Document) throws(DocumentError) -> [FailureType] {
        let failures = try document.strings("retry.errors").map { FailureType($0) }
        guard 1...RetryPolicy.failuresMax ~= failures.count, failures.allSatisfy(\.isNameable) else {
            throw DocumentError(
                "retry.errors is a list of 1 to \(RetryPolicy.failuresMax) names of up to "
                    + "\(FailureType.nameBytesMax) bytes, without spaces",
                at: document.place, hint: "leave it out for a rule about all errors")
        }
        return failures
    }

    private static func backoff(_ name: String, _ rule: Fields) throws(DocumentError) -> Backoff {
        let first = try rule.optional("first")?.duration("retry.first", in: Backoff.waits) ?? .milliseconds(200)
        let longest = try rule.optional("max")?.duration("retry.max", in: Backoff.waits)
        let growth: Backoff.Growth =
            switch name {
            case "linear": .linear
            case "exponential": .exponential(thousandths: try rule.optional("factor").map(self.factor) ?? 2000)
            default: .constant
            }
        if let longest, longest < first {
            throw DocumentError(
                "retry.max is shorter than retry.first", at: rule.optional("max")?.place ?? rule.place)
        }
        return Backoff(
            growth, first: first, max: longest ?? max(first, growth == .constant ? first : .seconds(30)),
            jitter: try rule.optional("jitter").map(self.jitter) ?? 0)
    }

    /// `2`, `1.5`, `1.125`: above 1 and at most 10, in thousandths.
    private static func factor(_ document: Document) throws(DocumentError) -> Int {
        let text = try document.string("retry.factor")
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? String(parts[1]) : "0"
        let padded = fraction + String(repeating: "0", count: max(0, 3 - fraction.utf8.count))
        guard text.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            !fraction.isEmpty, padded.utf8.count == 3, let whole = Int(parts[0]), let thousandths = Int(padded),
            whole <= 10, Backoff.factors.contains(whole * 1000 + thousandths)
        else {
            throw DocumentError(
                "retry.factor is a number above 1 and at most 10, with up to three decimals", at: document.place)
        }
        return whole * 1000 + thousandths
    }

    private static func jitter(_ document: Document) throws(DocumentError) -> Int {
        let text = try document.string("retry.jitter")
        guard text.hasSuffix("%"), let percent = Int(text.dropLast()), Backoff.jitters.contains(percent) else {
            throw DocumentError("retry.jitter is 0% to 100%", at: document.place)
        }
        return percent
    }
}
