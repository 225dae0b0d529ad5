/// What becomes of a message whose turn failed: the first rule that matches the failure decides, and behind the rules of
/// a definition stand those of `standard`.
///
/// An error that a handler answers, and that no rule names, is no failure: it is the answer.
package struct RetryPolicy: Hashable, Sendable {
    package struct Rule: Hashable, Sendable {
        /// That it matches; none are all.
        package var failures: [FailureType]
        /// How often a message is tried, the first time included.
        package var attemptsMax: Int
        package var backoff: Backoff

        package init(_ failures: [FailureType] = [], attemptsMax: Int, backoff: Backoff) {
            self.failures = failures
            self.attemptsMax = attemptsMax
            self.backoff = backoff
        }

        func matches(_ failure: FailureType) -> Bool { self.failures.isEmpty || self.failures.contains(failure) }
    }

    package enum Decision: Hashable, Sendable {
        case retry(after: Duration)
        /// The next message of its actor is not to be tried before the pause is over.
        case deadLetter(pause: Duration)
        /// The failure is the message's answer.
        case answer

        /// How long its actor is left alone.
        package var pause: Duration {
            switch self {
            case .retry(let pause), .deadLetter(let pause): pause
            case .answer: .zero
            }
        }
    }

    package static let rulesMax = 16
    package static let failuresMax = 32
    package static let attempts = 1...1000

    /// A host may die of what it is given to do: a message that was granted so often and whose turn was never applied is a
    /// dead letter whatever the rules say, so that it cannot take the mesh with it.
    package static let grantsWithoutTurnMax = 3

    package static let standard = RetryPolicy([
        Rule(
            [.crashed, .timeout, .hostLost], attemptsMax: 5,
            backoff: Backoff(.exponential(thousandths: 2000), first: .milliseconds(200), max: .seconds(30)))
    ])

    package var rules: [Rule]

    package init(_ rules: [Rule]) { self.rules = rules }

    /// After a message's failed attempt number `attempt`, counted from 1. Draws from `random` for the jitter alone, so
    /// the result is to be recorded and not to be computed again.
    ///
    /// `series` is how often in a row its actor failed, on whatever message: a handler that is broken must not be tried
    /// with the next message as if nothing had happened.
    package func decide(
        _ failure: FailureType, attempt: Int, series: Int = 0, random: inout RandomSource
    ) -> Decision {
        guard let rule = self.rule(for: failure) else { return .answer }
        let wait = rule.backoff.wait(afterFailure: max(attempt, series), random: &random)
        return attempt < rule.attemptsMax ? .retry(after: wait) : .deadLetter(pause: wait)
    }

    package func rule(for failure: FailureType) -> Rule? {
        self.rules.first { $0.matches(failure) } ?? Self.standard.rules.first { $0.matches(failure) }
    }

    /// No message waits longer for its next attempt.
    package var longestWait: Duration {
        // What stands behind a rule for everything never decides.
        let last = self.rules.firstIndex { $0.failures.isEmpty }
        let deciding = last.map { Array(self.rules[...$0]) } ?? self.rules + Self.standard.rules
        return deciding.reduce(.zero) { max($0, $1.backoff.max) }
    }

    /// What is wrong with it, if anything.
    package var complaint: String? {
        guard 1...Self.rulesMax ~= self.rules.count else { return "retry has 1 to \(Self.rulesMax) rules" }
        for rule in self.rules {
            guard rule.failures.count <= Self.failuresMax, rule.failures.allSatisfy(\.isNameable) else {
                return
                    "a rule of retry names up to \(Self.failuresMax) errors of up to \(FailureType.nameBytesMax) bytes"
            }
            guard Self.attempts.contains(rule.attemptsMax) else {
                return "attempts are \(Self.attempts.lowerBound) to \(Self.attempts.upperBound)"
            }
            if let complaint = rule.backoff.complaint { return "retry: \(complaint)" }
        }
        return nil
    }
}

// In a definition: rules u8; for each: errors u8 and text8 each, attempts u16, growth u8 (0 constant, 1 linear,
// 2 exponential), first and longest wait in milliseconds u64, factor in thousandths u16 (0 without one), jitter u8.

extension WireWriter {
    /// The policy has no complaint.
    package mutating func write(_ policy: RetryPolicy) {
        self.write(UInt8(policy.rules.count))
        for rule in policy.rules {
            self.write(UInt8(rule.failures.count))
            for failure in rule.failures { self.write(shortText: failure.description) }
            self.write(UInt16(rule.attemptsMax))
            let (growth, factor): (UInt8, Int) =
                switch rule.backoff.growth {
                case .constant: (0, 0)
                case .linear: (1, 0)
                case .exponential(let thousandths): (2, thousandths)
                }
            self.write(growth)
            self.write(UInt64(rule.backoff.first.milliseconds))
            self.write(UInt64(rule.backoff.max.milliseconds))
            self.write(UInt16(factor))
            self.write(UInt8(rule.backoff.jitter))
        }
    }
}

extension WireReader {
    /// What is in it is checked where the definition is.
    package mutating func retryPolicy() throws(WireError) -> RetryPolicy {
        var policy = RetryPolicy([])
        for _ in 0..<(try self.read(UInt8.self)) {
            var failures: [FailureType] = []
            for _ in 0..<(try self.read(UInt8.self)) { failures.append(FailureType(try self.shortText())) }
            let attempts = Int(try self.read(UInt16.self))
            let place = self.offset
            let kind = try self.read(UInt8.self)
            let (first, max) = (try self.wait(), try self.wait())
            let factor = Int(try self.read(UInt16.self))
            let growth: Backoff.Growth
            switch (kind, factor) {
            case (0, 0): growth = .constant
            case (1, 0): growth = .linear
            case (2, _): growth = .exponential(thousandths: factor)
            default: throw WireError(.invalidValue, at: place)
            }
            let backoff = Backoff(growth, first: first, max: max, jitter: Int(try self.read(UInt8.self)))
            policy.rules.append(RetryPolicy.Rule(failures, attemptsMax: attempts, backoff: backoff))
        }
        return policy
    }

    /// More than a day is refused by the check; the conversion must not trap before.
    private mutating func wait() throws(WireError) -> Duration {
        .milliseconds(Int64(min(try self.read(UInt64.self), 1 << 40)))
    }
}
