package import MeshCore

/// The wires between hosts: what becomes of a datagram, and whether a stream's bytes pass.
///
/// It knows hosts by index and bytes by their count; who runs on a host is none of its business.
package struct SimulatedNetwork: Sendable {
    /// What may befall any packet. Faults raise and lower these.
    package struct Weather: Hashable, Sendable {
        package var loss = Share.none
        package var duplication = Share.none
        /// Packets that arrive up to five minutes late.
        package var lateness = Share.none
        /// Extra delay drawn per packet; more than the time between packets reorders them.
        package var extraJitter = Duration.zero

        package init() {}
    }

    /// When copies of one datagram arrive: none, one or two.
    package struct Arrivals: Sendable {
        package var first: Duration?
        package var second: Duration?
    }

    package static let lateBy: ClosedRange<Duration> = .seconds(60)...(.seconds(300))
    /// TCP's initial retransmission timeout on Linux.
    package static let retransmission = Duration.milliseconds(200)

    package var weather = Weather()
    private let link: LinkModel
    private var cuts: [Cut] = []
    private var random: RandomSource

    package init(link: LinkModel, random: RandomSource) {
        self.link = link
        self.random = random
    }

    package mutating func apply(_ cut: Cut) { self.cuts.append(cut) }
    package mutating func heal(fault: Int) { self.cuts.removeAll { $0.fault == fault } }
    package mutating func healAll() {
        self.cuts.removeAll()
        self.weather = Weather()
    }
    package var isCut: Bool { !self.cuts.isEmpty }

    package func passes(_ traffic: Cut.Traffic, from: Int, to: Int) -> Bool {
        for cut in self.cuts where cut.blocks(traffic, from: from, to: to) { return false }
        return true
    }

    package mutating func arrivals(ofDatagramFrom from: Int, to: Int) -> Arrivals {
        guard self.passes(.datagrams, from: from, to: to), !self.random.chance(self.weather.loss) else {
            return Arrivals()
        }
        let duplicated = self.random.chance(self.weather.duplication)
        return Arrivals(
            first: self.datagramDelay(from: from, to: to),
            second: duplicated ? self.datagramDelay(from: from, to: to) : nil)
    }

    /// A segment of a stream: loss costs time, never bytes.
    package mutating func streamDelay(from: Int, to: Int, bytes: Int) -> Duration {
        var delay = self.link.delay(from: from, to: to, drawing: &self.random)
        // A gigabit per second.
        delay += .nanoseconds(bytes * 8)
        var timeout = Self.retransmission
        while timeout < .seconds(4), self.random.chance(self.weather.loss) {
            delay += timeout
            timeout = timeout * 2
        }
        return delay
    }

    private mutating func datagramDelay(from: Int, to: Int) -> Duration {
        var delay = self.link.delay(from: from, to: to, drawing: &self.random)
        if self.weather.extraJitter > .zero {
            delay += self.random.duration(in: .zero...self.weather.extraJitter)
        }
        if self.random.chance(self.weather.lateness) { delay += self.random.duration(in: Self.lateBy) }
        return delay
    }
}
