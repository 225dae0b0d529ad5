import MeshCore
import Testing

private func rule(_ failures: [String] = [], attempts: Int = 5, _ backoff: Backoff = second) -> RetryPolicy.Rule {
    RetryPolicy.Rule(failures.map { FailureType($0) }, attemptsMax: attempts, backoff: backoff)
}

private let second = Backoff(.constant, first: .seconds(1), max: .seconds(1))

/// The waits after the first failures.
private func waits(_ backoff: Backoff, _ count: Int = 6) -> [Duration] {
    var random = RandomSource(seed: 1)
    return (1...count).map { backoff.wait(afterFailure: $0, random: &random) }
}

@Suite("Backoff") struct BackoffTests {
    @Test("constant, linear and exponential waits grow as they are called, up to the longest") func growth() {
        let (first, max) = (Duration.milliseconds(100), Duration.milliseconds(550))
        #expect(waits(Backoff(.constant, first: first, max: max), 3) == [first, first, first])
        #expect(
            waits(Backoff(.linear, first: first, max: max), 7)
                == [100, 200, 300, 400, 500, 550, 550].map { .milliseconds($0) })
        #expect(
            waits(Backoff(.exponential(thousandths: 2000), first: first, max: max), 5)
                == [100, 200, 400, 550, 550].map { .milliseconds($0) })
        #expect(
            waits(Backoff(.exponential(thousandths: 1500), first: first, max: max), 6)
                == [100, 150, 225, 337, 505, 550].map { .milliseconds($0) })
    }

    @Test("a wait never overflows, whatever the numbers") func bounds() {
        let day = Duration.seconds(24 * 3600)
        for growth in [Backoff.Growth.linear, .exponential(thousandths: 10_000), .exponential(thousandths: 1001)] {
            var random = RandomSource(seed: 1)
            let backoff = Backoff(growth, first: .milliseconds(1), max: day, jitter: 100)
            for number in [Int.min, -1, 0, 1, 1000, 100_000_000] where number < 1001 || growth == .linear {
                #expect((.zero...day).contains(backoff.wait(afterFailure: number, random: &random)))
            }
        }
        // The smallest factor still grows.
        #expect(
            waits(Backoff(.exponential(thousandths: 1001), first: .milliseconds(1), max: day), 4).last
                == .milliseconds(4))
    }

    @Test("jitter takes away at most its share, and spreads") func jitter() {
        var random = RandomSource(seed: 7)
        let backoff = Backoff(.constant, first: .milliseconds(1000), max: .seconds(9), jitter: 20)
        let waits = (0..<1000).map { _ in backoff.wait(afterFailure: 1, random: &random) }
        #expect(waits.allSatisfy { (.milliseconds(800) ... .milliseconds(1000)).contains($0) })
        #expect(Set(waits).count > 150)
        #expect(waits.min() ?? .zero < .milliseconds(810) && waits.max() ?? .zero > .milliseconds(990))
    }
}

@Suite("Retry policies") struct RetryPolicyTests {
    private func decide(
        _ policy: RetryPolicy, _ failure: String, attempt: Int = 1, series: Int = 0
    ) -> RetryPolicy.Decision {
        var random = RandomSource(seed: 1)
        return policy.decide(FailureType(failure), attempt: attempt, series: series, random: &random)
    }

    @Test("the first rule that matches decides, and a rule without errors matches all") func firstMatch() {
        let minute = Backoff(.constant, first: .seconds(60), max: .seconds(60))
        let policy = RetryPolicy([
            rule(["busy", "timeout"]), rule(["busy"], attempts: 5, minute), rule(["bad"], attempts: 1),
            rule([], attempts: 5, minute),
        ])
        #expect(self.decide(policy, "busy") == .retry(after: .seconds(1)))
        #expect(self.decide(policy, "timeout") == .retry(after: .seconds(1)))
        #expect(self.decide(policy, "bad") == .deadLetter(pause: .seconds(1)))
        #expect(self.decide(policy, "whatever") == .retry(after: .seconds(60)))
        #expect(self.decide(policy, "crashed") == .retry(after: .seconds(60)))
    }

    @Test("attempts count the first one, and the last failure makes a dead letter") func attempts() {
        let policy = RetryPolicy([rule(["busy"], attempts: 3)])
        #expect(self.decide(policy, "busy", attempt: 2) == .retry(after: .seconds(1)))
        #expect(self.decide(policy, "busy", attempt: 3) == .deadLetter(pause: .seconds(1)))
        #expect(self.decide(policy, "busy", attempt: 4) == .deadLetter(pause: .seconds(1)))
    }

    @Test("behind the rules of a definition stand the standard ones, and an error nobody names is the answer")
    func standard() {
        let policy = RetryPolicy([rule(["busy"])])
        for policy in [policy, .standard] {
            #expect(self.decide(policy, "crashed") == .retry(after: .milliseconds(200)))
            #expect(self.decide(policy, "timeout", attempt: 4) == .retry(after: .milliseconds(1600)))
            #expect(self.decide(policy, "host_lost", attempt: 5) == .deadLetter(pause: .milliseconds(3200)))
            #expect(self.decide(policy, "no_such_document") == .answer)
        }
    }

    @Test("an actor that failed often in a row waits as long as that deserves, whichever message it is at")
    func series() {
        #expect(self.decide(.standard, "crashed", attempt: 1, series: 4) == .retry(after: .milliseconds(1600)))
        #expect(self.decide(.standard, "crashed", attempt: 1, series: 40) == .retry(after: .seconds(30)))
    }

    @Test("a policy beyond its bounds has a complaint") func complaints() {
        #expect(RetryPolicy.standard.complaint == nil)
        let backoffs = [
            Backoff(.constant, first: .zero, max: .seconds(1)), Backoff(.linear, first: .seconds(2), max: .seconds(1)),
            Backoff(.linear, first: .seconds(1), max: .seconds(90_000)),
            Backoff(.exponential(thousandths: 1000), first: .seconds(1), max: .seconds(1)),
            Backoff(.exponential(thousandths: 10_001), first: .seconds(1), max: .seconds(1)),
            Backoff(.constant, first: .seconds(1), max: .seconds(1), jitter: 101),
            Backoff(.constant, first: .seconds(1), max: .seconds(1), jitter: -1),
        ]
        var policies = backoffs.map { RetryPolicy([rule([], attempts: 5, $0)]) }
        policies += [
            RetryPolicy([]), RetryPolicy(Array(repeating: rule(), count: 17)), RetryPolicy([rule(attempts: 0)]),
            RetryPolicy([rule(attempts: 1001)]), RetryPolicy([rule([""])]), RetryPolicy([rule(["a b"])]),
            RetryPolicy([rule([String(repeating: "x", count: 65)])]),
            RetryPolicy([rule((0...32).map { "e\($0)" })]),
        ]
        for policy in policies { #expect(policy.complaint != nil, "\(policy)") }
    }
}
