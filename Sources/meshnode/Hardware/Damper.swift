internal import MeshCore

/// Decides which facts are told, and which stay as they were told last: what a member says goes to every other member,
/// so a number that trembles must not be told at every tremor.
struct Damper: Sendable {
    /// A number that moves all the time is told once in so long, and
    static let intervalMin = Duration.seconds(10)
    /// in a large mesh so much less often that all members together tell ten changes of one kind a second.
    static let intervalPerMember = Duration.milliseconds(100)

    private struct Told {
        var fact: Fact
        var at: Instant
    }

    private var told: [String: Told] = [:]

    init() {}

    /// As they are to be advertised, in the order of `facts`; what is not among those any more is forgotten.
    mutating func settle(_ facts: [Fact], members: Int, at now: Instant) -> [Label] {
        let interval = max(Self.intervalMin, Self.intervalPerMember * members)
        var next: [String: Told] = [:]
        for fact in facts {
            if let last = self.told[fact.key], !isWorthTelling(fact, after: last.fact, pause: now - last.at, interval) {
                next[fact.key] = last
            } else {
                next[fact.key] = Told(fact: fact, at: now)
            }
        }
        self.told = next
        return facts.compactMap { next[$0.key]?.fact.label }
    }
}

private func isWorthTelling(_ fact: Fact, after last: Fact, pause: Duration, _ interval: Duration) -> Bool {
    guard let (number, step) = fact.movement, let (before, _) = last.movement else { return fact != last }
    return abs(number - before) >= step && pause >= interval
}

/// The mean of the last readings: how busy a GPU was in one short moment says little about the next.
struct Smoother: Sendable {
    /// One minute of readings.
    static let readingsMax = 12

    private var readings: [Int: [Int]] = [:]

    init() {}

    mutating func smooth(_ reading: GPUReading) -> GPUReading {
        var reading = reading
        var next: [Int: [Int]] = [:]
        for place in reading.devices.indices {
            let device = reading.devices[place]
            guard let percent = device.utilization else { continue }
            let recent = (self.readings[device.index, default: []] + [percent]).suffix(Self.readingsMax)
            next[device.index] = Array(recent)
            reading.devices[place].utilization = recent.reduce(0, +) / recent.count
        }
        self.readings = next
        return reading
    }
}
