internal import MeshCore
internal import MeshRuntime
internal import MeshStorage
internal import MeshTransport
internal import Metrics
internal import Synchronization

/// What is measured when somebody reads the metrics, and not counted as it happens.
final class NodeGauges: Sendable {
    private struct Last {
        var probes = ProbeTally()
        var cpuSeconds = 0.0
    }

    private let storage: RocksStorage
    private let pulse: Pulse
    private let askForSign: @Sendable (Pulse.Part, @escaping @Sendable () -> Void) -> Void
    private let last = Mutex(Last())

    init(
        storage: RocksStorage, pulse: Pulse,
        askForSign: @escaping @Sendable (Pulse.Part, @escaping @Sendable () -> Void) -> Void
    ) {
        self.storage = storage
        self.pulse = pulse
        self.askForSign = askForSign
        gauge("meshnode_build_info", 1, ("version", Meshnode.version))
    }

    func measure(_ node: NodeService) async {
        // Answered while the rest is read; of a part that does not answer, how long it has not.
        self.pulse.take(self.askForSign)
        self.measure(members: await node.network.members(), health: await node.network.localHealth(), of: node)
        self.measure(await node.network.reading())
        node.runtime.measure()
        self.measure(node.runtime.reading)
        self.measureProcess()
        let waiting = self.storage.waiting
        gauge("meshnode_storage_writes_waiting", Double(waiting.writes))
        gauge("meshnode_storage_reads_waiting", Double(waiting.reads))
        gauge("meshnode_storage_bytes", Double(folderBytes(node.facts.folder + "/db")))
        for (part, delay) in self.pulse.delays {
            gauge("meshnode_part_delay_seconds", delay.inSeconds, ("part", part.rawValue))
        }
    }

    private func measure(members: [Member], health: UInt8, of node: NodeService) {
        for state in MemberState.allCases {
            gauge("meshnode_members", Double(members.count { $0.state == state }), ("state", state.name))
        }
        let live = members.filter { $0.state == .alive || $0.state == .suspect }
        gauge("meshnode_members_stream_only", Double(live.count { $0.isStreamOnly }))
        gauge("meshnode_local_health", Double(health))
        gauge("meshnode_boot_epoch", Double(node.facts.boot.epoch))
        let trips = live.compactMap { $0.roundTrip?.inSeconds }.sorted()
        gauge("meshnode_round_trip_seconds", trips.isEmpty ? 0 : trips[trips.count / 2], ("stat", "median"))
        gauge("meshnode_round_trip_seconds", trips.last ?? 0, ("stat", "max"))
    }

    private func measure(_ network: NetworkReading) {
        let before = self.last.withLock { last in
            defer { last.probes = network.probes }
            return last.probes
        }
        let results: [(String, KeyPath<ProbeTally, UInt64>)] = [
            ("direct", \.direct), ("indirect", \.indirect), ("stream", \.stream), ("failed", \.failed),
        ]
        for (result, count) in results {
            let more = network.probes[keyPath: count] &- before[keyPath: count]
            Counter(label: "meshnode_probes_total", dimensions: [("result", result)]).increment(
                by: Int64(clamping: more))
        }
        gauge("meshnode_rumors_waiting", Double(network.rumors))
        gauge("meshnode_streams", Double(network.streams))
        gauge("meshnode_stream_waiting_bytes", Double(network.streamWaitingBytes))
    }

    private func measure(_ runtime: RuntimeReading) {
        gauge("meshnode_requests_waiting", Double(runtime.requests))
        gauge("meshnode_mailbox_depth", Double(runtime.depth))
        gauge("meshnode_activations", Double(runtime.activations))
        gauge("meshnode_mailbox_bytes", Double(runtime.mailboxBytes))
    }

    /// Under the names that every exporter has for them.
    private func measureProcess() {
        guard let process = ProcessReading() else { return }
        gauge("process_resident_memory_bytes", process.residentBytes)
        gauge("process_virtual_memory_bytes", process.virtualBytes)
        gauge("process_threads", Double(process.threads))
        gauge("process_start_time_seconds", process.startedAt)
        gauge("process_open_fds", Double(process.openFiles))
        gauge("process_max_fds", ProcessReading.openFilesMax)
        let more = self.last.withLock { last in
            defer { last.cpuSeconds = process.cpuSeconds }
            return process.cpuSeconds - last.cpuSeconds
        }
        FloatingPointCounter(label: "process_cpu_seconds_total").increment(by: max(0, more))
    }
}

private func gauge(_ name: String, _ value: Double, _ dimension: (String, String)? = nil) {
    Gauge(label: name, dimensions: dimension.map { [$0] } ?? []).record(value)
}
