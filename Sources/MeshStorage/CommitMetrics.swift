internal import MeshCore
internal import Metrics

struct CommitMetrics: Sendable {
    private let duration = Timer(label: "meshnode_storage_commit_seconds")
    private let batches = Recorder(label: "meshnode_storage_group_batches")

    func record(since start: ContinuousClock.Instant, batches: Int) {
        self.duration.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
        self.batches.record(batches)
    }
}

struct ReadMetrics: Sendable {
    private let reading = Timer(label: "meshnode_storage_read_seconds")

    func measure<Value>(_ read: () -> Value) -> Value {
        let start = ContinuousClock.now
        defer { self.reading.recordNanoseconds((ContinuousClock.now - start).nanoseconds) }
        return read()
    }
}
