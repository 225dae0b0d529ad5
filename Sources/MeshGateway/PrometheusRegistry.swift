package import Metrics
internal import Synchronization

/// The metrics of one process: a swift-metrics backend that `/metrics` reads (Prometheus text format, 0.0.4).
///
/// Counters get `_total`, timers are histograms in seconds, recorders are histograms unless they ask for no
/// aggregation, which makes them gauges. The number of series has an end: past it new ones count nothing, and
/// `meshnode_metrics_refused_series_total` says how many were refused.
package final class PrometheusRegistry: MetricsFactory {
    package static let seriesMaxDefault = 4_000
    static let labelsMax = 16
    static let labelValueBytesMax = 256

    private struct State {
        var families: [String: Family] = [:]
        var help: [String: String] = [:]
        var series = 0
        var refused: UInt64 = 0
    }

    struct Family {
        var kind: Series.Kind
        /// By rendered labels, such as `route="send",status="202"`.
        var series: [String: Series] = [:]
    }

    private let seriesMax: Int
    private let state = Mutex(State())

    package init(seriesMax: Int = PrometheusRegistry.seriesMaxDefault) { self.seriesMax = seriesMax }

    /// The HELP line of a metric, by the label it is made with.
    package func describe(_ label: String, _ help: String) {
        let base = metricName(label)
        self.state.withLock { $0.help[base] = help }
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.series(label, suffix: "_total", .counter, dimensions)
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        self.series(label, suffix: "_total", .counter, dimensions)
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.series(label, suffix: "", .gauge, dimensions)
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? self.series(label, suffix: "", .histogram(bounds: Histogram.sizes), dimensions)
            : self.series(label, suffix: "", .gauge, dimensions)
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        self.series(label, suffix: "_seconds", .histogram(bounds: Histogram.seconds), dimensions)
    }

    // Series stay: a counter that vanished and came back would look like a restart to whoever reads it.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// The same label and dimensions give the same series. A label already used for another kind of metric, and one
    /// series too many, give a series that nobody reads.
    private func series(
        _ label: String, suffix: String, _ kind: Series.Kind, _ dimensions: [(String, String)]
    ) -> Series {
        let base = metricName(label)
        let name = base.hasSuffix(suffix) ? base : base + suffix
        let labels = renderedLabels(dimensions.prefix(Self.labelsMax))
        return self.state.withLock { state in
            if let known = state.families[name]?.series[labels], known.kind == kind { return known }
            let series = Series(kind)
            let family = state.families[name] ?? Family(kind: kind)
            guard family.kind == kind, state.series < self.seriesMax else {
                state.refused += 1
                return series
            }
            state.families[name, default: family].series[labels] = series
            state.series += 1
            if name != base, let help = state.help[base] { state.help[name] = help }
            return series
        }
    }

    /// The whole exposition, families and series sorted by name.
    package func text() -> String {
        let (families, help, refused) = self.state.withLock { ($0.families, $0.help, $0.refused) }
        var text = PrometheusText()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text.begin(name, kind: family.kind, help: help[name])
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                text.add(name, labels: labels, series.reading)
            }
        }
        let own = "meshnode_metrics_refused_series_total"
        text.begin(own, kind: .counter, help: "Series refused because there are too many, or their name is taken.")
        text.add(own, labels: "", .value(Double(refused)))
        return text.text
    }
}

/// One time series. One class for all kinds: swift-metrics hands back whatever protocol the factory method promised.
final class Series: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, TimerHandler {
    enum Kind: Hashable {
        case counter, gauge
        case histogram(bounds: [Double])
    }

    enum Reading {
        case value(Double)
        case histogram(Histogram)
    }

    let kind: Kind
    private let current: Mutex<Histogram>

    /// A counter or gauge is a histogram without buckets, of which only the sum is read.
    init(_ kind: Kind) {
        self.kind = kind
        let bounds = if case .histogram(let bounds) = kind { bounds } else { [Double]() }
        self.current = Mutex(Histogram(bounds: bounds))
    }

    var reading: Reading {
        let histogram = self.current.withLock { $0 }
        return if case .histogram = self.kind { .histogram(histogram) } else { .value(histogram.sum) }
    }

    func increment(by amount: Int64) { self.increment(by: Double(amount)) }
    func increment(by amount: Double) { self.current.withLock { $0.sum += amount } }
    func decrement(by amount: Double) { self.current.withLock { $0.sum -= amount } }
    func set(_ value: Int64) { self.set(Double(value)) }
    func set(_ value: Double) { self.current.withLock { $0.sum = value } }
    func reset() { self.current.withLock { $0 = Histogram(bounds: $0.bounds) } }

    func record(_ value: Int64) { self.record(Double(value)) }
    func record(_ value: Double) {
        if case .histogram = self.kind { self.current.withLock { $0.record(value) } } else { self.set(value) }
    }

    func recordNanoseconds(_ duration: Int64) { self.record(Double(duration) / 1e9) }
}

/// Counts by upper bound, and the sum: what Prometheus calls a histogram.
struct Histogram: Sendable {
    /// 100 µs to 60 s: a turn in memory at one end, a model call at the other.
    static let seconds: [Double] = [
        0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    /// Bytes and batch lengths alike: powers of four.
    static let sizes: [Double] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304]

    let bounds: [Double]
    /// One more than bounds: the last counts what lies above all of them.
    private(set) var counts: [UInt64]
    var sum: Double = 0

    init(bounds: [Double]) {
        self.bounds = bounds
        self.counts = Array(repeating: 0, count: bounds.count + 1)
    }

    mutating func record(_ value: Double) {
        self.sum += value
        self.counts[self.bounds.firstIndex { value <= $0 } ?? self.bounds.count] += 1
    }
}
