internal import Glibc
package import MeshCore

/// The runtime's limits; those of partitions are in `LeadLimits` and `PartitionRules`.
package struct RuntimeConfiguration: Sendable {
    /// Programs that run on this node at once, a process each.
    package var workersMax = 256
    /// Sends, calls and queries that wait for an answer.
    package var requestsMax = 100_000
    /// Between starts of a handler that cannot be started; doubles from the first to the last.
    package var backoff: ClosedRange<Duration> = .milliseconds(200) ... .seconds(30)
    /// Of a call, and of waiting until a sent message is durable.
    package var timeout: Duration = .seconds(30)
    package var listingTimeout: Duration = .seconds(2)
    package var listingMax = 10_000
    /// How often the digests of others' definitions are looked at.
    package var definitionsInterval: Duration = .seconds(5)
    /// Milliseconds since 1970.
    package var wallClock: @Sendable () -> UInt64 = {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    package init() {}

    /// Both clocks of the runtime, as shards ask for them.
    package var moment: @Sendable () -> Moment {
        let wallClock = self.wallClock
        return { Moment(now: MonotonicClock.now, wall: wallClock()) }
    }

    func backoff(afterFailures failures: Int) -> Duration {
        min(self.backoff.upperBound, self.backoff.lowerBound * (1 << min(max(failures - 1, 0), 16)))
    }
}

/// The monotonic clock that the runtime's deadlines are on. It goes on while the machine sleeps.
package enum MonotonicClock {
    private static let origin = ContinuousClock.now

    package static var now: Instant {
        // The origin is made when it is first asked for: before `now` is read, lest time begin before it.
        let origin = Self.origin
        return Instant(nanoseconds: UInt64((ContinuousClock.now - origin).nanoseconds))
    }
}
