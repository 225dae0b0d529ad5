/// A point on the monotonic clock of one node, in nanoseconds since an origin that only that node knows.
///
/// Core types never read a clock: the driver passes the instant in, so the simulator can pass any other.
package struct Instant: Hashable, Comparable, Sendable {
    package var nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package static let distantFuture = Instant(nanoseconds: .max)

    package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturates at both ends: a deadline far away stays far away.
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let offset = duration.nanoseconds
        if offset < 0 {
            let (value, overflow) = instant.nanoseconds.subtractingReportingOverflow(offset.magnitude)
            return Instant(nanoseconds: overflow ? 0 : value)
        }
        let (value, overflow) = instant.nanoseconds.addingReportingOverflow(UInt64(offset))
        return Instant(nanoseconds: overflow ? .max : value)
    }

    package static func - (left: Instant, right: Instant) -> Duration {
        left >= right
            ? .nanoseconds(Int64(clamping: left.nanoseconds - right.nanoseconds))
            : .nanoseconds(-Int64(clamping: right.nanoseconds - left.nanoseconds))
    }
}

extension Duration {
    /// Whole nanoseconds, clamped to what 64 bits hold (292 years).
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        return scaled.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }

    /// Seconds as a number for people and metrics; decides nothing.
    package var inSeconds: Double { Double(self.nanoseconds) / 1e9 }
}
