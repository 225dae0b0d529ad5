package import MeshCore

/// How long bytes take between two hosts when nothing is wrong.
package struct LinkModel: Sendable {
    /// Every pair has its own fixed latency in this range, the same both ways.
    package var latency: ClosedRange<Duration>
    /// Added per packet, drawn anew; one packet in 64 waits up to ten times as long (queues in switches).
    package var jitter: Duration

    package static let local = LinkModel(latency: .microseconds(20)...(.microseconds(60)), jitter: .microseconds(100))
    package static let lan = LinkModel(latency: .microseconds(100)...(.microseconds(500)), jitter: .microseconds(500))
    package static let wan = LinkModel(latency: .milliseconds(2)...(.milliseconds(120)), jitter: .milliseconds(10))

    package func latency(between one: Int, and other: Int) -> Duration {
        var pair = RandomSource(seed: UInt64(min(one, other)) << 32 | UInt64(max(one, other)))
        return pair.duration(in: self.latency)
    }

    package func delay(from: Int, to: Int, drawing random: inout RandomSource) -> Duration {
        let worst = random.below(64) == 0 ? self.jitter * 10 : self.jitter
        return self.latency(between: from, and: to) + random.duration(in: .zero...worst)
    }
}
