internal import Metrics

/// The last reading as gauges. What is not known is NaN: a gauge that keeps its last value would look alive.
struct HardwareMetrics {
    private let cores = Gauge(label: "meshnode_host_cpu_cores")
    private let memoryTotal = Gauge(label: "meshnode_host_memory_total_bytes")
    private let memoryAvailable = Gauge(label: "meshnode_host_memory_available_bytes")
    private let diskTotal = Gauge(label: "meshnode_host_disk_total_bytes")
    private let diskFree = Gauge(label: "meshnode_host_disk_free_bytes")
    private let failures = Gauge(label: "meshnode_hardware_failures")
    private let gpuCount = Gauge(label: "meshnode_gpus")
    /// By the driver's number, which is below `GPUReading.devicesMax`.
    private var gpus: [Int: GPUGauges] = [:]

    private struct GPUGauges {
        let memoryTotal: Gauge
        let memoryFree: Gauge
        let utilization: Gauge
        let temperature: Gauge

        init(index: Int) {
            let labels = [("gpu", "\(index)")]
            self.memoryTotal = Gauge(label: "meshnode_gpu_memory_total_bytes", dimensions: labels)
            self.memoryFree = Gauge(label: "meshnode_gpu_memory_free_bytes", dimensions: labels)
            self.utilization = Gauge(label: "meshnode_gpu_utilization_ratio", dimensions: labels)
            self.temperature = Gauge(label: "meshnode_gpu_temperature_celsius", dimensions: labels)
        }

        func record(_ device: GPUReading.Device?) {
            self.memoryTotal.record(device?.memory.map { Double($0.totalBytes) } ?? .nan)
            self.memoryFree.record(device?.memory.map { Double($0.freeBytes) } ?? .nan)
            self.utilization.record(device?.utilization.map { Double($0) / 100 } ?? .nan)
            self.temperature.record(device?.celsius.map { Double($0) } ?? .nan)
        }
    }

    init() {}

    mutating func record(_ latest: HardwareProbe.Latest, failures: Int) {
        let reading = if case .reading(let reading) = latest { reading } else { HardwareProbe.Reading?.none }
        let host = reading?.host
        self.cores.record(host?.cpuHundredths.map { Double($0) / 100 } ?? .nan)
        self.memoryTotal.record(host?.memory.map { Double($0.totalBytes) } ?? .nan)
        self.memoryAvailable.record(host?.memory.map { Double($0.freeBytes) } ?? .nan)
        self.diskTotal.record(host?.disk.map { Double($0.totalBytes) } ?? .nan)
        self.diskFree.record(host?.disk.map { Double($0.freeBytes) } ?? .nan)
        self.failures.record(failures)
        let devices = reading?.gpus?.reading?.devices ?? []
        self.gpuCount.record(devices.count)
        for device in devices where self.gpus[device.index] == nil {
            self.gpus[device.index] = GPUGauges(index: device.index)
        }
        for (index, gauges) in self.gpus { gauges.record(devices.first { $0.index == index }) }
    }
}
