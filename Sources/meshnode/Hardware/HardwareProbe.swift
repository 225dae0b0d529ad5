internal import Glibc
internal import MeshCore
internal import MeshTransport
internal import Synchronization

/// Reads the machine again and again, on a thread of its own: a file system or a driver that does not answer holds
/// nobody else up.
final class HardwareProbe: Sendable {
    /// Between readings.
    static let period = Duration.seconds(5)
    /// A reading that is older than this does not count any more.
    private static let ageMax = GPUReader.firstAnswerMax + period * 3

    struct Reading: Sendable {
        var host: HostReading
        /// nil where there is no GPU driver.
        var gpus: GPUAnswer?
        var at: Instant
    }

    private struct State {
        var reading: Reading?
        var isStopped = false
    }

    private let state = Mutex(State())
    private let started = Instant.now()
    private let dataFolder: String
    private let nvml: NVMLSetting

    init(dataFolder: String, nvml: NVMLSetting) {
        self.dataFolder = dataFolder
        self.nvml = nvml
    }

    enum Latest: Sendable {
        /// The first is still being made.
        case none
        case reading(Reading)
        /// None for so long that the machine does not answer.
        case silence
    }

    func latest(at now: Instant) -> Latest {
        let reading = self.state.withLock { $0.reading }
        guard now - (reading?.at ?? self.started) < Self.ageMax else { return .silence }
        return reading.map { .reading($0) } ?? .none
    }

    func start() {
        startThread { [self] in
            let gpus = GPUReader(self.nvml)
            while !self.state.withLock({ $0.isStopped }) {
                self.read(gpus)
                poll(nil, 0, Int32(Self.period / .milliseconds(1)))
            }
        }
    }

    /// Not waited for: the thread may be in a call that does not return, and holds nothing that anybody needs.
    func stop() { self.state.withLock { $0.isStopped = true } }

    private func read(_ gpus: GPUReader) {
        let host = HostReading(dataFolder: self.dataFolder)
        // Told before the driver is asked, which may take its time at first.
        self.state.withLock { if $0.reading == nil { $0.reading = Reading(host: host, gpus: nil, at: .now()) } }
        let answer = gpus.read()
        self.state.withLock { $0.reading = Reading(host: host, gpus: answer, at: .now()) }
    }
}
