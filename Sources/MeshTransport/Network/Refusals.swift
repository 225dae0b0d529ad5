package import Logging
package import MeshCore
internal import Metrics
internal import Synchronization

/// Why something from outside was turned away.
package enum Refusal: Hashable, Sendable {
    case datagram(DatagramRefusal)
    case membership(Membership.RefusalReason)
    case stream(StreamRefusal)

    /// Stable: a metric's label and a key of `status`.
    var label: String {
        switch self {
        case .datagram(let reason): "datagram." + reason.rawValue
        case .membership(let reason): "membership." + reason.rawValue
        case .stream(let reason): "stream." + reason.rawValue
        }
    }
}

/// Counts refusals by reason and lets each reason speak at most once a second: a flood must not fill the disk.
package final class Refusals: Sendable {
    private struct State {
        package var counts: [Refusal: (count: UInt64, counter: Counter)] = [:]
        var limiter = LogLimiter<Refusal>(interval: .seconds(1))
    }

    private let state = Mutex(State())
    private let logger: Logger

    package init(logger: Logger) { self.logger = logger }

    package func count(_ refusal: Refusal, at now: Instant, _ source: @autoclosure () -> String) {
        let suppressed = self.state.withLock { state in
            var entry =
                state.counts[refusal] ?? (
                    0, Counter(label: "meshnode_refused_total", dimensions: [("reason", refusal.label)])
                )
            entry.count += 1
            entry.counter.increment()
            state.counts[refusal] = entry
            return state.limiter.admit(refusal, at: now)
        }
        guard let suppressed else { return }
        self.logger.warning(
            "refused what came from outside",
            metadata: [
                "reason": "\(refusal.label)", "from": "\(source())", "not_logged_before": "\(suppressed)",
            ])
    }

    package var counts: [String: UInt64] {
        self.state.withLock { state in
            Dictionary(uniqueKeysWithValues: state.counts.map { ($0.key.label, $0.value.count) })
        }
    }
}

/// Lets one line per interval through for each subject, and says how many it held back since the last.
package struct LogLimiter<Subject: Hashable & Sendable>: Sendable {
    private let interval: Duration
    private var entries: [Subject: (next: Instant, suppressed: UInt64)] = [:]

    package init(interval: Duration) { self.interval = interval }

    package mutating func admit(_ subject: Subject, at now: Instant) -> UInt64? {
        let entry = self.entries[subject] ?? (next: now, suppressed: 0)
        guard now >= entry.next else {
            self.entries[subject] = (entry.next, entry.suppressed + 1)
            return nil
        }
        self.entries[subject] = (now + self.interval, 0)
        return entry.suppressed
    }
}
