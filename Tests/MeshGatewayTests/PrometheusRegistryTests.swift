import MeshGateway
import Metrics
import Testing

@Suite("Prometheus text")
struct PrometheusRegistryTests {
    @Test("counters, gauges and timers are written with type, help, sorted labels and fixed buckets")
    func text() {
        let registry = PrometheusRegistry()
        registry.describe("mesh.packets", "Packets\nby \\ direction.")
        Counter(label: "mesh.packets", dimensions: [("way", "in"), ("family", "v4")], factory: registry).increment(
            by: 3)
        Counter(label: "mesh.packets", dimensions: [("family", "v4"), ("way", "in")], factory: registry).increment(
            by: 2)
        Gauge(label: "mesh_members", factory: registry).record(7.5)
        let timer = Metrics.Timer(label: "turn", factory: registry)
        timer.recordNanoseconds(200_000)
        timer.recordNanoseconds(2_000_000_000_000)
        let lines = registry.text().split(separator: "\n").map(String.init)
        #expect(lines.contains("# HELP mesh_packets_total Packets\\nby \\\\ direction."))
        #expect(lines.contains("# TYPE mesh_packets_total counter"))
        #expect(lines.contains(#"mesh_packets_total{family="v4",way="in"} 5"#))
        #expect(lines.contains("# TYPE mesh_members gauge"))
        #expect(lines.contains("mesh_members 7.5"))
        #expect(lines.contains("# TYPE turn_seconds histogram"))
        #expect(lines.contains(#"turn_seconds_bucket{le="0.0001"} 0"#))
        #expect(lines.contains(#"turn_seconds_bucket{le="0.0005"} 1"#))
        #expect(lines.contains(#"turn_seconds_bucket{le="60"} 1"#))
        #expect(lines.contains(#"turn_seconds_bucket{le="+Inf"} 2"#))
        #expect(lines.contains("turn_seconds_count 2"))
        #expect(lines.contains("turn_seconds_sum 2000.0002"))
    }

    @Test("labels are escaped, names made legal, long values cut")
    func escaping() {
        let registry = PrometheusRegistry()
        let value = "a\"b\\c\nd"
        Counter(label: "9 lives-of.cats", dimensions: [("a-b", value)], factory: registry).increment()
        let long = String(repeating: "é", count: 400)
        Counter(label: "long", dimensions: [("v", long)], factory: registry).increment()
        let text = registry.text()
        #expect(text.contains(#"_9_lives_of_cats_total{a_b="a\"b\\c\nd"} 1"#))
        #expect(!text.contains(long))
        #expect(text.contains("long_total{v=\"éé"))
    }

    @Test("the number of series has an end, and what is refused is counted")
    func bound() {
        let registry = PrometheusRegistry(seriesMax: 3)
        for index in 0..<10 {
            Counter(label: "c", dimensions: [("i", String(index))], factory: registry).increment()
        }
        let text = registry.text()
        #expect(text.ranges(of: "c_total{").count == 3)
        #expect(text.contains("meshnode_metrics_refused_series_total 7\n"))
    }

    @Test("a name that is already another kind of metric is refused")
    func kinds() {
        let registry = PrometheusRegistry()
        Gauge(label: "x", factory: registry).record(1)
        Recorder(label: "x", dimensions: [("a", "b")], aggregate: true, factory: registry).record(5)
        let text = registry.text()
        #expect(text.contains("x 1\n"))
        #expect(!text.contains("x_bucket"))
        #expect(text.contains("meshnode_metrics_refused_series_total 1\n"))
    }

    @Test("meters go up and down, recorders count by size, a reset counter begins again")
    func kindsOfHandlers() {
        let registry = PrometheusRegistry()
        let meter = Meter(label: "open", factory: registry)
        meter.set(5.0)
        meter.increment(by: 2.0)
        meter.decrement(by: 3.0)
        Recorder(label: "batch", factory: registry).record(300)
        let counter = FloatingPointCounter(label: "bytes", factory: registry)
        counter.increment(by: 1.5)
        counter.reset()
        counter.increment(by: 0.25)
        let text = registry.text()
        #expect(text.contains("open 4\n"))
        #expect(text.contains("batch_bucket{le=\"256\"} 0\n"))
        #expect(text.contains("batch_bucket{le=\"1024\"} 1\n"))
        #expect(text.contains("bytes_total 0.25\n"))
    }
}
