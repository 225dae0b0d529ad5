package import MeshCore

/// The monotonic clock of one node: it starts anywhere and runs a little fast or slow.
///
/// The rate is a fixed-point factor, so that both directions are exact integer arithmetic and the clock never goes
/// back: a float would make the trace depend on the machine.
package struct NodeClock: Sendable {
    /// Nanoseconds of this clock in 2^32 true nanoseconds.
    private let rate: UInt64
    private let offset: UInt64

    /// - Parameter drift: in parts per million; positive runs fast.
    package init(offset: Duration = .zero, drift: Int = 0) {
        precondition((-500_000...500_000).contains(drift), "a drift of \(drift) ppm")
        self.offset = UInt64(max(0, offset.nanoseconds))
        self.rate = UInt64((Int64(1) << 32) + (Int64(drift) << 32) / 1_000_000)
    }

    package func reading(at time: VirtualTime) -> Instant {
        let (high, low) = time.nanoseconds.multipliedFullWidth(by: self.rate)
        return Instant(nanoseconds: self.offset &+ (high << 32 | low >> 32))
    }

    /// The first true moment at which this clock reads at least `instant`.
    package func time(of instant: Instant) -> VirtualTime {
        guard instant != .distantFuture else { return .distantFuture }
        guard instant.nanoseconds > self.offset else { return .zero }
        let elapsed = instant.nanoseconds - self.offset
        guard elapsed >> 32 < self.rate else { return .distantFuture }
        let (quotient, remainder) = self.rate.dividingFullWidth((elapsed >> 32, elapsed << 32))
        return VirtualTime(nanoseconds: remainder == 0 ? quotient : quotient + 1)
    }
}
