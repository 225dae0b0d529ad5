/// How long to wait before another attempt.
///
/// In whole milliseconds and thousandths, without floating point, so that whoever computes it gets the same.
package struct Backoff: Hashable, Sendable {
    package enum Growth: Hashable, Sendable {
        case constant
        /// `first`, twice `first`, three times `first`, …
        case linear
        /// Times so many thousandths from one to the next.
        case exponential(thousandths: Int)
    }

    package static let waits: ClosedRange<Duration> = .milliseconds(1) ... .seconds(24 * 3600)
    package static let factors = 1_001...10_000
    package static let jitters = 0...100

    package var growth: Growth
    package var first: Duration
    /// No wait is longer, whatever the growth says.
    package var max: Duration
    /// Percent of the wait that chance may take away: many that failed together shall not come back together.
    package var jitter: Int

    package init(_ growth: Growth, first: Duration, max: Duration, jitter: Int = 0) {
        self.growth = growth
        self.first = first
        self.max = max
        self.jitter = jitter
    }

    /// The wait after the so-manieth failure, counted from 1.
    package func wait(afterFailure number: Int, random: inout RandomSource) -> Duration {
        let full = self.full(afterFailure: Swift.max(number, 1))
        let share = full * Int64(self.jitter) / 100
        guard share > 0 else { return .milliseconds(full) }
        return .milliseconds(full - Int64.random(in: 0...share, using: &random))
    }

    private func full(afterFailure number: Int) -> Int64 {
        let (first, max) = (self.first.milliseconds, self.max.milliseconds)
        switch self.growth {
        case .constant: return Swift.min(first, max)
        case .linear:
            let (product, overflow) = first.multipliedReportingOverflow(by: Int64(number))
            return overflow ? max : Swift.min(product, max)
        case .exponential(let thousandths):
            var wait = first
            for _ in 1..<number where wait < max {
                let (product, overflow) = wait.multipliedReportingOverflow(by: Int64(thousandths))
                // At least one more each time, or a small wait would never grow.
                wait = overflow ? max : Swift.max(product / 1000, wait + 1)
            }
            return Swift.min(wait, max)
        }
    }

    /// What is wrong with it, if anything.
    var complaint: String? {
        guard Self.waits.contains(self.first), Self.waits.contains(self.max) else {
            return "a wait before another attempt is 1 ms to 24 h"
        }
        guard self.first <= self.max else { return "the first wait is longer than the longest" }
        if case .exponential(let thousandths) = self.growth, !Self.factors.contains(thousandths) {
            return "the factor is above 1 and at most 10"
        }
        return Self.jitters.contains(self.jitter) ? nil : "the jitter is 0 to 100 percent"
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 { self.nanoseconds / 1_000_000 }
}
