internal import Glibc
package import MeshCore

/// The runtime's limits. Every queue ends somewhere; these say where.
package struct RuntimeConfiguration: Sendable {
    /// Messages that wait for one built-in actor; a definition says its own.
    package var mailboxLimit = ActorDefinition.mailboxLimitDefault
    /// Actors with waiting messages or an activation.
    package var actorsMax = 100_000
    /// Messages that wait on this node, whatever the mailboxes allow.
    package var messagesMax = 1_000_000
    /// Live activations, of which at most `workersMax` have a handler outside the daemon (a process each).
    package var activationsMax = 10_000
    package var workersMax = 256
    /// Memory for waiting messages; those beyond are read back from disk when their turn comes.
    package var hotBytesMax = 32 << 20
    /// Messages on their way to the disk.
    package var unsyncedBytesMax = 64 << 20
    /// Turns of one activation whose commits are on their way to the disk.
    package var unsyncedTurnsMax = 64
    /// Sends, calls and queries that wait for an answer.
    package var requestsMax = 100_000
    /// An activation without messages ends after this.
    package var idleAfter: Duration = .seconds(300)
    /// What becomes of a message whose turn failed, where its definition does not say.
    package var retry = RetryPolicy.standard
    /// Dead letters kept; the oldest give way.
    package var deadLettersMax = 1000
    package var deadLetterBytesMax = 64 << 20
    /// Between starts of a handler that cannot be started; doubles from the first to the last.
    package var backoff: ClosedRange<Duration> = .milliseconds(200) ... .seconds(30)
    package var idempotencyKeysMax = 100_000
    package var idempotencyRetention: Duration = .seconds(24 * 3600)
    /// A longer reply is not kept for its idempotency key.
    package var keptReplyBytesMax = 4096
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
