/// Lets through one at a time, a `pause` apart, and at most `burst` at once after a silence.
package struct RateLimit: Sendable {
    private let pause: Duration
    private let credit: Duration
    private var paidUntil = Instant(nanoseconds: 0)

    package init(pause: Duration, burst: Int) {
        self.pause = pause
        self.credit = pause * burst
    }

    package mutating func allows(at now: Instant) -> Bool {
        let next = max(self.paidUntil, now) + self.pause
        guard next - now <= self.credit else { return false }
        self.paidUntil = next
        return true
    }

    /// It would let the whole burst through again.
    package func isRested(at now: Instant) -> Bool { self.paidUntil <= now }
}
