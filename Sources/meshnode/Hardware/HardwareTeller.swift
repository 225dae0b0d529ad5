internal import MeshCore

/// Turns readings into what is advertised, and keeps what is wrong with them.
struct HardwareTeller: Sendable {
    private var damper = Damper()
    private var smoother = Smoother()
    private var lastReadingAt: Instant?
    private(set) var labels: [Label] = []
    /// What is not advertised though it should be, and why.
    private(set) var failures: [String: String] = [:]

    init() {}

    private init(failures: [String: String]) { self.failures = failures }

    /// Returns whether that is news.
    mutating func take(_ latest: HardwareProbe.Latest, members: Int, at now: Instant) -> Bool {
        switch latest {
        case .none: return false
        case .silence:
            defer {
                self = HardwareTeller(failures: ["hardware": "/proc or the data folder's file system does not answer"])
            }
            return !self.labels.isEmpty || self.failures.isEmpty
        case .reading(let reading):
            guard reading.at != self.lastReadingAt else { return false }
            self.lastReadingAt = reading.at
            let gpus = reading.gpus?.reading.map { self.smoother.smooth($0) }
            self.labels = self.damper.settle(reading.host.facts + (gpus?.facts ?? []), members: members, at: now)
            self.failures = reading.host.failures.merging(gpus?.failures ?? [:]) { $1 }
            if let failure = reading.gpus?.failure { self.failures["gpu"] = failure }
            return true
        }
    }

    /// What an operator said of the machine beats what was read of it.
    func labels(besides own: [Label]) -> [Label] {
        let keys = Set(own.map(\.key))
        return own + self.labels.filter { !keys.contains($0.key) }
    }
}
